import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const NONCE_BYTES = 32

/** A secret of several nodes. Fits transport's port `ClusterSecret`. */
export class SharedSecret {
  readonly #key: string

  constructor (key: string) {
    this.#key = key
  }

  nonce (): Uint8Array { return randomBytes(NONCE_BYTES) }

  sign (bytes: Uint8Array): Uint8Array { return createHmac('sha256', this.#key).update(bytes).digest() }

  verify (bytes: Uint8Array, signature: Uint8Array): boolean {
    const expected = this.sign(bytes)
    return expected.length === signature.length && timingSafeEqual(expected, signature)
  }
}
