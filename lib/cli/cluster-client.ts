import { NodeClock, NodeSockets } from '../adapters/index.ts'
import { jsonMap, jsonText, parseJson } from '../message/index.ts'
import { getBrokerClusterInfo, getBrokerRuntimeInfo, RemotingClient, ResponseCode, type RemotingFrame, type RemotingRequest } from '../remoting/index.ts'
import { CommandError } from './command-error.ts'

const TIMEOUT_MS = 3000

/** A broker as name servers know it. */
export interface KnownBroker {
  readonly cluster: string
  readonly brokerName: string
  readonly brokerId: number
  readonly address: string
}

/** Asks name servers and brokers, for commands. */
export class ClusterClient {
  readonly #client = new RemotingClient({ clock: new NodeClock(), network: new NodeSockets() })

  /** By name and id, as the first of the name servers (`;` between them) knows them that answers. @throws CommandError none does */
  async brokers (nameServers: string): Promise<KnownBroker[]> {
    const { body } = await this.#clusterInfo(nameServers.split(';').map((server) => server.trim()).filter((server) => server !== ''))
    const brokers: KnownBroker[] = []
    for (const [brokerName, data] of jsonMap(jsonMap(parseJson(body))?.get('brokerAddrTable')) ?? []) {
      for (const [id, address] of jsonMap(jsonMap(data)?.get('brokerAddrs')) ?? []) {
        brokers.push({ cluster: jsonText(jsonMap(data)?.get('cluster')) ?? '', brokerName: String(brokerName), brokerId: Number(id), address: jsonText(address) ?? '' })
      }
    }
    return brokers.sort((a, b) => a.brokerName < b.brokerName ? -1 : a.brokerName > b.brokerName ? 1 : a.brokerId - b.brokerId)
  }

  async #clusterInfo (nameServers: readonly string[]): Promise<RemotingFrame> {
    const problems: string[] = []
    for (const server of nameServers) {
      try {
        return await this.ask(server, { code: getBrokerClusterInfo.code })
      } catch (error) {
        problems.push(`the name server ${server} does not answer: ${(error as Error).message}`)
      }
    }
    throw new CommandError(problems.join('; '))
  }

  /** What a broker says of itself, by name. */
  async runtimeInfo (address: string): Promise<ReadonlyMap<string, string>> {
    const { body } = await this.ask(address, { code: getBrokerRuntimeInfo.code })
    return new Map([...jsonMap(jsonMap(parseJson(body))?.get('table')) ?? []].map(([name, value]) => [String(name), jsonText(value) ?? '']))
  }

  /** @throws Error it is refused, or not answered */
  async ask (address: string, request: RemotingRequest, timeoutMs = TIMEOUT_MS): Promise<RemotingFrame> {
    const answer = await this.#client.invoke(address, request, { timeoutMs })
    if (answer.code !== ResponseCode.SUCCESS) throw new CommandError(answer.remark ?? `${address} answers with code ${answer.code}`)
    return answer
  }

  close (): Promise<void> { return this.#client.close() }
}
