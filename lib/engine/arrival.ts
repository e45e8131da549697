import { PAGE_UNITS, type ConsumeQueue } from '../store/index.ts'

/** New messages in a queue: those at [fromOffset, toOffset). */
export class Arrival {
  readonly fromOffset: number
  readonly toOffset: number
  readonly #queue: ConsumeQueue

  constructor (queue: ConsumeQueue, fromOffset: number) {
    this.#queue = queue
    this.fromOffset = fromOffset
    this.toOffset = queue.nextOffset
  }

  get topic (): string { return this.#queue.topic }
  get queueId (): number { return this.#queue.queueId }

  /** Whether one of them has one of these tag codes. */
  matches (tagsCodes: ReadonlySet<number>): boolean {
    for (let offset = this.fromOffset; offset < this.toOffset; offset++) {
      const page = this.#queue.residentPage(offset)
      if (page === undefined || tagsCodes.has(page.tagsCodeOf(offset % PAGE_UNITS))) return true
    }
    return false
  }
}
