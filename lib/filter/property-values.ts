const NAME_END = 1
const PROPERTY_END = 2
const NONE = 0xffff

/**
 * Where the values of certain properties stand in stored properties text, found in one pass over it. Of several with one
 * name the last counts; without a value it is as if the property was not there.
 */
export class PropertyValues {
  /** The text that was looked at, in its place. */
  bytes: Uint8Array = new Uint8Array(0)
  /** By slot: [from, to) of the value; `from` below 0: there is none. */
  readonly from: Int32Array
  readonly to: Int32Array
  readonly #names: readonly Uint8Array[]
  /** By the first byte of a name: the first slot of such a one, and by slot the next. */
  readonly #first = new Uint16Array(256).fill(NONE)
  readonly #next: Uint16Array

  constructor (names: readonly string[]) {
    const encoder = new TextEncoder()
    this.#names = names.map((name) => encoder.encode(name))
    this.from = new Int32Array(names.length)
    this.to = new Int32Array(names.length)
    this.#next = new Uint16Array(names.length).fill(NONE)
    this.#names.forEach((name, slot) => {
      this.#next[slot] = this.#first[name[0]!]!
      this.#first[name[0]!] = slot
    })
  }

  /** Looks at the properties at [at, end) of `bytes`. */
  find (bytes: Uint8Array, at: number, end: number): void {
    this.bytes = bytes
    this.from.fill(-1)
    while (at < end) {
      const slot = this.#slotAt(bytes, at, end)
      const valueAt = slot === NONE ? at : at + this.#names[slot]!.length + 1
      let to = valueAt
      while (to < end && bytes[to] !== PROPERTY_END) to++
      if (slot !== NONE && to > valueAt) {
        this.from[slot] = valueAt
        this.to[slot] = to
      }
      at = to + 1
    }
  }

  #slotAt (bytes: Uint8Array, at: number, end: number): number {
    let slot = this.#first[bytes[at]!]!
    for (; slot !== NONE; slot = this.#next[slot]!) {
      const name = this.#names[slot]!
      const length = name.length
      if (at + length >= end || bytes[at + length] !== NAME_END) continue
      let i = 1
      while (i < length && bytes[at + i] === name[i]) i++
      if (i === length) return slot
    }
    return NONE
  }
}
