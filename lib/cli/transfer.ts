import { electMaster } from '../remoting/index.ts'
import { ClusterClient, type KnownBroker } from './cluster-client.ts'
import { CommandError } from './command-error.ts'

export const MASTER_ID = 0
const TIMEOUT_MS = 10_000

export interface TransferOptions {
  readonly namesrv: string
  /** Needed where there are several. */
  readonly broker?: string | undefined
}

/** The number in a node's name. @throws CommandError it is none */
export function nodeNumber (node: string): number {
  const number = /^n?(\d{1,5})$/.exec(node)?.[1]
  if (number === undefined) throw new CommandError(`${node}: expected a node such as n1`)
  return Number(number)
}

/** The brokers of the one group that the name server knows, or of the one that is named. @throws CommandError there is none, or several */
export async function brokersOfGroup (client: ClusterClient, { namesrv, broker }: TransferOptions): Promise<KnownBroker[]> {
  const brokers = await client.brokers(namesrv)
  const several = brokers.filter(({ brokerId }) => brokerId !== MASTER_ID)
  const names = [...new Set((several.length > 0 ? several : brokers).map(({ brokerName }) => brokerName))]
  const brokerName = broker ?? (names.length === 1 ? names[0]! : undefined)
  if (brokerName === undefined) throw new CommandError(names.length === 0 ? `the name server ${namesrv} knows no broker` : `which group: --broker ${names.join(' or ')}`)
  const nodes = brokers.filter((known) => known.brokerName === brokerName)
  if (nodes.length === 0) throw new CommandError(`the name server ${namesrv} knows no broker ${brokerName}`)
  return nodes
}

/** Who leads the group, or another node of it while the name server knows of no leader. */
export function leaderOrAny (nodes: readonly KnownBroker[]): KnownBroker {
  return nodes.find(({ brokerId }) => brokerId === MASTER_ID) ?? nodes[0]!
}

/** Asks a node that the one of that number lead; resolves when it does, with its term. @throws CommandError it does not take over */
export async function haveLead (client: ClusterClient, { address, cluster, brokerName }: KnownBroker, number: number): Promise<number | undefined> {
  const answer = await client.ask(address, { code: electMaster.code, extFields: electMaster.request.encode({ clusterName: cluster, brokerName, brokerId: number + 1 }) }, TIMEOUT_MS)
  return electMaster.response.decode(answer).masterEpoch
}

/** Has a node of a group lead. @throws CommandError there is no such node, or it does not take over */
export async function transfer (node: string, options: TransferOptions): Promise<void> {
  const number = nodeNumber(node)
  const client = new ClusterClient()
  try {
    const nodes = await brokersOfGroup(client, options)
    const asked = leaderOrAny(nodes)
    const startMs = performance.now()
    const term = await haveLead(client, asked, number)
    console.log(`n${number} leads ${asked.brokerName} since ${Math.round(performance.now() - startMs)} ms after it was asked to, in term ${term}`)
  } finally {
    await client.close()
  }
}
