const ZEROS = new Uint8Array(4096)

/**
 * The bytes of one file in memory: pages, of 64 KiB unless told otherwise, made when something other than zeros is
 * written to them, so that a preallocated file costs nothing and growth never copies.
 */
export class PagedBytes {
  readonly #pageBytes: number
  #pages: Array<Uint8Array | undefined> = []
  #sizeBytes = 0

  constructor (pageBytes = 65_536) {
    this.#pageBytes = pageBytes
  }

  get sizeBytes (): number { return this.#sizeBytes }

  write (bytes: Uint8Array, position: number): void {
    const pageBytes = this.#pageBytes
    for (let done = 0; done < bytes.length;) {
      const at = position + done
      const within = at % pageBytes
      const piece = bytes.subarray(done, done + pageBytes - within)
      this.#pageFor(Math.floor(at / pageBytes), piece)?.set(piece, within)
      done += piece.length
    }
    if (bytes.length > 0) this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.length)
  }

  /** Fills `into` from `position`; returns the bytes read, fewer only at the end. */
  read (into: Uint8Array, position: number): number {
    const pageBytes = this.#pageBytes
    const total = Math.max(0, Math.min(into.length, this.#sizeBytes - position))
    for (let done = 0; done < total;) {
      const at = position + done
      const within = at % pageBytes
      const length = Math.min(total - done, pageBytes - within)
      const page = this.#pages[Math.floor(at / pageBytes)]
      if (page === undefined) into.fill(0, done, done + length)
      else into.set(page.subarray(within, within + length), done)
      done += length
    }
    return total
  }

  /** Cuts, or extends with zeros. */
  truncate (sizeBytes: number): void {
    const pageBytes = this.#pageBytes
    if (sizeBytes < this.#sizeBytes) {
      const kept = Math.ceil(sizeBytes / pageBytes)
      if (this.#pages.length > kept) this.#pages.length = kept
      this.#pages[kept - 1]?.fill(0, (sizeBytes - 1) % pageBytes + 1)
    }
    this.#sizeBytes = sizeBytes
  }

  /** A copy of all of it. */
  toBytes (): Uint8Array {
    const bytes = new Uint8Array(this.#sizeBytes)
    this.read(bytes, 0)
    return bytes
  }

  clone (): PagedBytes {
    const copy = new PagedBytes(this.#pageBytes)
    copy.#pages = this.#pages.map((page) => page?.slice())
    copy.#sizeBytes = this.#sizeBytes
    return copy
  }

  #pageFor (number: number, piece: Uint8Array): Uint8Array | undefined {
    const page = this.#pages[number]
    if (page !== undefined || isZero(piece)) return page
    while (this.#pages.length < number) this.#pages.push(undefined)
    return (this.#pages[number] = new Uint8Array(this.#pageBytes))
  }
}

function isZero (bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const piece = bytes.subarray(at, at + ZEROS.length)
    if (piece[0] !== 0 || Buffer.compare(piece, ZEROS.subarray(0, piece.length)) !== 0) return false
  }
  return true
}
