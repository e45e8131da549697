import { electMaster } from '../remoting/index.ts'
import { ClusterClient } from './cluster-client.ts'
import { CommandError } from './command-error.ts'

const MASTER_ID = 0
const TIMEOUT_MS = 10_000

export interface TransferOptions {
  readonly namesrv: string
  /** Needed where there are several. */
  readonly broker?: string | undefined
}

/** Has a node of a group lead. @throws CommandError there is no such node, or it does not take over */
export async function transfer (node: string, { namesrv, broker }: TransferOptions): Promise<void> {
  const number = /^n?(\d{1,5})$/.exec(node)?.[1]
  if (number === undefined) throw new CommandError(`${node}: expected a node such as n1`)
  const client = new ClusterClient()
  try {
    const brokers = await client.brokers(namesrv)
    const names = [...new Set(brokers.filter(({ brokerId }) => brokerId !== MASTER_ID).map(({ brokerName }) => brokerName))]
    const brokerName = broker ?? (names.length === 1 ? names[0]! : undefined)
    if (brokerName === undefined) throw new CommandError(names.length === 0 ? `the name server ${namesrv} knows no group of several nodes` : `which group: --broker ${names.join(' or ')}`)
    const nodes = brokers.filter((known) => known.brokerName === brokerName)
    const asked = nodes.find(({ brokerId }) => brokerId === MASTER_ID) ?? nodes[0]
    if (asked === undefined) throw new CommandError(`the name server ${namesrv} knows no broker ${brokerName}`)
    const startMs = performance.now()
    const answer = await client.ask(asked.address, {
      code: electMaster.code, extFields: electMaster.request.encode({ clusterName: asked.cluster, brokerName, brokerId: Number(number) + 1 })
    }, TIMEOUT_MS)
    const { masterEpoch } = electMaster.response.decode(answer)
    console.log(`n${Number(number)} leads ${brokerName} since ${Math.round(performance.now() - startMs)} ms after it was asked to, in term ${masterEpoch}`)
  } finally {
    await client.close()
  }
}
