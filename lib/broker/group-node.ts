import { NodeClock, NodeRandom, SharedSecret } from '../adapters/index.ts'
import type { BrokerConfig, RunningConfig } from '../config/index.ts'
import type { EngineOptions } from '../engine/index.ts'
import { GroupMember, groupReplicaSettings } from '../group/index.ts'
import { addressText, type Network } from '../remoting/index.ts'
import { TcpPeerNetwork } from '../transport/index.ts'
import type { BrokerNode } from './node.ts'

/**
 * A node of a Raft group, as the configuration describes it. Resolves when it is of the group and what it has stored is
 * readable; it waits for no leader.
 * @throws as GroupMember.open; the system's error when the port for the other nodes cannot be listened on
 */
export async function openGroupNode (running: RunningConfig<'broker'>, engine: EngineOptions, network: Network): Promise<BrokerNode> {
  const { values: config } = running
  const { dLegerGroup, dLegerPeers, dLegerSelfId, dLegerListenPort, groupSecret, bindAddress } = config
  const { logger } = engine
  // the configuration was checked: it is among them
  const self = dLegerPeers.find(({ id }) => id === dLegerSelfId)!
  const clock = engine.ports?.clock ?? new NodeClock()
  const random = engine.ports?.random ?? new NodeRandom()
  const member = await GroupMember.open({
    groupName: dLegerGroup === '' ? config.brokerName : dLegerGroup,
    number: self.number,
    peers: dLegerPeers.map(({ number, host, port }) => ({ number, address: { host, port } })),
    get preferredLeaders () { return running.values.preferredLeaderId.flatMap((wanted) => dLegerPeers.filter(({ id }) => id === wanted).map(({ number }) => number)) },
    replicaSettings: raftTimes(config),
    openNetwork: async (describe) => {
      const peers = new TcpPeerNetwork({ clock, random, network, logger, self: describe, ...(groupSecret !== '' && { secret: new SharedSecret(groupSecret) }) })
      try {
        const ports = new Set([...(self.isClientPort ? [] : [self.port]), ...(dLegerListenPort === 0 ? [] : [dLegerListenPort])])
        for (const port of ports) {
          const address = await peers.listen({ host: bindAddress, port })
          logger.info('other nodes are taken', { listensAt: addressText(address) })
        }
      } catch (error) {
        await peers.close()
        throw error
      }
      return peers
    },
    engine
  })
  let isFirst = true
  return {
    get engine () { return member.engine },
    group: { brokerId: self.number + 1, peers: member.peers },
    onEngine (listener) {
      isFirst = true
      member.onEngine((engine) => {
        if (!isFirst) listener(engine)
        isFirst = false
      })
    },
    close: () => member.close()
  }
}

function raftTimes ({ groupElectionTimeoutMs, groupHeartbeatIntervalMs }: BrokerConfig): { readonly tickMs: number, readonly electionTicks: number, readonly heartbeatTicks: number } {
  // ticks wake an idle node: no more of them than heartbeats need
  const tickMs = Math.min(groupReplicaSettings.tickMs, groupHeartbeatIntervalMs)
  const heartbeatTicks = Math.max(1, Math.round(groupHeartbeatIntervalMs / tickMs))
  return { tickMs, heartbeatTicks, electionTicks: Math.max(heartbeatTicks + 1, Math.round(groupElectionTimeoutMs / tickMs)) }
}
