import { textOf } from './text.ts'

const SLOTS = 1024
/** Longer texts are not kept. */
const MAX_BYTES = 255

/**
 * Texts by their UTF-8 bytes, so that a topic that comes with every message is the same string each time, made once.
 * A table of fixed size where a text takes the place of another with the same hash: at most 512 KiB, whatever peers send.
 */
export class InternedTexts {
  readonly #bytes: Array<Uint8Array | undefined> = new Array(SLOTS).fill(undefined)
  readonly #texts: string[] = new Array(SLOTS).fill('')

  textOf (bytes: Uint8Array, start: number, end: number): string {
    const length = end - start
    if (length > MAX_BYTES) return textOf(bytes, start, end)
    if (length === 0) return ''
    // the last bytes tell names apart that count something; comparing follows, so a weak hash costs time only
    let hash = length * 31 + bytes[start]!
    for (let at = length > 8 ? end - 8 : start; at < end; at++) hash = Math.imul(hash, 31) + bytes[at]! | 0
    const slot = (hash ^ hash >>> 10 ^ hash >>> 20) & (SLOTS - 1)
    const known = this.#bytes[slot]
    if (known !== undefined && known.length === length) {
      let i = 0
      while (i < length && known[i] === bytes[start + i]) i++
      if (i === length) return this.#texts[slot]!
    }
    // a copy, so that it holds on to nothing else (`slice` of a Buffer is none)
    this.#bytes[slot] = new Uint8Array(bytes.subarray(start, end))
    const text = textOf(bytes, start, end)
    this.#texts[slot] = text
    return text
  }
}
