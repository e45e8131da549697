import { RequestCode } from '../../lib/remoting/index.ts'
import { until, type BrokerGroup, type Cluster, type ClusterProcess } from './cluster.ts'
import type { NumberedProducer } from './numbered-producer.ts'

/** Confirmed messages before a change and after it. */
const STEADY_ACKS = 100
/** Log that a node may be behind when the next one is taken away. */
const LAG_BYTES = 256 * 1024

/** What a leader change needs: a group under load. */
export interface UnderLoad {
  readonly cluster: Cluster
  readonly group: BrokerGroup
  readonly producer: NumberedProducer
}

/** Takes the leader away; returns the time from the last ack before that to the first ack of a message sent after it, ms. */
export async function loseLeader ({ group, producer }: UnderLoad, lose: (leader: ClusterProcess) => unknown): Promise<{ gapMs: number, leader: ClusterProcess }> {
  const leader = await group.leader()
  await producer.acks(STEADY_ACKS)
  const lostMs = performance.now()
  const { atMs: lastMs } = producer.lastAck
  const first = producer.ack(({ sentMs }) => sentMs > lostMs)
  await lose(leader)
  const { atMs } = await first
  return { gapMs: atMs - lastMs, leader }
}

/** Starts it again and resolves when it has come up to the others. */
export async function bringBack ({ group, producer }: UnderLoad, node: ClusterProcess): Promise<void> {
  await node.start()
  await node.ready()
  await group.inSync(LAG_BYTES)
  await producer.acks(STEADY_ACKS)
}

/** Has another node lead, as an operator does it; returns the longest time without an ack meanwhile, ms. */
export async function moveLeader ({ cluster, group, producer }: UnderLoad): Promise<number> {
  const leader = await group.leader()
  const next = (group.nodes.indexOf(leader) + 1) % group.nodes.length
  await producer.acks(STEADY_ACKS)
  producer.longestGapMs = 0
  for (const { address } of group.nodes) await cluster.ask(address, RequestCode.UPDATE_BROKER_CONFIG, {}, Buffer.from(`preferredLeaderId=n${next}`))
  await until(`n${next} leads`, async () => await group.leader() === group.nodes[next])
  await producer.acks(STEADY_ACKS)
  return producer.longestGapMs
}
