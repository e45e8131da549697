import type { Change, Kv } from '../kv/index.ts'

const SLICE_BYTES = 1024 * 1024

/** Values that may go to the kv before others do, some at a time. */
export class SlicedWrites {
  readonly #kv: Kv
  #changes: Change[] = []
  #bytes = 0

  constructor (kv: Kv) {
    this.#kv = kv
  }

  async add (key: string, value: Uint8Array): Promise<void> {
    this.#changes.push({ key, value })
    this.#bytes += value.length
    if (this.#bytes >= SLICE_BYTES) await this.finish()
  }

  async finish (): Promise<void> {
    const changes = this.#changes
    this.#changes = []
    this.#bytes = 0
    await this.#kv.batch(changes)
  }
}
