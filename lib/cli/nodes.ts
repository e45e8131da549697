import { addBroker, removeBroker, type RemotingRequest } from '../remoting/index.ts'
import { ClusterClient, type KnownBroker } from './cluster-client.ts'
import { brokersOfGroup, leaderOrAny, nodeNumber, type TransferOptions } from './transfer.ts'

const TIMEOUT_MS = 10_000

/** Lets a node join a group that runs. @throws CommandError the address is none, or the group does not take it */
export async function addNode (node: string, peerAddress: string, group: TransferOptions): Promise<void> {
  const number = nodeNumber(node)
  const brokerName = await askLeader(group, ({ brokerName }) => ({ code: addBroker.code, extFields: addBroker.request.encode({ brokerName, brokerId: number + 1, peerAddress }) }))
  console.log(`n${number} may join ${brokerName}: start it with a dLegerPeers that names it, at ${peerAddress}, and a node of the group`)
}

/** Takes nodes out of a group, in one step. @throws CommandError they are not of the group, or it cannot do without them */
export async function removeNodes (nodes: readonly string[], group: TransferOptions): Promise<void> {
  const numbers = nodes.map(nodeNumber)
  const brokerName = await askLeader(group, ({ cluster, brokerName }) => ({
    code: removeBroker.code, extFields: removeBroker.request.encode({ brokerClusterName: cluster, brokerName, brokerId: numbers.map((number) => number + 1).join(';') })
  }))
  console.log(`${numbers.map((number) => `n${number}`).join(', ')} ${numbers.length === 1 ? 'is' : 'are'} not of ${brokerName} any more`)
}

/** Or another node of the group, while the name server knows of no leader. Resolves with the group's brokerName. */
async function askLeader (group: TransferOptions, request: (broker: KnownBroker) => RemotingRequest): Promise<string> {
  const client = new ClusterClient()
  try {
    const nodes = await brokersOfGroup(client, group)
    const asked = leaderOrAny(nodes)
    await client.ask(asked.address, request(asked), TIMEOUT_MS)
    return asked.brokerName
  } finally {
    await client.close()
  }
}
