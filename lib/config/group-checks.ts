import type { ValuesOf } from './key.ts'
import type { groupKeys } from './group-keys.ts'
import { MAX_PEER_NUMBER, type HostPort } from './value-type.ts'

type GroupValues = ValuesOf<typeof groupKeys> & { readonly listenPort: number, readonly advertisedPort: number, readonly brokerName: string, readonly namesrvAddr: readonly HostPort[] }

export interface Finding {
  readonly key: keyof GroupValues
  readonly text: string
}

/** What settings of a group contradict each other, by the key to look at. */
export function groupObjections (values: GroupValues): Finding[] {
  return values.enableDLegerCommitLog ? objectionsOfNode(values) : objectionsOfRole(values)
}

function objectionsOfNode ({ dLegerGroup, dLegerSelfId, dLegerPeers, dLegerListenPort, preferredLeaderId, groupElectionTimeoutMs, groupHeartbeatIntervalMs, brokerRole, brokerName, listenPort, advertisedPort }: GroupValues): Finding[] {
  const objections: Finding[] = []
  const object = (key: keyof GroupValues, text: string): void => { objections.push({ key, text }) }
  const ids = dLegerPeers.map(({ id }) => id)
  const self = dLegerPeers.find(({ id }) => id === dLegerSelfId)
  if (dLegerGroup === '' && brokerName === '') object('dLegerGroup', 'a group needs a name, the same on all its nodes')
  if (brokerRole === 'SLAVE') object('brokerRole', 'SLAVE, but the nodes of a group elect who leads; for a replica that never does, leave enableDLegerCommitLog out')
  if (ids.length === 0) object('dLegerPeers', 'a group needs its nodes, this one among them')
  else if (dLegerSelfId === '') object('dLegerSelfId', `which of ${ids.join(', ')} this node is has to be said`)
  else if (self === undefined) object('dLegerSelfId', `${dLegerSelfId} is not among the nodes of dLegerPeers: ${ids.join(', ')}`)
  if (self?.isClientPort === true && ![listenPort, advertisedPort].includes(self.port)) {
    object('dLegerPeers', `with @ it names the ports for clients, and that of ${self.id} is ${self.port}, while listenPort is ${listenPort}`)
  }
  if (self?.isClientPort === false && self.port === listenPort) object('dLegerPeers', `with - it names ports for the other nodes, and that of ${self.id} is the listenPort; write ${self.id}@${self.host}:${self.port} to use one port for both`)
  if (dLegerListenPort !== 0 && dLegerListenPort === listenPort) object('dLegerListenPort', 'it is the listenPort; leave it out, other nodes are taken there too')
  const stranger = preferredLeaderId.find((id) => !ids.includes(id))
  if (stranger !== undefined && ids.length > 0) object('preferredLeaderId', `${stranger} is not among the nodes of dLegerPeers: ${ids.join(', ')}`)
  if (groupHeartbeatIntervalMs * 2 > groupElectionTimeoutMs) object('groupHeartbeatIntervalMs', `${groupHeartbeatIntervalMs} ms is more than half of groupElectionTimeoutMs (${groupElectionTimeoutMs}): one late heartbeat would end the leader`)
  return objections
}

function objectionsOfRole ({ brokerRole, brokerId, namesrvAddr }: GroupValues): Finding[] {
  const objections: Finding[] = []
  if (brokerRole === 'SLAVE' && (brokerId <= 0 || brokerId > MAX_PEER_NUMBER)) objections.push({ key: 'brokerId', text: `a SLAVE needs a number of its own, from 1 to ${MAX_PEER_NUMBER}` })
  if (brokerRole === 'SLAVE' && namesrvAddr.length === 0) objections.push({ key: 'namesrvAddr', text: 'a SLAVE asks the name server where its master is; none is set' })
  return objections
}

export interface Remark extends Finding {
  readonly kind: 'no-effect' | 'note'
}

/** What settings mean because of others. */
export function groupRemarks ({ enableDLegerCommitLog, dLegerPeers, dLegerSelfId, dLegerListenPort, brokerRole, brokerId }: GroupValues): Remark[] {
  const ofId: Remark[] = brokerId === 0 || brokerRole === 'SLAVE'
    ? []
    : [{ kind: 'note', key: 'brokerId', text: `is ${brokerId}: it counts for a SLAVE; other brokers register as 0, and in a group the leader does, the others as their number + 1` }]
  if (enableDLegerCommitLog) {
    return brokerRole !== 'SYNC_MASTER' ? ofId : [...ofId, { kind: 'no-effect', key: 'brokerRole', text: 'has no effect: in a group every answer waits for a majority of the nodes' }]
  }
  const remarks = ofId
  for (const [key, isSet] of [['dLegerPeers', dLegerPeers.length > 0], ['dLegerSelfId', dLegerSelfId !== ''], ['dLegerListenPort', dLegerListenPort !== 0]] as const) {
    if (isSet) remarks.push({ kind: 'no-effect', key, text: 'has no effect: enableDLegerCommitLog is false' })
  }
  if (brokerRole === 'SYNC_MASTER') remarks.push({ kind: 'note', key: 'brokerRole', text: 'is SYNC_MASTER: as long as there is no replica, sends are stored and answered SLAVE_NOT_AVAILABLE' })
  return remarks
}
