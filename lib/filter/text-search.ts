/** Finds a text in bytes in one pass over them, whatever both are. @see Knuth, Morris, Pratt */
export class TextSearch {
  readonly text: Uint8Array
  /** By length of a beginning that fits: the longest shorter one that does too. */
  readonly #shorter: Uint16Array

  /** `text` takes less than 64 KiB. */
  constructor (text: Uint8Array) {
    this.text = text
    this.#shorter = new Uint16Array(text.length + 1)
    let fits = 0
    for (let i = 1; i < text.length; i++) {
      while (fits > 0 && text[i] !== text[fits]) fits = this.#shorter[fits]!
      if (text[i] === text[fits]) fits++
      this.#shorter[i + 1] = fits
    }
  }

  isIn (bytes: Uint8Array, from: number, to: number): boolean {
    const { text } = this
    const shorter = this.#shorter
    let fits = 0
    for (let i = from; i < to; i++) {
      while (fits > 0 && bytes[i] !== text[fits]) fits = shorter[fits]!
      if (bytes[i] === text[fits] && ++fits === text.length) return true
    }
    return text.length === 0
  }
}

export function equalsAt (bytes: Uint8Array, from: number, to: number, text: Uint8Array): boolean {
  return to - from === text.length && beginsAt(bytes, from, to, text)
}

export function beginsAt (bytes: Uint8Array, from: number, to: number, text: Uint8Array): boolean {
  if (to - from < text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text[i]) return false
  return true
}
