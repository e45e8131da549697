import { MqError } from '../base/index.ts'
import { deleteGroup, deleteTopic, EntryBodyWriter } from '../message/index.ts'
import { lockQueues, unlockQueues, type LockKey } from './lock-commands.ts'
import { LockOverlay, type HeldLock } from './lock-overlay.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { defineValue } from './stored-value.ts'

/** A lock ends that long after its last renewal. @see RocketMQ RebalanceLockManager */
export const LOCK_TTL_MS = 60_000
/** Clients trust a lock that long without asking, so it lasts at least as long when their connection is lost. */
export const LOST_CONNECTION_TTL_MS = 30_000

/** Owners of one group's locks in one topic, by queueId. */
type Owners = Map<number, string>

const ownersValue = defineValue<Array<{ queueId: number, owner: string }>>([{
  type: 'array',
  items: { type: 'record', name: 'QueueOwner', fields: [{ name: 'queueId', type: 'long' }, { name: 'owner', type: 'string' }] }
}])

/**
 * Locks of queues for ordered consumption: which client of a group holds which queue. The log holds who, never until
 * when: that only the leader knows. A renewal thus costs no entry; all times begin anew when another node takes over;
 * and the end of a lock is a command. The methods after `ownerOf` are for proposals.
 */
export class LockMachine implements Machine {
  readonly name = 'lock'
  readonly #owners = new Map<string, Owners>()
  /** In how many topics a group has locks. */
  readonly #topicCounts = new Map<string, number>()
  readonly #changed = new Set<string>()
  #overlay: LockOverlay | undefined
  /** Told of each group of which queues are free now, as it is applied; may not throw. */
  onUnlocked: ((group: string) => void) | undefined

