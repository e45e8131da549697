import type { RaftEntry } from '../../lib/raft/index.ts'
import type { Proposal, StateMachine } from '../../lib/replica/index.ts'

/** A state machine as the simulator drives and watches it. */
export interface SimMachine extends StateMachine {
  /** Equal for equal states; changes with every entry that changes something. Cheap. */
  readonly hash: bigint
  onApply: ((entry: RaftEntry, ids: readonly number[]) => void) | undefined
  beforeCheckpoint: (() => void) | undefined
  /** A request known by `id`, with up to `payloadBytes` of ballast. `done` is given the error, if it fails. */
  add (id: number, payloadBytes: number, done: (error?: unknown) => void): Proposal
  /** At the end: reads its whole state back as a client would; rejects with what is wrong, else resolves with a hash of it. */
  verify? (): Promise<bigint>
}
