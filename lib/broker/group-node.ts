import { NodeDisk, NodeRandom, SharedSecret } from '../adapters/index.ts'
import { isMqError, MqError, type Clock } from '../base/index.ts'
import type { BrokerConfig, RunningConfig } from '../config/index.ts'
import { Engine, type EngineOptions } from '../engine/index.ts'
import { GroupMember, groupReplicaSettings, type GroupMemberOptions } from '../group/index.ts'
import { identityOrEmpty, numberOf } from '../replica/index.ts'
import type { NodeId } from '../raft/index.ts'
import { addressText, type Address, type ByteConnection, type Network } from '../remoting/index.ts'
import type { ReplicaSettings } from '../replica/index.ts'
import { TcpPeerNetwork, type PeerNetwork } from '../transport/index.ts'
import { findMaster } from './find-master.ts'
import { LEADER_TIMEOUT_MS } from './forwarding.ts'
import { MasterWatch } from './master-watch.ts'
import { openAlone, type BrokerNode } from './node.ts'

/** The number of a master, whose replicas have those of their broker ids. */
const MASTER_NUMBER = 0

export interface NodeOptions {
  readonly clock: Clock
  readonly config: RunningConfig<'broker'>
  readonly engine: EngineOptions
  /** To name servers. */
  readonly network: Network
  /** Between nodes. */
  readonly peerNetwork: Network
  /** Where clients and other nodes reach this broker. */
  readonly address: Address
  readonly clientPort: ClientPort
}

/** The port for clients, on which other nodes come as well: links are taken once this node can speak with them. */
export class ClientPort {
  #peers: PeerNetwork | undefined

