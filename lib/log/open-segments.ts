import type { DiskFile } from '../base/index.ts'
import type { Segment } from './segment.ts'

/** Keeps the files of sealed segments open while they are read, a bounded number of them. */
export class OpenSegments {
  readonly #limit: number
  readonly #isActive: (segment: Segment) => boolean
  readonly #recent = new Set<Segment>()

  /** `isActive`: the segment being written keeps its file, because an error of a write may be told only once per handle. */
  constructor (limit: number, isActive: (segment: Segment) => boolean) {
    this.#limit = limit
    this.#isActive = isActive
  }

  /** Counts a segment that is open already. */
  note (segment: Segment): void {
    this.#recent.delete(segment)
    this.#recent.add(segment)
  }

  async use<T> (segment: Segment, action: (file: DiskFile) => Promise<T>): Promise<T> {
    this.note(segment)
    if (this.#recent.size > this.#limit) await this.#closeOldest()
    return await segment.use(action)
  }

  forget (segment: Segment): void {
    this.#recent.delete(segment)
  }

  async #closeOldest (): Promise<void> {
    for (const segment of this.#recent) {
      if (segment.isUsed || this.#isActive(segment)) continue
      this.#recent.delete(segment)
      return await segment.close()
    }
  }
}
