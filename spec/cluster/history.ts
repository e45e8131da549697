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
 * What was sent, with its three outcomes kept apart, and what consumers were given meanwhile, against what is stored. A message is
 * named by who sent it, its number and the attempt: `lane/number/attempt`; every attempt has a name of its own.
 */
export class History {
  /** By queue: offset to id. */
  readonly #stored = new Map<number, Map<number, string>>()
  /** The same of what consumers were given. */
  readonly #given = new Map<number, Map<number, string>>()
  readonly #notStored = new Set<string>()
  /** Under way or of unknown outcome, with the last offset of the queue that was known when they were sent: they can only come behind it. */
  readonly #sentBehind = new Map<string, number>()
  readonly #lastOffsets = new Map<number, number>()
  readonly problems: string[] = []
  storedCount = 0
  unknownCount = 0
  givenCount = 0

  get notStoredCount (): number { return this.#notStored.size }

  sending (id: string, queueId: number): void { this.#sentBehind.set(id, this.#lastOffsets.get(queueId) ?? -1) }

  stored (id: string, queueId: number, queueOffset: number): void {
    this.storedCount++
    const queue = offsetsOf(this.#stored, queueId)
    const other = queue.get(queueOffset)
    if (other !== undefined) this.problems.push(`${id} and ${other} were both confirmed at ${queueId}/${queueOffset}`)
    queue.set(queueOffset, id)
    this.#assertBehind(id, queueId, queueOffset)
    this.#sentBehind.delete(id)
    this.#lastOffsets.set(queueId, Math.max(queueOffset, this.#lastOffsets.get(queueId) ?? -1))
  }

  notStored (id: string): void {
    this.#notStored.add(id)
    this.#sentBehind.delete(id)
  }

  unknown (id: string): void {
    this.unknownCount++
    if (!this.#sentBehind.has(id)) this.#sentBehind.set(id, -1)
  }

  /** A consumer was given it, by whichever node. */
  given ({ queueId, queueOffset, id }: Read): void {
    this.givenCount++
    const queue = offsetsOf(this.#given, queueId)
    const other = queue.get(queueOffset)
    if (other !== undefined && other !== id) this.problems.push(`${queueId}/${queueOffset} was given as ${other} and as ${id}`)
    queue.set(queueOffset, id)
  }

  /** Compares with what is stored from offset 0 on; returns all problems so far, the first of each kind and queue. */
  check (queues: ReadonlyArray<readonly Read[]>): string[] {
    const seen = new Set<string>()
    for (const [queueId, reads] of queues.entries()) {
      const wanted = offsetsOf(this.#stored, queueId)
      const idAt = new Map(reads.map(({ queueOffset, id }) => [queueOffset, id]))
      this.#note(reads.find(({ queueOffset }, i) => queueOffset !== i), (read) => `queue ${queueId} has a gap before offset ${read.queueOffset}`)
      this.#note([...wanted].find(([offset, id]) => idAt.get(offset) !== id), ([offset, id]) => `${id} was confirmed at ${queueId}/${offset}, there is ${idAt.get(offset) ?? 'nothing'}`)
      this.#note([...offsetsOf(this.#given, queueId)].find(([offset, id]) => idAt.get(offset) !== id), ([offset, id]) => `a consumer was given ${id} at ${queueId}/${offset}, there is ${idAt.get(offset) ?? 'nothing'}`)
      this.#note(reads.find(({ queueOffset, id }) => wanted.get(queueOffset) !== id && !this.#sentBehind.has(id)), ({ queueOffset, id }) =>
        `${queueId}/${queueOffset} is ${id}, which ${this.#notStored.has(id) ? 'was answered as not stored' : 'nobody sent, or was confirmed elsewhere'}`)
      for (const { id, queueOffset } of reads) {
        if (seen.has(id)) this.problems.push(`${id} is stored twice, again at ${queueId}/${queueOffset}`)
        seen.add(id)
        this.#assertBehind(id, queueId, queueOffset)
      }
    }
    return this.problems
  }

  #assertBehind (id: string, queueId: number, queueOffset: number): void {
    const behind = this.#sentBehind.get(id) ?? -1
    if (queueOffset <= behind) this.problems.push(`${id} is at ${queueId}/${queueOffset}, and was sent when ${behind} was confirmed`)
  }

  #note<T> (found: T | undefined, text: (found: T) => string): void {
    if (found !== undefined) this.problems.push(text(found))
  }
}

function offsetsOf (queues: Map<number, Map<number, string>>, queueId: number): Map<number, string> {
  let queue = queues.get(queueId)
  if (queue === undefined) queues.set(queueId, (queue = new Map()))
  return queue
}