  serve (peers: PeerNetwork): void { this.#peers = peers }

  take (connection: ByteConnection): void {
    if (this.#peers === undefined) connection.stream.destroy()
    else this.#peers.take(connection)
  }
}

/** Whether other nodes may come to this broker: it is one of several, or its configuration names its role. */
export function isOneOfSeveral (config: RunningConfig<'broker'>): boolean {
  return config.values.enableDLegerCommitLog || config.isGiven('brokerRole')
}

/**
 * A broker whose configuration names no role. Undefined: replicas follow it, which it took when its configuration did; it
 * is to go on as their master. @throws MQ_INVALID_ARGUMENT it is one of several that elect who leads
 */
export async function maybeOpenAlone (options: EngineOptions): Promise<BrokerNode | undefined> {
  try {
    return await openAlone(options)
  } catch (error) {
    if (!isMqError(error, 'MQ_INVALID_ARGUMENT') || (error.members === undefined && error.nodeId === undefined)) throw error
    const { directory, logger } = options
    const { members = [], voters = [] } = error as { readonly members?: readonly NodeId[], readonly voters?: readonly NodeId[] }
    if (voters.length === 1) {
      logger.warn(`${members.length - 1} replicas follow this broker, whose configuration does not name its role any more: it goes on as their master; write brokerRole=ASYNC_MASTER, or SYNC_MASTER`, { directory })
      return undefined
    }
    throw new MqError('MQ_INVALID_ARGUMENT', `${directory} is that of a node of a group: the configuration needs enableDLegerCommitLog, dLegerPeers and dLegerSelfId as it had them, or brokerRole=SLAVE (${error.message})`, { directory, cause: error })
  }
}

/**
 * The node that the configuration describes: one of a Raft group, a master that replicas may follow, or such a replica.
 * Resolves when it is of its group and what it has stored is readable; nodes of a group wait for no leader.
 * @throws as GroupMember.open; the system's error when the port for the other nodes cannot be listened on
 */
export async function openGroupNode (options: NodeOptions): Promise<BrokerNode> {
  const { enableDLegerCommitLog, brokerRole } = options.config.values
  if (enableDLegerCommitLog) return await openVoter(options)
  return brokerRole === 'SLAVE' ? await openReplica(options) : await openMaster(options)
}

async function openVoter (options: NodeOptions): Promise<BrokerNode> {
  const { config: running } = options
  const { values: { dLegerGroup, brokerName, dLegerPeers, dLegerSelfId, dLegerListenPort } } = running
  // the configuration was checked: it is among them
  const self = dLegerPeers.find(({ id }) => id === dLegerSelfId)!
  const ports = [...(self.isClientPort ? [] : [self.port]), ...(dLegerListenPort === 0 || dLegerListenPort === self.port ? [] : [dLegerListenPort])]
  const member = await openMember(options, ports, {
    groupName: dLegerGroup === '' ? brokerName : dLegerGroup,
    number: self.number,
    peers: dLegerPeers.map(({ number, host, port }) => ({ number, address: { host, port } })),
    get preferredLeaders () { return running.values.preferredLeaderId.flatMap((wanted) => dLegerPeers.filter(({ id }) => id === wanted).map(({ number }) => number)) }
  })
  return nodeOf(member, self.number + 1)
}

/** The only voter; it leads before it serves. */
async function openMaster (options: NodeOptions): Promise<BrokerNode> {
  const { config: { values: { brokerName } }, address, engine } = options
  // a broker alone and a master without replicas are one thing on disk: its configuration may name its role or not
  if (await isEmpty(engine)) await (await Engine.open(engine)).close()
  const member = await openMember(options, [], { groupName: brokerName, number: MASTER_NUMBER, peers: [{ number: MASTER_NUMBER, address }], takesLearners: true })
  try {
    await untilLeading(member.engine)
  } catch (error) {
    await member.close()
    throw error
  }
  return nodeOf(member, MASTER_NUMBER)
}

/** Follows the master that the name servers know under the same name, and never leads. */
async function openReplica (options: NodeOptions): Promise<BrokerNode> {
  const { config, address, clock, engine, network } = options
  const { logger, signal } = engine
  const { brokerName, brokerId } = config.values
  const find = (signal: AbortSignal | undefined): Promise<Address> => findMaster({ clock, config, logger, network, signal })
  // one that has data serves it, whether the master is there or not
  const known = await isEmpty(engine) ? await find(signal) : undefined
  const member = await openMember(options, [], { groupName: brokerName, number: brokerId, peers: known === undefined ? [] : [{ number: MASTER_NUMBER, address: known }], address, role: 'learner' })
  const watch = new MasterWatch({
    clock,
    logger,
    known,
    find,
    isLinked: () => member.peers.linkStats().some(({ nodeId, isConnected }) => isConnected && numberOf(nodeId) === MASTER_NUMBER),
    moved: (address) => { member.moved(MASTER_NUMBER, address) }
  })
  return nodeOf(member, brokerId, () => watch.stop())
}

async function isEmpty ({ ports, directory }: EngineOptions): Promise<boolean> {
  return await identityOrEmpty(ports?.disk ?? new NodeDisk(), directory) === undefined
}

type Place = Pick<GroupMemberOptions, 'groupName' | 'number' | 'peers' | 'preferredLeaders' | 'takesLearners' | 'address' | 'role'>

async function openMember ({ clock, config: { values }, engine, peerNetwork: network, clientPort }: NodeOptions, ports: readonly number[], place: Place): Promise<GroupMember> {
  const { groupSecret, bindAddress } = values
  const { logger } = engine
  const random = engine.ports?.random ?? new NodeRandom()
  const openNetwork = async (self: Parameters<GroupMemberOptions['openNetwork']>[0]): Promise<PeerNetwork> => {
    const peers = new TcpPeerNetwork({ clock, random, network, logger, self, ...(groupSecret !== '' && { secret: new SharedSecret(groupSecret) }) })
    try {
      for (const port of ports) {
        const address = await peers.listen({ host: bindAddress, port })
        logger.info('other nodes are taken', { listensAt: addressText(address) })
      }
    } catch (error) {
      await peers.close()
      throw error
    }
    clientPort.serve(peers)
    return peers
  }
  return await GroupMember.open(Object.defineProperties({ replicaSettings: raftTimes(values), settings: { diskStallTimeoutMs: values.diskStallTimeoutMs }, openNetwork, engine }, Object.getOwnPropertyDescriptors(place)) as GroupMemberOptions)
}

function nodeOf (member: GroupMember, brokerId: number, beforeClosing: () => Promise<void> = async () => {}): BrokerNode {
  return {
    get engine () { return member.engine },
    group: { brokerId, peers: member.peers, members: () => member.members(), isMember: () => member.isMember, addPeer: (number, address) => member.addPeer(number, address), remove: (nodeIds) => member.remove(nodeIds) },
    onEngine (listener) {
      const { engine: first } = member
      member.onEngine((engine) => { if (engine !== first) listener(engine) })
    },
    onFailure: (listener) => { member.onFailure(listener) },
    onRemoved: (listener) => { member.onRemoved(listener) },
    close: async () => {
      await beforeClosing()
      await member.close()
    }
  }
}

function untilLeading (engine: Engine): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.onFailure(reject)
    engine.onLeadership(({ isLeader }) => { if (isLeader) resolve() })
  })
}

function raftTimes ({ groupElectionTimeoutMs, groupHeartbeatIntervalMs }: BrokerConfig): Pick<ReplicaSettings, 'tickMs' | 'electionTicks' | 'heartbeatTicks' | 'restTicks' | 'leaderTimeoutMs'> {
  const tickMs = Math.min(groupReplicaSettings.tickMs, groupHeartbeatIntervalMs)
  const heartbeatTicks = Math.max(1, Math.round(groupHeartbeatIntervalMs / tickMs))
  return { leaderTimeoutMs: LEADER_TIMEOUT_MS, tickMs, heartbeatTicks, restTicks: heartbeatTicks, electionTicks: Math.max(heartbeatTicks + 1, Math.round(groupElectionTimeoutMs / tickMs)) }
}
