import { NodeClock, NodeRandom, NodeSockets, SharedSecret } from '../adapters/index.ts'
import type { Logger } from '../base/index.ts'
import type { BrokerNode } from '../broker/index.ts'
import type { BrokerConfig } from '../config/index.ts'
import type { EngineOptions } from '../engine/index.ts'
import { GroupMember } from '../group/index.ts'
import type { ReplicaSettings } from '../replica/index.ts'
import type { Address } from '../remoting/index.ts'
import { TcpPeerNetwork } from '../transport/index.ts'
import { listening } from './listen.ts'

/** Each tick wakes an idle node, so there are no more than heartbeats need, and enough to tell time-outs apart. */
const LONGEST_TICK_MS = 150

/** How the broker's engine is opened where the configuration makes it a node of a group; undefined: it is alone. */
export function groupNode (values: BrokerConfig, logger: Logger): ((options: EngineOptions) => Promise<BrokerNode>) | undefined {
  if (!values.enableDLegerCommitLog) return undefined
  return async (engine) => {
    const { number } = values.dLegerPeers.find(({ id }) => id === values.dLegerSelfId)!
    const member = await GroupMember.open({
      groupName: values.dLegerGroup === '' ? values.brokerName : values.dLegerGroup,
      number,
      peers: values.dLegerPeers.map(({ number, host, port }) => ({ number, address: { host, port } })),
      preferredLeaders: values.preferredLeaderId.map((id) => values.dLegerPeers.find((peer) => peer.id === id)!.number),
      replicaSettings: raftTimes(values),
      engine,
      openNetwork: async (self) => {
        const secret = values.groupSecret === '' ? {} : { secret: new SharedSecret(values.groupSecret) }
        const network = new TcpPeerNetwork({ clock: new NodeClock(), random: new NodeRandom(), network: new NodeSockets(), self, logger, ...secret })
        try {
          for (const address of listenAddresses(values)) await listening('broker', address, () => network.listen(address))
        } catch (error) {
          await network.close()
          throw error
        }
        return network
      }
    })
    const { peers } = member
    return {
      get engine () { return member.engine },
      group: { brokerId: number + 1, peers },
      onEngine (listener) {
        const { engine } = member
        member.onEngine((replaced) => { if (replaced !== engine) listener(replaced) })
      },
      close: () => member.close()
    }
  }
}

/** Ports for the other nodes only. */
function listenAddresses ({ dLegerPeers, dLegerSelfId, dLegerListenPort, bindAddress: host }: BrokerConfig): Address[] {
  const self = dLegerPeers.find(({ id }) => id === dLegerSelfId)!
  const ports = new Set<number>()
  if (!self.isClientPort) ports.add(self.port)
  if (dLegerListenPort !== 0) ports.add(dLegerListenPort)
  return [...ports].map((port) => ({ host, port }))
}

function raftTimes ({ groupElectionTimeoutMs, groupHeartbeatIntervalMs }: BrokerConfig): Partial<ReplicaSettings> {
  const tickMs = Math.min(LONGEST_TICK_MS, groupHeartbeatIntervalMs)
  return { tickMs, electionTicks: Math.ceil(groupElectionTimeoutMs / tickMs), heartbeatTicks: Math.max(1, Math.round(groupHeartbeatIntervalMs / tickMs)) }
}
