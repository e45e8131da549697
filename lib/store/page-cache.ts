import type { UnitPage } from './unit-page.ts'

const MAX_PAGES = 2 ** 24

/** Decoded pages that are in the kv too, the least recently used ones dropped when `maxBytes` are exceeded. */
export class PageCache {
  readonly #maxBytes: number
  readonly #pages = new Map<number, UnitPage>()
  #bytes = 0

  constructor (maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes (): number { return this.#bytes }

  /** The page if it holds the unit numbered `unit` within it. */
  get (queueNumber: number, pageNumber: number, unit: number): UnitPage | undefined {
    const key = queueNumber * MAX_PAGES + pageNumber
    const page = this.#pages.get(key)
    if (page === undefined || unit < page.start || unit >= page.end) return undefined
    this.#pages.delete(key)
    this.#pages.set(key, page)
    return page
  }

  /** `page` must not grow any more. */
  set (queueNumber: number, page: UnitPage): void {
    const key = queueNumber * MAX_PAGES + page.pageNumber
    this.#drop(key)
    this.#pages.set(key, page)
    this.#bytes += page.memoryBytes
    for (const oldest of this.#pages.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      this.#drop(oldest)
    }
  }

  clear (): void {
    this.#pages.clear()
    this.#bytes = 0
  }

  #drop (key: number): void {
    const page = this.#pages.get(key)
    if (page === undefined) return
    this.#pages.delete(key)
    this.#bytes -= page.memoryBytes
  }
}
