import type { Clock, Timer } from '../base/index.ts'
import type { RunningConfig } from '../config/index.ts'
import type { Engine } from '../engine/index.ts'
import type { NodeId } from '../raft/index.ts'
import { ResponseCode } from '../remoting/index.ts'

/** A node that is silent for longer is not in sync. */
const SILENT_MS = 1500
/** Nor is one that lacks more entries than this. */
const MAX_LAG_ENTRIES = 4096
const TICK_MS = 100

/** A send whose message is stored: by the group, or by this broker alone. */
export interface StoredSend {
  answer (code: ResponseCode): void
}

export interface ReplicaAcksOptions {
  readonly clock: Clock
  readonly engine: Engine
  readonly config: RunningConfig<'broker'>
  /** A majority of the nodes has every message that is stored. */
  readonly isGroup: boolean
}

interface Waiting {
  readonly send: StoredSend
  /** Its entry is this one or an earlier one. */
  readonly index: number
  readonly untilMs: number
}

/**
 * Answers to sends that wait for more copies than the storing took: those of a SYNC_MASTER, whose replicas have no vote,
 * and of a group with more `inSyncReplicas` than a majority. The message is stored in any case; the code says how safely.
 * @see RocketMQ CommitLog.handleHA
 */
export class ReplicaAcks {
  readonly #options: ReplicaAcksOptions
  readonly #heardAtMs = new Map<NodeId, number>()
  #waiting: Waiting[] = []
  #from = 0
  #timer: Timer | undefined
  /** What holds in this turn of the loop. */
  #now: { readonly lastIndex: number, readonly inSync: number } | undefined

  constructor (options: ReplicaAcksOptions) {
    this.#options = options
    const { engine, clock } = options
    engine.onReply((from) => {
      this.#heardAtMs.set(from, clock.nowMs())
      if (this.waitingCount > 0) this.#release()
    })
    // the next leader knows nothing of who waits here
    engine.onLeadership(({ isLeader }) => {
      if (isLeader) return
      this.#heardAtMs.clear()
      this.#end(this.#waiting.length, ResponseCode.FLUSH_SLAVE_TIMEOUT)
    })
  }

  get waitingCount (): number { return this.#waiting.length - this.#from }

  /** Of a send that is not stored after syncFlushTimeout. */
  get lateCode (): ResponseCode { return this.#options.isGroup ? ResponseCode.FLUSH_SLAVE_TIMEOUT : ResponseCode.FLUSH_DISK_TIMEOUT }

  /** Why nothing may be sent now; undefined: it may. */
  refusal (): string | undefined {
    const { minInSyncReplicas } = this.#options.config.values
    if (minInSyncReplicas === 1 || !this.#isOn) return undefined
    const { inSync } = this.#facts
    return inSync >= minInSyncReplicas ? undefined : `${inSync} copies are in sync, fewer than minInSyncReplicas (${minInSyncReplicas})`
  }

  /** Answers the send, at once or when enough copies are there, or after slaveTimeout. */
  stored (send: StoredSend): void {
    if (!this.#isOn) {
      send.answer(ResponseCode.SUCCESS)
      return
    }
    const wanted = this.#wantedCopies()
    if (wanted <= 1) send.answer(ResponseCode.SUCCESS)
    else if (this.#facts.inSync < wanted) send.answer(ResponseCode.SLAVE_NOT_AVAILABLE)
    else this.#wait(send)
  }

  close (): void {
    this.#end(this.#waiting.length, ResponseCode.FLUSH_SLAVE_TIMEOUT)
  }

  get #isOn (): boolean {
    const { isGroup, config: { values: { brokerRole, inSyncReplicas, minInSyncReplicas, allAckInSyncStateSet } } } = this.#options
    return isGroup ? inSyncReplicas > 1 || minInSyncReplicas > 1 || allAckInSyncStateSet : brokerRole === 'SYNC_MASTER'
  }

  /** This one among them. */
  #wantedCopies (): number {
    const { isGroup, config: { values: { inSyncReplicas, minInSyncReplicas, allAckInSyncStateSet, enableAutoInSyncReplicas } } } = this.#options
    const asked = isGroup ? inSyncReplicas : Math.max(2, inSyncReplicas)
    if (allAckInSyncStateSet) return Math.max(asked, this.#facts.inSync)
    return enableAutoInSyncReplicas ? Math.max(minInSyncReplicas, Math.min(asked, this.#facts.inSync)) : asked
  }

  get #facts (): { readonly lastIndex: number, readonly inSync: number } {
    if (this.#now !== undefined) return this.#now
    const { clock, engine } = this.#options
    const nowMs = clock.nowMs()
    const { peers, lastIndex } = engine.status()
    const replicas = peers.filter(({ id, matchIndex }) => nowMs - (this.#heardAtMs.get(id) ?? -Infinity) <= SILENT_MS && lastIndex - matchIndex <= MAX_LAG_ENTRIES)
    clock.defer(() => { this.#now = undefined })
    return (this.#now = { lastIndex, inSync: 1 + replicas.length })
  }

  /** The last entry that so many nodes have on disk. */
  #indexOnCopies (copies: number): number {
    const { peers, durableIndex } = this.#options.engine.status()
    return [durableIndex, ...peers.map(({ matchIndex }) => matchIndex)].sort((a, b) => b - a)[copies - 1] ?? 0
  }

  #wait (send: StoredSend): void {
    const { clock, config } = this.#options
    this.#waiting.push({ send, index: this.#facts.lastIndex, untilMs: clock.nowMs() + config.values.slaveTimeout })
    this.#timer ??= clock.setTimer(TICK_MS, this.#tick)
    if (this.waitingCount === 1) this.#release()
  }

  #release (): void {
    const index = this.#indexOnCopies(this.#wantedCopies())
    let to = this.#from
    while (to < this.#waiting.length && this.#waiting[to]!.index <= index) to++
    this.#end(to, ResponseCode.SUCCESS)
  }

  readonly #tick = (): void => {
    this.#timer = undefined
    const nowMs = this.#options.clock.nowMs()
    let to = this.#from
    while (to < this.#waiting.length && this.#waiting[to]!.untilMs <= nowMs) to++
    this.#end(to, ResponseCode.FLUSH_SLAVE_TIMEOUT)
    if (this.waitingCount > 0) this.#timer = this.#options.clock.setTimer(TICK_MS, this.#tick)
  }

  /** Answers those before `to`. */
  #end (to: number, code: ResponseCode): void {
    for (let i = this.#from; i < to; i++) this.#waiting[i]!.send.answer(code)
    this.#from = Math.max(this.#from, to)
    if (this.#from > 1024 || this.#from === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#from)
      this.#from = 0
    }
  }
}
