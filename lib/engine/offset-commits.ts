import { MqError, type Clock, type Timer } from '../base/index.ts'
import type { EntryBodyWriter } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { ConsumerOffsets, popCost, type PopMachine, type Store } from '../store/index.ts'
import { Decision } from './decision.ts'
import { hasQueue } from './topic.ts'
import type { QueueReads } from './queue-reads.ts'

/** What commits that are logged together may take of an entry. */
const SHARED_BYTES = 16 * 1024
/** How long a commit that nobody was promised anything for may wait for others to be logged with. */
const COMMIT_WAIT_MS = 200

export interface OffsetKey {
  readonly group: string
  readonly topic: string
  readonly queueId: number
}

export interface QueueOffset {
  readonly queueId: number
  readonly offset: number
}

interface Commit extends OffsetKey {
  readonly offset: number
  readonly clientId: string | undefined
}

export interface ResetRequest {
  readonly group: string
  readonly topic: string
  /** Default: all queues that are read. */
  readonly queueId?: number
  /** Where to, in [minOffset, maxOffset + 1]; otherwise `timeMs` says. */
  readonly offset?: number
  /** The first message stored at that time or later; below 0: behind the last one. */
  readonly timeMs?: number
}

export interface OffsetCommitsOptions {
  readonly clock: Clock
  readonly store: Store
  /** Groups that consume by leases have their places there. */
  readonly machine: PopMachine
  readonly reads: QueueReads
  readonly submit: (proposal: Proposal) => void
  /** Whether another client than this one has the queue locked for the group, as far as decided. */
  readonly isFenced: (key: OffsetKey, clientId: string, storeTimestampMs: number) => boolean
}

/** A commit, and that leases follow. */
function moveCostBytes ({ group, topic }: { readonly group: string, readonly topic: string }): number {
  return ConsumerOffsets.commitCostBytes(group, topic) + popCost.move
}

type DecideCommit = (writer: EntryBodyWriter, commit: Commit, storeTimestampMs: number) => void

/**
 * Commits made one by one, logged together: until the proposal is decided, later ones join it, the latest of a queue
 * taking the place of the one before.
 */
class SharedCommit implements Proposal {
  readonly costBytes = SHARED_BYTES
  readonly relieves = true
  readonly commits = new Map<string, Commit>()
  readonly #decideCommit: DecideCommit
  readonly #onEnd: (commit: SharedCommit) => void
  #bytes = 0
  isDecided = false
  #done: Promise<void> | undefined
  #resolve: (() => void) | undefined
  #reject: ((error: MqError) => void) | undefined

  constructor (decideCommit: DecideCommit, onEnd: (commit: SharedCommit) => void) {
    this.#decideCommit = decideCommit
    this.#onEnd = onEnd
  }

