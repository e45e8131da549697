/**
 * Consumers that wait for messages of a group and topic. They are woken, oldest first, when something may be there for
 * them, look again, and wait again if somebody was faster. Waiting costs no CPU.
 */
export class WaitingPops {
  /** By topic, then by group. */
  readonly #topics = new Map<string, Map<string, Set<() => void>>>()
  #count = 0

  get count (): number { return this.#count }

  /** `wake` is called once; the result takes it out again and is fine to call afterwards. */
  add (topic: string, group: string, wake: () => void): () => void {
    let groups = this.#topics.get(topic)
    if (groups === undefined) this.#topics.set(topic, groups = new Map())
    let waiters = groups.get(group)
    if (waiters === undefined) groups.set(group, waiters = new Set())
    // a function of its own, so that the same `wake` may wait twice
    const entry = (): void => { wake() }
    waiters.add(entry)
    this.#count++
    return () => { this.#remove(topic, group, entry) }
  }

  /** The topic has `count` new messages: so many consumers of each group look. */
  topicGrew (topic: string, count: number): void {
    const groups = this.#topics.get(topic)
    if (groups === undefined) return
    for (const group of [...groups.keys()]) this.wake(topic, group, count)
  }

  wake (topic: string, group: string, count: number): void {
    const waiters = this.#topics.get(topic)?.get(group)
    if (waiters === undefined) return
    for (const waiter of [...waiters].slice(0, count)) {
      this.#remove(topic, group, waiter)
      waiter()
    }
  }

  wakeAll (): void {
    for (const [topic, groups] of [...this.#topics]) for (const group of [...groups.keys()]) this.wake(topic, group, Infinity)
  }

  #remove (topic: string, group: string, waiter: () => void): void {
    const groups = this.#topics.get(topic)
    const waiters = groups?.get(group)
    if (waiters === undefined || !waiters.delete(waiter)) return
    this.#count--
    if (waiters.size > 0) return
    groups!.delete(group)
    if (groups!.size === 0) this.#topics.delete(topic)
  }
}
