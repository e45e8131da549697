import type { NodeId } from '../raft/index.ts'
import type { SelfDescription } from './peer-network.ts'

export type RefusalCode =
  'protocol-version' |
  'secret' |
  'group-name' |
  'group-id' |
  'no-group' | // one of the two is of no group yet
  'node-id' | // another node, or another incarnation, than the one meant
  'format-version' |
  'itself'

export interface Refusal {
  readonly code: RefusalCode
  readonly reason: string
}

export interface Meeting {
  /** Only for one call of a method that is open to strangers. */
  readonly isStranger: boolean
  /** Whom the connecting side means to reach; 0: whoever it is. */
  readonly wanted: NodeId
}

/**
 * Why two nodes must not be linked, or undefined. Both sides ask, each with its own view as `accepting`, so neither relies on
 * the other's honesty. Links are for members of one group; whether the node is still a voter or learner is raft's business.
 */
export function refusalOf (accepting: SelfDescription, connecting: SelfDescription, { isStranger, wanted }: Meeting): Refusal | undefined {
  if (connecting.groupName !== accepting.groupName) {
    return { code: 'group-name', reason: `the node is of group '${accepting.groupName}', not of '${connecting.groupName}'` }
  }
  if (Math.abs(connecting.formatVersion - accepting.formatVersion) > 1) {
    return { code: 'format-version', reason: `data format ${connecting.formatVersion} and ${accepting.formatVersion} are more than one version apart; upgrade one step at a time` }
  }
  for (const [node, other] of [[connecting, accepting], [accepting, connecting]] as const) {
    if (other.groupFormat !== undefined && node.formatVersion < other.groupFormat) {
      return { code: 'format-version', reason: `the group writes data format ${other.groupFormat}, node ${node.nodeId} reads up to ${node.formatVersion}: run a newer version on it` }
    }
  }
  if (wanted !== 0 && wanted !== accepting.nodeId) {
    return { code: 'node-id', reason: `node ${accepting.nodeId} listens there, not node ${wanted} (a node that lost its data comes back under another incarnation)` }
  }
  if (isStranger) return undefined
  if (connecting.nodeId === accepting.nodeId) return { code: 'itself', reason: `both are node ${accepting.nodeId}` }
  if (accepting.groupId === undefined || connecting.groupId === undefined) {
    return { code: 'no-group', reason: `node ${accepting.groupId === undefined ? accepting.nodeId : connecting.nodeId} is empty and of no group yet` }
  }
  if (!sameBytes(accepting.groupId, connecting.groupId)) {
    return { code: 'group-id', reason: `group '${accepting.groupName}' of node ${accepting.nodeId} has id ${hex(accepting.groupId)}, that of node ${connecting.nodeId} ${hex(connecting.groupId)}: they were founded apart` }
  }
  return undefined
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])
const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
