import { key } from './key.ts'
import { IGNORED, LATER } from './reasons.ts'
import { boolean, int, milliseconds, name, oneOf, peers, port, text } from './value-type.ts'

const later = LATER.GROUP

/** Of a broker as part of a group: Raft, and the classic roles that map on it. */
export const groupKeys = {
  enableDLegerCommitLog: key(boolean, false, 'the broker is a node of a Raft group', {
    aliases: ['enableDLedgerCommitLog', 'enableDLedgerGroup', 'enableDLegerGroup'], later
  }),
  dLegerGroup: key(name, '', 'name of the group', { aliases: ['dLedgerGroup'], later }),
  dLegerSelfId: key(name, '', 'which of dLegerPeers this node is', { aliases: ['dLedgerSelfId', 'dLegerPeerId', 'dLedgerPeerId'], later }),
  dLegerPeers: key(peers, [], 'nodes of the group', { aliases: ['dLedgerPeers', 'dLederPeers'], later }),
  dLegerListenPort: key(port, 0, 'a further port for the other nodes', { aliases: ['dLedgerListenPort'], defaultText: 'none', later }),
  preferredLeaderId: key(name, '', 'the node that leads when it can', { aliases: ['preferredLeaderIds'], later }),
  enableBatchPush: key(boolean, false, 'entries are sent to other nodes in batches', { aliases: ['isEnableBatchPush'], ignored: 'they always are' }),
  brokerRole: key(oneOf('ASYNC_MASTER', 'SYNC_MASTER', 'SLAVE'), 'ASYNC_MASTER', 'whether an answer waits for a replica', {
    note: (role) => role === 'SYNC_MASTER' ? 'as long as there is no replica, sends are stored and answered SLAVE_NOT_AVAILABLE' : undefined,
    refusal: (role) => role === 'SLAVE' ? 'a replica needs a group of several nodes, which this version does not run' : undefined
  }),
  brokerId: key(int(-1), 0, 'number under which the broker registers', {
    note: (id) => id === 0 ? undefined : 'the broker registers as 0; in a group the leader does, the others as their node number + 1'
  }),
  slaveReadEnable: key(boolean, false, 'consumers may be sent to replicas', { later }),
  totalReplicas: key(int(1, 100), 1, 'copies there should be', { later }),
  inSyncReplicas: key(int(1, 100), 1, 'copies that an answer waits for', { later }),
  minInSyncReplicas: key(int(1, 100), 1, 'copies below which sends are refused', { later }),
  allAckInSyncStateSet: key(boolean, false, 'an answer waits for every copy in sync', { later }),
  enableAutoInSyncReplicas: key(boolean, false, 'with fewer replicas, answers wait for fewer', { later }),
  slaveTimeout: key(milliseconds(1), 3000, 'how long an answer waits for replicas', { later }),
  haListenPort: key(port, 10_912, 'port for replicas', { ignored: IGNORED.REPLICATION }),
  haMasterAddress: key(text, '', 'address that a replica copies from', { ignored: IGNORED.REPLICATION }),
  brokerIP2: key(text, '', 'address for replicas', { ignored: IGNORED.REPLICATION })
}
