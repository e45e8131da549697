import type { ClusterClient, KnownBroker } from './cluster-client.ts'
import { textTable } from './text-table.ts'

/** One node of a broker: what the name server and the node itself say. */
export interface NodeStatus extends KnownBroker {
  /** Undefined: the node does not answer. */
  readonly info: ReadonlyMap<string, string> | undefined
}

/** @throws CommandError the name server does not answer */
export async function nodeStatuses (client: ClusterClient, nameServer: string): Promise<NodeStatus[]> {
  const brokers = await client.brokers(nameServer)
  return await Promise.all(brokers.map(async (broker) => ({ ...broker, info: await client.runtimeInfo(broker.address).catch(() => undefined) })))
}

const HEAD = ['broker', 'id', 'address', 'node', 'role', 'term', 'last', 'durable', 'committed', 'applied', 'lag', 'flush']

/** A row per node. `lag`: entries that it has not applied and the leader has committed. */
export function statusTable (nodes: readonly NodeStatus[]): string {
  return textTable([HEAD, ...nodes.map((node) => rowOf(node, committedBy(nodes, node.brokerName)))])
}

export function statusJson (nodes: readonly NodeStatus[]): string {
  return JSON.stringify(nodes.map(({ info, ...node }) => ({
    ...node,
    isRunning: info !== undefined,
    node: textOf(info, 'groupNode'),
    role: textOf(info, 'groupRole'),
    leader: textOf(info, 'groupLeader'),
    term: numberOf(info, 'groupTerm'),
    lastIndex: numberOf(info, 'groupLastIndex'),
    durableIndex: numberOf(info, 'groupDurableIndex'),
    commitIndex: numberOf(info, 'groupCommitIndex'),
    appliedIndex: numberOf(info, 'groupAppliedIndex'),
    flushDiskType: textOf(info, 'flushDiskType'),
    /** The data format that the group writes, and the one that this node reads up to. */
    format: numberOf(info, 'groupFormat'),
    newestFormat: numberOf(info, 'groupNewestFormat'),
    members: membersOf(info)
  })))
}

function rowOf ({ brokerName, brokerId, address, info }: NodeStatus, committed: number | undefined): string[] {
  const place = [brokerName, String(brokerId), address]
  if (info === undefined) return [...place, '', 'does not answer', ...HEAD.slice(5).map(() => '')]
  const figures = ['groupTerm', 'groupLastIndex', 'groupDurableIndex', 'groupCommitIndex', 'groupAppliedIndex'].map((name) => textOf(info, name) ?? '')
  const applied = numberOf(info, 'groupAppliedIndex')
  const lag = committed === undefined || applied === undefined ? '' : String(Math.max(0, committed - applied))
  return [...place, textOf(info, 'groupNode') ?? '', textOf(info, 'groupRole') ?? 'alone', ...figures, lag, textOf(info, 'flushDiskType') ?? '']
}

/** By the leader, as far as it answers. */
function committedBy (nodes: readonly NodeStatus[], brokerName: string): number | undefined {
  return numberOf(nodes.find((node) => node.brokerName === brokerName && textOf(node.info, 'groupRole') === 'leader')?.info, 'groupCommitIndex')
}

function membersOf (info: NodeStatus['info']): unknown {
  const text = textOf(info, 'groupMembers')
  return text === undefined ? undefined : JSON.parse(text)
}

function textOf (info: NodeStatus['info'], name: string): string | undefined { return info?.get(name) }

function numberOf (info: NodeStatus['info'], name: string): number | undefined {
  const text = textOf(info, name)
  return text === undefined ? undefined : Number(text)
}
