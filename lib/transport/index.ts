/**
 * Links between the nodes of a group: raft messages, and calls of one hop. `PeerNetwork` says what there is for whom;
 * TcpPeerNetwork is it over sockets (remoting's port `Network`), MemoryPeerNetwork in one process, over a MemoryNetwork whose
 * cuts lose what they cut.
 *
 *     const self = () => ({ groupName, groupId, nodeId, formatVersion })
 *     const peers = new TcpPeerNetwork({ clock, random, network: new NodeSockets(), logger, self, secret: new SharedSecret(text) })
 *     const peers = new MemoryPeerNetwork({ clock, network: new MemoryNetwork(clock), logger, self, secret: text })
 *     const address = await peers.listen({ host, port })
 *     peers.setPeers(new Map([[nodeId, address], ...]))         // own id included or not
 *     peers.onCall('broker.forward', (body, { nodeId, address }) => answer)
 *     await peers.call(leaderId, 'broker.forward', frame, { timeoutMs })
 *     await peers.callAddress(address, 'group.whoAreYou', body, { timeoutMs })     // before ids are known
 *     openReplica({ transport: peers.transport() })             // one at a time; a new one after the engine was opened again
 *
 * `self` is asked anew at each meeting: a node that was empty need not say that it has become a member.
 */
export * from './peer-network.ts'
export * from './ports.ts'
export { defaultPeerSettings, type PeerSettings } from './settings.ts'
export { PEER_MAGIC } from './frame.ts'
export { TcpPeerNetwork, type TcpPeerNetworkOptions } from './tcp-peer-network.ts'
export type { RefusalCode } from './introduction.ts'
export { MemoryNetwork } from './memory-transport.ts'
export { MemoryPeerNetwork, type MemoryPeerNetworkOptions } from './memory-peer-network.ts'
export { copyMessage } from './copy-message.ts'
