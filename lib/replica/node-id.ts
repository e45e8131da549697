import { invariant } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'

/** Numbers of nodes lie below this. */
export const MAX_NODES = 65_535
const INCARNATIONS = 2 ** 32
const NUMBERS = 65_536

/**
 * One life of one node: its number in the group (the digits of `dLegerSelfId`: `n0` is 0) and its incarnation, which a
 * node that lost its disk draws anew. So raft's configuration names lives, and one that comes back empty is another
 * member than the one it was. A group of one has number 0 and incarnation 0, thus NodeId 1.
 */
export function makeNodeId (number: number, incarnation: number): NodeId {
  invariant(Number.isInteger(number) && number >= 0 && number < MAX_NODES, `${number} is no number of a node`)
  invariant(Number.isInteger(incarnation) && incarnation >= 0 && incarnation < INCARNATIONS, `${incarnation} is no incarnation`)
  return incarnation * NUMBERS + number + 1
}

export function numberOf (nodeId: NodeId): number { return (nodeId % NUMBERS) - 1 }

export function incarnationOf (nodeId: NodeId): number { return Math.floor(nodeId / NUMBERS) }
