import { key } from './key.ts'
import { IGNORED } from './reasons.ts'
import { boolean, int, milliseconds, name, oneOf, peerId, peerIds, peers, port, text } from './value-type.ts'

const isChangeable = true

/** Of a broker as part of a group: Raft, and the classic roles that map on it. What belongs together is checked in group-checks.ts. */
export const groupKeys = {
  enableDLegerCommitLog: key(boolean, false, 'the broker is a node of a Raft group', {
    aliases: ['enableDLedgerCommitLog', 'enableDLedgerGroup', 'enableDLegerGroup']
  }),
  dLegerGroup: key(name, '', 'name of the group', { aliases: ['dLedgerGroup'], defaultText: 'brokerName' }),
  dLegerSelfId: key(peerId, '', 'which of dLegerPeers this node is', { aliases: ['dLedgerSelfId', 'dLegerPeerId', 'dLedgerPeerId'] }),
  dLegerPeers: key(peers, [], 'nodes of the group: ID-HOST:PORT with a port for the other nodes, or ID@HOST:PORT with the listenPort', { aliases: ['dLedgerPeers', 'dLederPeers'] }),
  dLegerListenPort: key(port, 0, 'a further port for the other nodes', { aliases: ['dLedgerListenPort'], defaultText: 'none' }),
  preferredLeaderId: key(peerIds, [], 'the node that leads when it can; of several the first that is up to date', { aliases: ['preferredLeaderIds'], isChangeable }),
  groupSecret: key(text, '', 'what nodes must know to take part in the group, the same on all', { isSecret: true, env: 'LEDGERMQ_GROUP_SECRET' }),
  groupElectionTimeoutMs: key(int(100, 60_000, 'ms'), 600, 'without a word from the leader for once to twice that long, a node asks for votes; at once when its process has ended'),
  groupHeartbeatIntervalMs: key(int(20, 10_000, 'ms'), 300, 'time between two heartbeats of the leader'),
  diskStallTimeoutMs: key(milliseconds(100), 3000, 'a leader whose flush takes longer, or whose disk is full for longer, hands over to a node that does better'),
  enableBatchPush: key(boolean, false, 'entries are sent to other nodes in batches', { aliases: ['isEnableBatchPush'], ignored: 'they always are' }),
  brokerRole: key(oneOf('ASYNC_MASTER', 'SYNC_MASTER', 'SLAVE'), 'ASYNC_MASTER', 'whether an answer waits for a replica; SLAVE: the broker is that replica; one that names its role takes replicas'),
  brokerId: key(int(-1), 0, 'number under which a SLAVE registers'),
  slaveReadEnable: key(boolean, false, 'consumers of old messages are sent to replicas', { isChangeable }),
  totalReplicas: key(int(1, 100), 1, 'copies there should be', { ignored: 'the group knows its nodes' }),
  inSyncReplicas: key(int(1, 100), 1, 'copies that an answer waits for, this one among them', { isChangeable }),
  minInSyncReplicas: key(int(1, 100), 1, 'copies below which sends are refused, this one among them', { isChangeable }),
  allAckInSyncStateSet: key(boolean, false, 'an answer waits for every copy in sync', { isChangeable }),
  enableAutoInSyncReplicas: key(boolean, false, 'with fewer copies in sync than inSyncReplicas, answers wait for those', { isChangeable }),
  slaveTimeout: key(milliseconds(1), 3000, 'how long an answer waits for replicas', { isChangeable }),
  haListenPort: key(port, 10_912, 'port for replicas', { ignored: IGNORED.REPLICATION }),
  haMasterAddress: key(text, '', 'address that a replica copies from', { ignored: IGNORED.REPLICATION }),
  brokerIP2: key(text, '', 'address for replicas', { ignored: IGNORED.REPLICATION })
}
