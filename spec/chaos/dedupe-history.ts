import type { Read } from '../cluster/history.ts'
import { Deliveries } from './deliveries.ts'

interface Sent {
  readonly queueId: number
  /** Attempts that may have stored it. */
  attempts: number
  place: string | undefined
}

/**
 * Messages `key/number` that are sent again under the same id, after whatever answer: each is stored once, at the one place that every
 * answer told; those of a key stand in the order of their numbers, as a number is sent when the one before was confirmed.
 */
export class DedupeHistory {
  readonly #all = new Map<string, Sent>()
  readonly #deliveries = new Deliveries()
  readonly #problems: string[] = []
  storedCount = 0
  /** Confirmed once more. */
  repeatedCount = 0
  unknownCount = 0
  givenCount = 0

  sending (id: string, queueId: number): void {
    const sent = this.#all.get(id)
    if (sent === undefined) this.#all.set(id, { queueId, attempts: 1, place: undefined })
    else sent.attempts++
  }

  stored (id: string, queueId: number, queueOffset: number): void {
    const sent = this.#all.get(id)!
    const place = `${queueId}/${queueOffset}`
    if (sent.place === undefined) this.storedCount++
    else this.repeatedCount++
    if (sent.queueId !== queueId) this.#problems.push(`${id} was confirmed at ${place}, and was sent to queue ${sent.queueId}`)
    if (sent.place !== undefined && sent.place !== place) this.#problems.push(`${id} was confirmed at ${sent.place}, and then at ${place}`)
    sent.place ??= place
  }

  notStored (id: string): void { this.#all.get(id)!.attempts-- }
  unknown (): void { this.unknownCount++ }

  given (read: Read): void {
    this.givenCount++
    this.#deliveries.given(read)
  }

  missing (): string[] { return [...this.#all].filter(([id, { place }]) => place !== undefined && !this.#deliveries.has(id)).map(([id]) => id) }

  /** Compares with what one node holds. */
  check (queues: ReadonlyArray<readonly Read[]>): string[] {
    const { problems } = this.#deliveries.check(queues)
    problems.push(...this.#problems)
    const idAt = new Map<string, string>()
    const lastOf = new Map<string, number>()
    for (const { id, queueId, queueOffset } of queues.flat()) {
      const place = `${queueId}/${queueOffset}`
      idAt.set(place, id)
      const sent = this.#all.get(id)
      if (sent === undefined) problems.push(`${place} is ${id}, which nobody sent`)
      else if (sent.attempts === 0) problems.push(`${place} is ${id}, which was answered as not stored`)
      else if (sent.queueId !== queueId) problems.push(`${place} is ${id}, which was sent to queue ${sent.queueId}`)
      const [key, number] = id.split('/') as [string, string]
      const last = lastOf.get(key)
      if (last !== undefined && Number(number) <= last) problems.push(`${place} is ${id}, behind ${key}/${last}`)
      lastOf.set(key, Number(number))
    }
    for (const [id, { place }] of this.#all) if (place !== undefined && idAt.get(place) !== id) problems.push(`${id} was confirmed at ${place}, there is ${idAt.get(place) ?? 'nothing'}`)
    return problems
  }
}
