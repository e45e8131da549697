import type { Engine } from '../../lib/engine/index.ts'
import type { MemberNode } from './member-node.ts'

/** What of an engine's doings is asked for in some worlds only, each by operations and judges of its own. */
export type Kind = 'letters' | 'fleeting' | 'retries' | 'filters' | 'keys' | 'priorities'
export const KINDS: readonly Kind[] = ['letters', 'fleeting', 'retries', 'filters', 'keys', 'priorities']

export interface KindWork {
  readonly operations: ReadonlyArray<(engine: Engine, node: MemberNode) => Promise<unknown>>
  /** All that is still to be consumed was. Of a leader. */
  isSettled (engine: Engine): boolean
  /** Brings that about, now and then at the end, by a leader. */
  settle (engine: Engine): Promise<unknown>
  /** Rejects with what is wrong in the state of the node, when all have the same. */
  verify (engine: Engine, node: MemberNode): Promise<void>
}

/** So far a wall clock that does not jump may be ahead of the world's. */
export const MAX_SKEW_MS = 1_000
