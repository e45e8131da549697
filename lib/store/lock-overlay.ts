import type { LockKey } from './lock-commands.ts'

/** A lock as the leader knows it. */
export interface HeldLock extends LockKey {
  readonly owner: string
  expiresAtMs: number
}

/** All locks as they will be once everything proposed is applied, with their times, which only the leader has. */
export class LockOverlay {
  readonly #locks = new Map<string, HeldLock>()
  readonly #byOwner = new Map<string, Set<HeldLock>>()
  /** Never later than the first lock ends. */
  nextExpiryMs = Infinity

  get (key: LockKey): HeldLock | undefined { return this.#locks.get(textOf(key)) }
  ofOwner (owner: string): Iterable<HeldLock> { return this.#byOwner.get(owner) ?? [] }
  all (): Iterable<HeldLock> { return this.#locks.values() }

  set (lock: HeldLock): void {
    this.delete(lock)
    this.#locks.set(textOf(lock), lock)
    const owned = this.#byOwner.get(lock.owner)
    if (owned === undefined) this.#byOwner.set(lock.owner, new Set([lock]))
    else owned.add(lock)
    this.noteExpiry(lock.expiresAtMs)
  }

  delete (key: LockKey): void {
    const text = textOf(key)
    const lock = this.#locks.get(text)
    if (lock === undefined) return
    this.#locks.delete(text)
    const owned = this.#byOwner.get(lock.owner)!
    owned.delete(lock)
    if (owned.size === 0) this.#byOwner.delete(lock.owner)
  }

  noteExpiry (expiresAtMs: number): void {
    if (expiresAtMs < this.nextExpiryMs) this.nextExpiryMs = expiresAtMs
  }

  /** Takes out the locks that have ended, and knows the next time exactly. */
  takeExpired (nowMs: number): HeldLock[] {
    const expired: HeldLock[] = []
    this.nextExpiryMs = Infinity
    for (const lock of this.#locks.values()) {
      if (lock.expiresAtMs <= nowMs) expired.push(lock)
      else this.noteExpiry(lock.expiresAtMs)
    }
    for (const lock of expired) this.delete(lock)
    return expired
  }
}

/** No name holds an '@'. */
function textOf ({ group, topic, queueId }: LockKey): string { return `${group}@${topic}@${queueId}` }
