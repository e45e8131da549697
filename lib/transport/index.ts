/**
 * Links between the nodes of a group: raft messages, and calls of one hop. `PeerNetwork` says what there is for whom;
 * MemoryPeerNetwork is it in one process, over a MemoryNetwork whose cuts lose what they cut.
 *
 *     const peers = new MemoryPeerNetwork({ clock, network: new MemoryNetwork(clock), self: () => ({ groupName, groupId, nodeId, formatVersion }) })
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
export type { RefusalCode } from './introduction.ts'
export { MemoryNetwork } from './memory-transport.ts'
export { MemoryPeerNetwork, type MemoryPeerNetworkOptions } from './memory-peer-network.ts'
export { copyMessage } from './copy-message.ts'
