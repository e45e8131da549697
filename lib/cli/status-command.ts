import { ClusterClient } from './cluster-client.ts'
import { nodeStatuses, statusJson, statusTable } from './status.ts'

/** Prints how the nodes of all brokers are that a name server knows. Resolves to the exit status: 1 when one does not answer. */
export async function status ({ namesrv, json = false }: { readonly namesrv: string, readonly json?: boolean }): Promise<number> {
  const client = new ClusterClient()
  try {
    const nodes = await nodeStatuses(client, namesrv)
    console.log(json ? statusJson(nodes) : nodes.length === 0 ? `the name server ${namesrv} knows no brokers` : statusTable(nodes))
    return nodes.every(({ info }) => info !== undefined) ? 0 : 1
  } finally {
    await client.close()
  }
}
