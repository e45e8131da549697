import type { RaftLog } from '../log/index.ts'
import { allMembers, type LogReader, type NodeId, type RaftEntry, type RaftSnapshot } from '../raft/index.ts'
import type { StateMachine } from './ports.ts'

export interface SnapshotsOptions {
  readonly log: RaftLog
  readonly stateMachine: StateMachine
  /** A base dump this much of the log behind what is applied is too old to begin with. */
  readonly maxLagBytes: number
  readonly demandBaseDump: () => void
}

const NOTHING = new Uint8Array(0)

/**
 * The log as raft reads it, with snapshots for peers below its head: the newest base dump, and the log up to its entry.
 * Raft only tells a peer of it; the peer fetches it by itself.
 */
export class LogWithSnapshots implements LogReader {
  readonly #options: SnapshotsOptions
  readonly #log: RaftLog

  constructor (options: SnapshotsOptions) {
    this.#options = options
    this.#log = options.log
  }

  get firstIndex (): number { return this.#log.firstIndex }
  get lastIndex (): number { return this.#log.lastIndex }
  get endPosition (): number { return this.#log.endPosition }
  get syncedIndex (): number { return this.#log.durableIndex }
  get floor (): LogReader['floor'] { return this.#log.floor }
  term (index: number): number | undefined { return this.#log.term(index) }
  entries (from: number, to: number, maxBytes: number): readonly RaftEntry[] | undefined { return this.#log.entries(from, to, maxBytes) }

  /** What `peer` can begin with: fresh enough, and of a configuration that it is part of. Undefined: such a dump is being written. */
  snapshot (peer: NodeId): RaftSnapshot | undefined {
    const { stateMachine: { baseDump }, maxLagBytes, demandBaseDump } = this.#options
    const lagBytes = this.#log.durablePosition - (baseDump?.position ?? 0)
    if (baseDump === undefined || lagBytes > maxLagBytes || !allMembers(baseDump.confState).includes(peer)) {
      demandBaseDump()
      return undefined
    }
    const { index, term, position, confState } = baseDump
    return { index, term, endPosition: position, confState, manifest: NOTHING }
  }
}
