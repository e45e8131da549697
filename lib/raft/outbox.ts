import type { RaftCore } from './core.ts'
import type { RaftMessage } from './messages.ts'
import { NOTHING, type Leadership, type MessageAfterPersist, type PersistCondition, type Ready } from './ready.ts'
import { flushSends } from './replication.ts'
import type { HardState, RaftSnapshot } from './types.ts'

/** Turns what the core wants done into Readys, and remembers what was handed out and what of it is durable. */
export class Outbox {
  readonly #core: RaftCore
  #hardState: HardState
  #durableHardState: HardState
  #leadership: Leadership
  #committedTo: number
  #snapshot: RaftSnapshot | undefined = undefined

  constructor (core: RaftCore) {
    this.#core = core
    this.#hardState = this.#durableHardState = { term: core.term, vote: core.vote }
    this.#leadership = { role: core.role, term: core.term, leaderId: core.leaderId }
    this.#committedTo = core.log.appliedIndex
  }

  /** Acknowledgements wait while what they acknowledge may not be written yet. */
  get #isLogHeldBack (): boolean {
    const { log } = this.#core
    return log.pendingSnapshot !== undefined || log.unstable.isHeldBack
  }

  get isWaiting (): boolean {
    const core = this.#core
    const { log } = core
    return core.messages.length > 0 ||
      (log.unstable.hasNew && log.pendingSnapshot === undefined) ||
      log.appliableIndex > this.#committedTo ||
      core.sendsDue || core.heartbeatDue ||
      core.messagesAfterHardState.length > 0 ||
      (core.messagesAfterLog.length > 0 && !this.#isLogHeldBack) ||
      core.readStates.length > 0 || core.loads.length > 0 || core.catchUp !== undefined ||
      log.pendingSnapshot !== this.#snapshot ||
      this.#hardStateChanged || this.#leadershipChanged
  }

  take (): Ready {
    const core = this.#core
    flushSends(core)
    const hardState = this.#hardStateChanged ? this.#hardState = { term: core.term, vote: core.vote } : undefined
    const leadership = this.#leadershipChanged ? this.#leadership = { role: core.role, term: core.term, leaderId: core.leaderId } : undefined
    const snapshot = core.log.pendingSnapshot === this.#snapshot ? undefined : this.#snapshot = core.log.pendingSnapshot
    const entries = core.log.pendingSnapshot === undefined ? core.log.unstable.takeNew() : NOTHING
    const messagesAfterPersist = this.#takeMessagesAfterPersist()
    const { readStates, loads, messages, catchUp } = core
    if (messages.length > 0) core.messages = []
    if (readStates.length > 0) core.readStates = []
    if (loads.length > 0) core.loads = []
    core.catchUp = undefined
    const appliable = core.log.appliableIndex
    const committedTo = appliable > this.#committedTo ? this.#committedTo = appliable : undefined
    return { hardState, snapshot, entries, messages, messagesAfterPersist, committedTo, readStates, leadership, loads, catchUp }
  }

  hardStatePersisted (hardState: HardState): void {
    this.#durableHardState = hardState
  }

  snapshotInstalled (index: number): void {
    this.#snapshot = undefined
    this.#committedTo = Math.max(this.#committedTo, index)
  }

  get #hardStateChanged (): boolean {
    return this.#hardState.term !== this.#core.term || this.#hardState.vote !== this.#core.vote
  }

  get #leadershipChanged (): boolean {
    const { role, term, leaderId } = this.#leadership
    return role !== this.#core.role || term !== this.#core.term || leaderId !== this.#core.leaderId
  }

  #takeMessagesAfterPersist (): readonly MessageAfterPersist[] {
    const core = this.#core
    const held: MessageAfterPersist[] = []
    const pending = this.#pendingHardState
    if (core.messagesAfterHardState.length > 0) {
      this.#release(core.messagesAfterHardState, { hardState: pending, index: undefined, term: undefined }, held)
      core.messagesAfterHardState = []
    }
    if (core.messagesAfterLog.length > 0 && !this.#isLogHeldBack) {
      const { unstable, lastIndex, lastTerm } = core.log
      const after = unstable.isEmpty
        ? { hardState: pending, index: undefined, term: undefined }
        : { hardState: pending, index: lastIndex, term: lastTerm }
      this.#release(core.messagesAfterLog, after, held)
      core.messagesAfterLog = []
    }
    return held
  }

  get #pendingHardState (): HardState | undefined {
    const { term, vote } = this.#durableHardState
    return term === this.#hardState.term && vote === this.#hardState.vote ? undefined : this.#hardState
  }

  /** What waits for nothing leaves with the others. */
  #release (messages: readonly RaftMessage[], after: PersistCondition, held: MessageAfterPersist[]): void {
    const free = after.hardState === undefined && after.index === undefined
    for (const message of messages) {
      if (free) this.#core.messages.push(message)
      else held.push({ message, after })
    }
  }
}