  readonly handlers = [
    on(lockQueues, ({ group, owner, queues }) => { for (const { topic, queueId } of queues) this.#set(group, topic, queueId, owner) }),
    on(unlockQueues, ({ locks }) => {
      for (const { group, topic, queueId } of locks) this.#set(group, topic, queueId, undefined)
      if (this.onUnlocked !== undefined) for (const group of new Set(locks.map(({ group }) => group))) this.onUnlocked(group)
    }),
    on(deleteTopic, ({ topic }) => { this.#remove((key) => topicIn(key) === topic) }),
    on(deleteGroup, ({ group }) => { this.#remove((key) => groupIn(key) === group) })
  ]

  /** As applied. */
  ownerOf (group: string, topic: string, queueId: number): string | undefined { return this.#owners.get(keyOf(group, topic))?.get(queueId) }

  /** As applied: whether a client of the group holds any queue. */
  holdsAny (group: string): boolean { return this.#topicCounts.has(group) }

  /** When `expire` has something to do; never later than that. Infinity: never, or this node does not lead. */
  get nextExpiryMs (): number { return this.#overlay?.nextExpiryMs ?? Infinity }

  /** The client that holds the queue now, once all that is proposed is applied. */
  holderOf (key: LockKey, nowMs: number): string | undefined {
    const lock = this.#overlayAt(nowMs).get(key)
    return lock === undefined || lock.expiresAtMs <= nowMs ? undefined : lock.owner
  }

  /** The client asks for those queues, or renews them; returns which of them it holds now. */
  lock (writer: EntryBodyWriter, group: string, owner: string, queues: ReadonlyArray<Omit<LockKey, 'group'>>, nowMs: number): Array<Omit<LockKey, 'group'>> {
    const overlay = this.#overlayAt(nowMs)
    const expiresAtMs = nowMs + LOCK_TTL_MS
    const gained: Array<Omit<LockKey, 'group'>> = []
    const held = queues.filter(({ topic, queueId }) => {
      const lock = overlay.get({ group, topic, queueId })
      if (lock?.owner === owner) {
        lock.expiresAtMs = expiresAtMs
        return true
      }
      if (lock !== undefined && lock.expiresAtMs > nowMs) return false
      overlay.set({ group, topic, queueId, owner, expiresAtMs })
      gained.push({ topic, queueId })
      return true
    })
    if (gained.length > 0) writer.addCommand(lockQueues.type, lockQueues.encode({ group, owner, queues: gained }))
    return held
  }

  /** The client gives back those that it holds. */
  unlock (writer: EntryBodyWriter, group: string, owner: string, queues: ReadonlyArray<Omit<LockKey, 'group'>>, nowMs: number): void {
    const overlay = this.#overlayAt(nowMs)
    this.#release(writer, queues.flatMap(({ topic, queueId }) => {
      const lock = overlay.get({ group, topic, queueId })
      return lock?.owner === owner ? [lock] : []
    }), overlay)
  }

  /** The client leaves: a group, or altogether. At most `maxLocks` are released; true: there may be more. */
  releaseOwner (writer: EntryBodyWriter, owner: string, group: string | undefined, nowMs: number, maxLocks: number): boolean {
    const overlay = this.#overlayAt(nowMs)
    const held = [...overlay.ofOwner(owner)].filter((lock) => group === undefined || lock.group === group)
    this.#release(writer, held.slice(0, maxLocks), overlay)
    return held.length > maxLocks
  }

  /** The client cannot renew for now: its locks end earlier, unless it comes back. */
  connectionLost (owner: string, nowMs: number): void {
    const overlay = this.#overlayAt(nowMs)
    for (const lock of overlay.ofOwner(owner)) {
      lock.expiresAtMs = Math.min(lock.expiresAtMs, nowMs + LOST_CONNECTION_TTL_MS)
      overlay.noteExpiry(lock.expiresAtMs)
    }
  }

  /** Ends what was not renewed in time, at most `maxLocks`. */
  expire (writer: EntryBodyWriter, nowMs: number, maxLocks: number): void {
    const overlay = this.#overlayAt(nowMs)
    const expired = overlay.takeExpired(nowMs)
    for (const lock of expired.splice(maxLocks)) overlay.set(lock)
    this.#release(writer, expired, overlay)
  }

  /** An upper bound of what a command about those queues takes, each named with its topic, or group and topic. */
  static costBytes (names: number, queues: ReadonlyArray<{ readonly topic: string }>): number {
    return queues.reduce((sum, { topic }) => sum + 20 + 3 * topic.length, EntryBodyWriter.commandCostBytes(32 + 3 * names))
  }

  proposeDeleteTopic (topic: string): void { this.#forget((lock) => lock.topic === topic) }
  proposeDeleteGroup (group: string): void { this.#forget((lock) => lock.group === group) }

  resetOverlay (): void { this.#overlay = undefined }

  freeze (): KeyChange[] {
    const changes = [...this.#changed].map((key) => {
      const owners = this.#owners.get(key)
      return { key, value: owners === undefined ? undefined : encodeOwners(owners) }
    })
    this.#changed.clear()
    return changes
  }

  load (key: string, value: Uint8Array): void {
    if (!key.includes('@')) throw new MqError('MQ_CORRUPT', `state store: ${key} names no group and topic`, { key })
    this.#add(key, new Map(ownersValue.decode(key, value).map(({ queueId, owner }) => [queueId, owner])))
  }

  * values (): Generator<KeyValue> {
    for (const [key, owners] of this.#owners) yield { key, value: encodeOwners(owners) }
  }

  clear (): void {
    this.#owners.clear()
    this.#topicCounts.clear()
    this.#changed.clear()
    this.#overlay = undefined
  }

  #overlayAt (nowMs: number): LockOverlay {
    if (this.#overlay !== undefined) return this.#overlay
    const overlay = this.#overlay = new LockOverlay()
    for (const [key, owners] of this.#owners) {
      for (const [queueId, owner] of owners) overlay.set({ group: groupIn(key), topic: topicIn(key), queueId, owner, expiresAtMs: nowMs + LOCK_TTL_MS })
    }
    return overlay
  }

  #release (writer: EntryBodyWriter, locks: readonly HeldLock[], overlay: LockOverlay): void {
    if (locks.length === 0) return
    for (const lock of locks) overlay.delete(lock)
    writer.addCommand(unlockQueues.type, unlockQueues.encode({ locks }))
  }

  #forget (isGone: (lock: HeldLock) => boolean): void {
    const overlay = this.#overlay
    if (overlay !== undefined) for (const lock of [...overlay.all()]) if (isGone(lock)) overlay.delete(lock)
  }

  #set (group: string, topic: string, queueId: number, owner: string | undefined): void {
    const key = keyOf(group, topic)
    let owners = this.#owners.get(key)
    if (owner === undefined) {
      if (owners?.delete(queueId) !== true) return
      if (owners.size === 0) this.#delete(key)
    } else {
      if (owners === undefined) this.#add(key, owners = new Map())
      owners.set(queueId, owner)
    }
    this.#changed.add(key)
  }

  #remove (isGone: (key: string) => boolean): void {
    for (const key of [...this.#owners.keys()]) {
      if (!isGone(key)) continue
      this.#delete(key)
      this.#changed.add(key)
    }
  }

  #add (key: string, owners: Owners): void {
    const group = groupIn(key)
    if (!this.#owners.has(key)) this.#topicCounts.set(group, (this.#topicCounts.get(group) ?? 0) + 1)
    this.#owners.set(key, owners)
  }

  #delete (key: string): void {
    if (!this.#owners.delete(key)) return
    const group = groupIn(key)
    const count = this.#topicCounts.get(group)! - 1
    if (count === 0) this.#topicCounts.delete(group)
    else this.#topicCounts.set(group, count)
  }
}

function keyOf (group: string, topic: string): string { return `${group}@${topic}` }
function groupIn (key: string): string { return key.slice(0, key.indexOf('@')) }
function topicIn (key: string): string { return key.slice(key.indexOf('@') + 1) }

function encodeOwners (owners: Owners): Uint8Array {
  return ownersValue.encode([...owners].sort(([a], [b]) => a - b).map(([queueId, owner]) => ({ queueId, owner })))
}
