/**
 * The overlay of a machine that keeps values by key: what the leader has proposed for a key, over what was applied.
 * Each `propose` is followed by one `settle` of the same key when its command is applied, or by `reset`.
 */
export class PendingValues<V> {
  readonly #pending = new Map<string, { value: V | undefined, count: number }>()

  /** `undefined`: the key is being removed. */
  propose (key: string, value: V | undefined): void {
    const pending = this.#pending.get(key)
    if (pending === undefined) {
      this.#pending.set(key, { value, count: 1 })
    } else {
      pending.value = value
      pending.count++
    }
  }

  settle (key: string): void {
    const pending = this.#pending.get(key)
    if (pending !== undefined && --pending.count === 0) this.#pending.delete(key)
  }

  /** The last value proposed for the key; `applied` where nothing is proposed. */
  get (key: string, applied: V | undefined): V | undefined {
    const pending = this.#pending.get(key)
    return pending === undefined ? applied : pending.value
  }

  reset (): void { this.#pending.clear() }
}
