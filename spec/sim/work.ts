import type { SimNode } from './sim-node.ts'

/** What is asked of the group while it lives, and what its answers must add up to. */
export interface Work {
  begin (): void
  /** Nothing more is asked for but what the end of the run needs. */
  end (): void
  /** A request to this node, a leader; told when it was acknowledged. */
  decideOne (leader: SimNode, onSettled: () => void): void
  /** Changes the members by one step: somebody goes, or comes back. */
  changeMembership (leader: SimNode): void
  /** All become voters again, step by step. */
  completeMembership (leader: SimNode): void
  /** Called now and then at the end, while there is a leader: brings about what `isSettled` waits for. */
  settle (leader: SimNode): void
  /** Retention removes all of the log that it may, where this work has any. */
  makeRoom (leader: SimNode): void
  /** Nothing that has to come is still to come. */
  isSettled (): boolean
  /** Reads the whole state of the node back as a client would; rejects with what is wrong, else resolves with a hash of it. */
  verify (node: SimNode): Promise<bigint | undefined>
  /** For the report of a violation of liveness. */
  pending (): string
}
