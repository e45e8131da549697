import type { Engine } from '../engine/index.ts'
import type { MemberStatus } from '../group/index.ts'
import type { NodeId } from '../raft/index.ts'
import type { PeerNetwork } from '../transport/index.ts'

/** What a broker is the front of: an engine of its own, or the member of a group that its engine is. */
export interface BrokerNode {
  /** Another one after `onEngine` has told so. */
  readonly engine: Engine
  /** Its place among others; undefined: it is alone and always leads. */
  readonly group: NodeOfGroup | undefined
  /** Told when the engine was replaced by one that has caught up; the old one is closed by then. */
  onEngine (listener: (engine: Engine) => void): void
  /** Told when no engine could be opened in the place of the old one: nothing can be served any more. What stops an engine it tells itself. */
  onFailure? (listener: (error: Error) => void): void
  /** Told when others have removed this node from its group. */
  onRemoved? (listener: () => void): void
  close (): Promise<void>
}

export interface NodeOfGroup {
  /** Under which it registers with name servers while it does not lead. */
  readonly brokerId: number
  readonly peers: Pick<PeerNetwork, 'call' | 'onCall' | 'linkStats'>
  members (): MemberStatus[]
  /** It is of the group, and stays. */
  isMember (): boolean
  /** @see GroupMember.addPeer */
  addPeer (number: number, address: string): Promise<void>
  /** @see GroupMember.remove */
  remove (nodeIds: readonly NodeId[]): Promise<void>
}

/** An engine alone. */
export function nodeAlone (engine: Engine): BrokerNode {
  return { engine, group: undefined, onEngine () {}, close: () => engine.close() }
}
