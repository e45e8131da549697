import type { Read } from '../cluster/history.ts'

/** What consumers were given of a topic, against what its queues hold. */
export class Deliveries {
  readonly #problems: string[] = []
  readonly #ids = new Set<string>()
  readonly #given = new Map<string, string>()

  has (id: string): boolean { return this.#ids.has(id) }

  given ({ queueId, queueOffset, id }: Read): void {
    const place = `${queueId}/${queueOffset}`
    const other = this.#given.get(place)
    if (other !== undefined && other !== id) this.#problems.push(`${place} was given as ${other} and as ${id}`)
    this.#given.set(place, id)
    this.#ids.add(id)
  }

  /** Compares with what one node has from offset 0 on. Returns what is wrong, and every message by its id. */
  check (queues: ReadonlyArray<readonly Read[]>): { readonly problems: string[], readonly ids: ReadonlySet<string> } {
    const problems = [...this.#problems]
    const ids = new Set<string>()
    const places = new Map<string, string>()
    for (const [queueId, reads] of queues.entries()) {
      const gap = reads.find(({ queueOffset }, i) => queueOffset !== i)
      if (gap !== undefined) problems.push(`queue ${queueId} has a gap before offset ${gap.queueOffset}`)
      for (const { queueOffset, id } of reads) {
        if (ids.has(id)) problems.push(`${id} is there twice, again at ${queueId}/${queueOffset}`)
        ids.add(id)
        places.set(`${queueId}/${queueOffset}`, id)
      }
    }
    const other = [...this.#given].find(([place, id]) => places.get(place) !== id)
    if (other !== undefined) problems.push(`a consumer was given ${other[1]} at ${other[0]}, there is ${places.get(other[0]) ?? 'nothing'}`)
    return { problems, ids }
  }
}
