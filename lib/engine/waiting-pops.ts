interface Waiter {
  /** Undefined: whatever queue has something. */
  readonly queueId: number | undefined
  readonly wake: () => void
}

/**
 * Consumers that wait for messages of a group and topic. They are woken, oldest first, when something may be there for
 * them, look again, and wait again if somebody was faster. Waiting costs no CPU.
 */
export class WaitingPops {
  /** By topic, then by group. */
  readonly #topics = new Map<string, Map<string, Set<Waiter>>>()
  #count = 0

  get count (): number { return this.#count }

  /** Those that wait for that queue; undefined: for any. */
  countOf (topic: string, group: string, queueId: number | undefined): number {
    let count = 0
    for (const waiter of this.#topics.get(topic)?.get(group) ?? []) if (waiter.queueId === queueId) count++
    return count
  }

  /** `wake` is called once; the result takes it out again and is fine to call afterwards. */
  add (topic: string, group: string, wake: () => void, queueId?: number): () => void {
    let groups = this.#topics.get(topic)
    if (groups === undefined) this.#topics.set(topic, groups = new Map())
    let waiters = groups.get(group)
    if (waiters === undefined) groups.set(group, waiters = new Set())
    // an object of its own, so that the same `wake` may wait twice
    const waiter = { queueId, wake }
    waiters.add(waiter)
    this.#count++
    return () => { this.#remove(topic, group, waiter) }
  }

  /** The topic has `count` new messages, in that queue if one is named: so many consumers of each group look. */
  topicGrew (topic: string, count: number, queueId?: number): void {
    const groups = this.#topics.get(topic)
    if (groups === undefined) return
    for (const group of [...groups.keys()]) this.wake(topic, group, count, queueId)
  }

  /** Where no queue is named all look who wait for one: whether it is theirs nobody knows. */
  wake (topic: string, group: string, count: number, queueId?: number): void {
    const waiters = this.#topics.get(topic)?.get(group)
    if (waiters === undefined) return
    let woken = 0
    for (const waiter of [...waiters]) {
      const isOfAny = waiter.queueId === undefined
      if (!isOfAny && queueId !== undefined && waiter.queueId !== queueId) continue
      const counts = isOfAny || queueId !== undefined
      if (counts && woken >= count) continue
      if (counts) woken++
      this.#remove(topic, group, waiter)
      waiter.wake()
    }
  }

  wakeAll (): void {
    for (const [topic, groups] of [...this.#topics]) for (const group of [...groups.keys()]) this.wake(topic, group, Infinity)
  }

  #remove (topic: string, group: string, waiter: Waiter): void {
    const groups = this.#topics.get(topic)
    const waiters = groups?.get(group)
    if (waiters === undefined || !waiters.delete(waiter)) return
    this.#count--
    if (waiters.size > 0) return
    groups!.delete(group)
    if (groups!.size === 0) this.#topics.delete(topic)
  }
}
