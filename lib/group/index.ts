/**
 * One node of a group of several: how it comes to be of the group, its engine, its links, and who the members are.
 *
 *     await using member = await GroupMember.open({ groupName, number, peers, openNetwork, engine: engineOptions })
 *     member.engine                                   // lib/engine; replaced after a catch-up: onEngine(listener)
 *     member.members()                                // per node: role, address, and how far it is
 *     await member.addPeer(3, 'host:40911')           // a node that may join live
 *     await member.remove([nodeId])
 */
export { GroupMember } from './group-member.ts'
export { groupReplicaSettings, type GroupMemberOptions, type MemberStatus } from './group-options.ts'
export { defaultGroupSettings, type GroupSettings } from './settings.ts'
export type { PeerAddress } from './address-book.ts'
export { CatchUp, type CatchUpOptions, type CatchUpReplica } from './catch-up.ts'
export { CatchUpDonor, defaultDonorSettings, type DonorSettings } from './catch-up-donor.ts'
export { CatchUpReceiver, defaultReceiverSettings, type PeerCall, type ReceiverSettings } from './catch-up-receiver.ts'
export { refetching, type RefetchingOptions } from './refetching.ts'
export { CHUNK_METHOD, MANIFEST_METHOD, MAX_CHUNK_BYTES } from './catch-up-messages.ts'
