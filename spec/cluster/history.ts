/** What a producer can know of one send. */
export const Outcome = { stored: 0, notStored: 1, unknown: 2 } as const
export type Outcome = typeof Outcome[keyof typeof Outcome]

/** A message as it was read back. */
export interface Read {
  readonly queueId: number
  readonly queueOffset: number
  readonly id: string
}

/**
 * What was sent, with its three outcomes kept apart, against what is stored. A message is named by who sent it, its number and
 * the attempt: `lane/number/attempt`. An attempt is made after the outcome of the one before of its lane.
 */
export class History {
  /** By queue: offset to id. */
  readonly #stored = new Map<number, Map<number, string>>()
  readonly #notStored = new Set<string>()
  readonly #unknown = new Set<string>()
  readonly #lastOffsetOfLane = new Map<string, number>()
  readonly problems: string[] = []
  storedCount = 0

  get notStoredCount (): number { return this.#notStored.size }
  get unknownCount (): number { return this.#unknown.size }

  stored (id: string, queueId: number, queueOffset: number): void {
    this.storedCount++
    const queue = this.#queue(queueId)
    const other = queue.get(queueOffset)
    if (other !== undefined) this.problems.push(`${id} and ${other} were both confirmed at ${queueId}/${queueOffset}`)
    queue.set(queueOffset, id)
    const lane = id.slice(0, id.indexOf('/')) + ' in ' + queueId
    const last = this.#lastOffsetOfLane.get(lane) ?? -1
    if (queueOffset <= last) this.problems.push(`${id} was confirmed at ${queueId}/${queueOffset}, after one of its lane at ${last}`)
    this.#lastOffsetOfLane.set(lane, queueOffset)
  }

  notStored (id: string): void { this.#notStored.add(id) }
  unknown (id: string): void { this.#unknown.add(id) }

  /** Compares with what is stored from offset 0 on; returns all problems so far, the first of each kind and queue. */
  check (queues: ReadonlyArray<readonly Read[]>): string[] {
    const seen = new Set<string>()
    for (const [queueId, reads] of queues.entries()) {
      const wanted = this.#queue(queueId)
      const idAt = new Map(reads.map(({ queueOffset, id }) => [queueOffset, id]))
      this.#note(reads.find(({ queueOffset }, i) => queueOffset !== i), (read) => `queue ${queueId} has a gap before offset ${read.queueOffset}`)
      this.#note([...wanted].find(([offset, id]) => idAt.get(offset) !== id), ([offset, id]) => `${id} was confirmed at ${queueId}/${offset}, there is ${idAt.get(offset) ?? 'nothing'}`)
      this.#note(reads.find(({ queueOffset, id }) => wanted.get(queueOffset) !== id && !this.#unknown.has(id)), ({ queueOffset, id }) =>
        `${queueId}/${queueOffset} is ${id}, which ${this.#notStored.has(id) ? 'was answered as not stored' : 'nobody sent, or was confirmed elsewhere'}`)
      for (const { id, queueOffset } of reads) {
        if (seen.has(id)) this.problems.push(`${id} is stored twice, again at ${queueId}/${queueOffset}`)
        seen.add(id)
      }
    }
    return this.problems
  }

  #note<T> (found: T | undefined, text: (found: T) => string): void {
    if (found !== undefined) this.problems.push(text(found))
  }

  #queue (queueId: number): Map<number, string> {
    let queue = this.#stored.get(queueId)
    if (queue === undefined) this.#stored.set(queueId, (queue = new Map()))
    return queue
  }
}