  /** Returns whether there was room. A commit never takes the place of another client's, of which it may be that only that one counts. */
  maybeAdd (key: string, commit: Commit): boolean {
    const costBytes = moveCostBytes(commit)
    const known = this.commits.get(key)
    if (known !== undefined && known.clientId !== commit.clientId) return false
    if (known === undefined) {
      if (this.#bytes + costBytes > SHARED_BYTES) return false
      this.#bytes += costBytes
    }
    this.commits.set(key, commit)
    return true
  }

  /** Resolves once the commits are applied. */
  get done (): Promise<void> {
    return (this.#done ??= new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    }))
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    this.isDecided = true
    for (const commit of this.commits.values()) this.#decideCommit(writer, commit, storeTimestampMs)
  }

  settle (): void {
    this.#onEnd(this)
    this.#resolve?.()
  }

  fail (error: MqError): void {
    this.isDecided = true
    this.#onEnd(this)
    this.#reject?.(error)
  }
}

/** Progress of consumer groups by offset: commits, which nobody waits for, and administrators' moves. */
export class OffsetCommits {
  readonly #options: OffsetCommitsOptions
  /** Submitted and not settled, in order; the last one may still take commits. */
  readonly #inFlight = new Set<SharedCommit>()
  #open: SharedCommit | undefined
  /** While there is one, `#open` was not submitted yet. */
  #waiting: Timer | undefined

  constructor (options: OffsetCommitsOptions) {
    this.#options = options
  }

  /**
   * The group reads on from `offset`. Returns at once; a commit that fails is made again by the client in some seconds.
   * Without effect for a queue that does not exist, while consumers were not told of a reset, and when a `clientId` is given and another client has the
   * queue locked.
   */
  commit (key: OffsetKey, offset: number, clientId?: string): void {
    if (this.#add(key, offset, clientId)) this.#submitWaiting()
  }

  /**
   * The same for a commit that came along with something else, as every pull of a consumer has one: it waits a moment, so that an
   * entry of the log holds those of many pulls. Whoever asks for the offset is told of it, and what is submitted after it comes after it.
   */
  commitSoon (key: OffsetKey, offset: number, clientId?: string): void {
    this.#add(key, offset, clientId)
  }

  /**
   * The same for a commit that took another way than others of its client, if the group is still where it was when it set out:
   * at `from`, undefined when it had no offset. What comes late changes nothing.
   */
  commitFrom (key: OffsetKey, from: number | undefined, offset: number, clientId?: string): void {
    const { group, topic, queueId } = key
    const name = `${group}@${topic}@${queueId}`
    const latest = this.#newestWith(name)?.commits.get(name)?.offset ?? this.#options.store.consumerOffsets.offset(group, topic, queueId)
    if (latest === from) this.commit(key, offset, clientId)
  }

  /** This node leads no more: what waits to be submitted would, if it leads again soon, come after what others commit meanwhile. */
  leadershipLost (): void {
    if (this.#waiting === undefined) return
    this.#waiting.cancel()
    this.#waiting = undefined
    this.#open!.fail(new MqError('MQ_NOT_LEADER', 'another node leads the group'))
  }

  /** Returns whether there was anything to commit. */
  #add ({ group, topic, queueId }: OffsetKey, offset: number, clientId: string | undefined): boolean {
    // nobody ever comes there, and it could not be logged
    if (!Number.isInteger(offset) || offset < 0 || offset >= Number.MAX_SAFE_INTEGER) return false
    const key = `${group}@${topic}@${queueId}`
    if (this.#options.store.consumerOffsets.offset(group, topic, queueId) === offset && this.#newestWith(key) === undefined) return false
    const commit = { group, topic, queueId, offset, clientId }
    if (this.#open?.isDecided === false && this.#open.maybeAdd(key, commit)) return true
    this.#submitWaiting()
    const shared = this.#open = new SharedCommit(this.#decideCommit, this.#onEnd)
    shared.maybeAdd(key, commit)
    this.#inFlight.add(shared)
    this.#waiting = this.#options.clock.setTimer(COMMIT_WAIT_MS, () => { this.#submitWaiting() })
    return true
  }

  #submitWaiting (): void {
    if (this.#waiting === undefined) return
    this.#waiting.cancel()
    this.#waiting = undefined
    this.#options.submit(this.#open!)
  }

  /** What is committed from now on comes after everything submitted meanwhile, and what was committed before comes before it. */
  close (): void {
    this.#submitWaiting()
    this.#open = undefined
  }

  /** Resolves once all that was committed before is applied. @throws what became of one that failed */
  async settled (): Promise<void> {
    const all = Promise.all([...this.#inFlight].map(({ done }) => done))
    this.#submitWaiting()
    await all
  }

  /** Where the group is; a promise when a commit made before is under way. Undefined: it has no offset there. */
  query ({ group, topic, queueId }: OffsetKey): number | undefined | Promise<number | undefined> {
    const pending = this.#newestWith(`${group}@${topic}@${queueId}`)
    const offset = (): number | undefined => this.current(group, topic, queueId)
    const answer = pending === undefined ? offset() : pending.done.then(offset, offset)
    if (pending === this.#open) this.#submitWaiting()
    return answer
  }

  /** Where the group is, as far as it is applied here: what it has done by leases counts where it has any. */
  current (group: string, topic: string, queueId: number): number | undefined {
    const { machine, store } = this.#options
    return machine.progressOf(group, topic, queueId)?.consumerOffset ?? store.consumerOffsets.offset(group, topic, queueId)
  }

  /** All places of a group as `current` tells them: by topic, then by queueId. */
  offsetsOf (group: string): ReadonlyMap<string, ReadonlyMap<number, number>> {
    const { machine, store } = this.#options
    const committed = store.consumerOffsets.offsetsOf(group)
    const leased = machine.topicsOf(group)
    if (leased.length === 0) return committed
    const all = new Map(committed)
    for (const topic of leased) all.set(topic, new Map([...committed.get(topic) ?? [], ...machine.offsetsOf(group, topic)]))
    return all
  }

  /** Groups that are anywhere. */
  groups (): Set<string> { return new Set([...this.#options.store.consumerOffsets.groups(), ...this.#options.machine.groups()]) }

  /**
   * Moves a group: its consumers are told at their next pull (`takeReset`), and what they commit before that is ignored.
   * Resolves, once that is durable, with the new offsets.
   * @throws MQ_TOPIC_NOT_FOUND, MQ_GROUP_NOT_FOUND, MQ_QUEUE_NOT_FOUND; MQ_INVALID_ARGUMENT the offset is out of range
   */
  async reset ({ group, topic, queueId, offset, timeMs = -1 }: ResetRequest): Promise<QueueOffset[]> {
    const { store, reads } = this.#options
    const config = store.metadata.topic(topic)
    if (config === undefined) throw new MqError('MQ_TOPIC_NOT_FOUND', `there is no topic ${topic}`)
    if (store.metadata.group(group) === undefined) throw new MqError('MQ_GROUP_NOT_FOUND', `there is no group ${group}`)
    if (queueId !== undefined && !(Number.isInteger(queueId) && queueId >= 0 && queueId < config.readQueueNums)) throw new MqError('MQ_QUEUE_NOT_FOUND', `topic ${topic} has ${config.readQueueNums} queues, there is no queue ${queueId}`)
    const offsets: QueueOffset[] = []
    for (const id of queueId === undefined ? Array.from({ length: config.readQueueNums }, (_, i) => i) : [queueId]) {
      const { minOffset, maxOffset } = reads.rangeOf(topic, id)
      if (offset !== undefined && !(Number.isInteger(offset) && offset >= minOffset && offset <= maxOffset + 1)) {
        throw new MqError('MQ_INVALID_ARGUMENT', `offset ${offset} is not in [${minOffset}, ${maxOffset + 1}] of queue ${id}`, { minOffset, maxOffset })
      }
      offsets.push({ queueId: id, offset: offset ?? (timeMs < 0 ? maxOffset : await reads.searchOffset(topic, id, timeMs)) })
    }
    await this.#decide(offsets.length * moveCostBytes({ group, topic }), (writer) => {
      for (const { queueId, offset } of offsets) {
        store.consumerOffsets.reset(writer, group, topic, queueId, offset)
        this.#options.machine.proposeMove(writer, group, topic, queueId, offset)
      }
    })
    return offsets
  }

  /** Whether `takeReset` has something to tell. */
  hasReset ({ group, topic, queueId }: OffsetKey): boolean {
    return this.#options.store.consumerOffsets.proposedReset(group, topic, queueId) !== undefined
  }

  /** The offset of a reset that the group's consumers were not told of yet: who calls this tells them. Undefined: there is none. */
  takeReset ({ group, topic, queueId }: OffsetKey): number | undefined {
    const { consumerOffsets } = this.#options.store
    const offset = consumerOffsets.proposedReset(group, topic, queueId)
    if (offset === undefined) return undefined
    // told twice does no harm, so nobody waits for this
    this.#decide(ConsumerOffsets.commitCostBytes(group, topic), (writer) => {
      if (consumerOffsets.proposedReset(group, topic, queueId) === offset) consumerOffsets.clearReset(writer, group, topic, queueId)
    }).catch(() => {})
    return offset
  }

  /** Gives a group the offsets of another: in one topic, or in all where that one has some. */
  async clone ({ from, to, topic }: { readonly from: string, readonly to: string, readonly topic?: string }): Promise<void> {
    const { consumerOffsets } = this.#options.store
    await this.settled()
    const commits: Array<OffsetKey & { readonly offset: number }> = []
    for (const [name, offsets] of this.offsetsOf(from)) {
      if (topic === undefined || topic === name) for (const [queueId, offset] of offsets) commits.push({ group: to, topic: name, queueId, offset })
    }
    const costBytes = commits.reduce((sum, commit) => sum + moveCostBytes(commit), 0)
    await this.#decide(costBytes, (writer) => {
      for (const { group, topic, queueId, offset } of commits) {
        consumerOffsets.commit(writer, group, topic, queueId, offset)
        this.#options.machine.proposeMove(writer, group, topic, queueId, offset)
      }
    })
  }

  async #decide (costBytes: number, decide: (writer: EntryBodyWriter) => void): Promise<void> {
    this.close()
    const decision = new Decision(costBytes, decide)
    this.#options.submit(decision)
    await decision.done
  }

  #newestWith (key: string): SharedCommit | undefined {
    let newest: SharedCommit | undefined
    for (const shared of this.#inFlight) if (shared.commits.has(key)) newest = shared
    return newest
  }

  readonly #onEnd = (shared: SharedCommit): void => { this.#inFlight.delete(shared) }

  readonly #decideCommit: DecideCommit = (writer, { group, topic, queueId, offset, clientId }, storeTimestampMs) => {
    const { store: { consumerOffsets, metadata }, machine, isFenced } = this.#options
    const config = metadata.proposedTopic(topic)
    if (config === undefined || !hasQueue(config, queueId) || group.includes('@')) return
    if (consumerOffsets.proposedReset(group, topic, queueId) !== undefined) return
    if (clientId !== undefined && isFenced({ group, topic, queueId }, clientId, storeTimestampMs)) return
    consumerOffsets.commit(writer, group, topic, queueId, offset)
    machine.proposeMove(writer, group, topic, queueId, offset)
  }
}
