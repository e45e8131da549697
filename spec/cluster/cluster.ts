import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NodeClock, NodeSockets } from '../../lib/adapters/index.ts'
import { RemotingClient, RequestCode, ResponseCode, type ExtFields, type RemotingFrame } from '../../lib/remoting/index.ts'
import type { Links } from '../chaos/links.ts'
import { ServerProcess, type Program } from './server-process.ts'

export type Settings = Readonly<Record<string, string | number | boolean>>

export interface GroupWish {
  /** The brokerName of all its nodes. */
  readonly name: string
  /** 3 unless told otherwise; 0: they are added later. */
  readonly nodes?: number
  /** Lines of the configuration of each node. */
  readonly settings?: Settings
  /** Between its nodes; the nodes see each other's addresses there. */
  readonly links?: Links
  /** Classic roles instead of a Raft group: a master, and replicas with the broker ids 1, 2, ... */
  readonly master?: 'SYNC_MASTER' | 'ASYNC_MASTER'
}

export interface ClusterOptions {
  readonly folder: string
  readonly program: Program
  /** 1 unless told otherwise. */
  readonly nameServers?: number
  readonly groups: readonly GroupWish[]
}

export interface RouteBroker {
  readonly brokerName: string
  /** By broker id; 0 leads. */
  readonly brokerAddrs: Readonly<Record<string, string>>
}

/** How long is waited for anything; longer for long runs on machines that have other work. */
export const waitLimit = { ms: 60_000 }
const LOOK_EVERY_MS = 5
const MAX_STEP_MS = 5000
const ASK_TIMEOUT_MS = 2000

/** Name servers and groups of brokers, each a process of its own with files of its own, on ports that the system chose. */
export class Cluster implements AsyncDisposable {
  readonly client = new RemotingClient({ clock: new NodeClock(), network: new NodeSockets() })
  readonly nameServers: ClusterProcess[] = []
  readonly groups: BrokerGroup[] = []

  /** Resolves when every group has a leader that a name server knows. */
  static async start ({ folder, program, nameServers = 1, groups }: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster()
    try {
      const ports = await freePorts(nameServers + groups.reduce((sum, { nodes = 3 }) => sum + 2 * nodes, 0))
      for (let i = 0; i < nameServers; i++) {
        const home = join(folder, `namesrv${i}`)
        const port = ports.pop()!
        const server = new ClusterProcess(cluster, program, `name server ${i}`, home, `127.0.0.1:${port}`, ['namesrv', '-c', 'server.conf'], { listenPort: port, kvConfigPath: join(home, 'kvConfig.json') })
        cluster.nameServers.push(server)
      }
      for (const { name, nodes: count = 3, settings = {}, master, links } of groups) {
        const group = new BrokerGroup(cluster, name, { folder, program, settings: { namesrvAddr: cluster.nameServers.map(({ address }) => address).join(';'), ...settings } })
        cluster.groups.push(group)
        const peers = Array.from({ length: count }, (_, i) => `n${i}-127.0.0.1:${ports.pop()!}`)
        await links?.listen(peers.map(portOf))
        for (const [i, peer] of peers.entries()) {
          group.place(peer, ports.pop()!, master === undefined ? votersOf(name, links?.seenBy(i, peers) ?? peers, i) : { brokerRole: i === 0 ? master : 'SLAVE', brokerId: i })
        }
      }
      for (const server of cluster.processes) await server.start()
      for (const server of cluster.processes) await server.ready()
      for (const group of cluster.groups) if (group.nodes.length > 0) await group.leader()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  get processes (): ClusterProcess[] { return [...this.nameServers, ...this.groups.flatMap(({ nodes }) => nodes)] }

  async ask (address: string, code: number, extFields: ExtFields = {}, body?: Uint8Array, timeoutMs = ASK_TIMEOUT_MS): Promise<RemotingFrame> {
    const answer = await this.client.invoke(address, { code, extFields, body }, { timeoutMs })
    if (answer.code !== ResponseCode.SUCCESS) throw new Error(`${address} answered ${answer.code}: ${answer.remark}`)
    return answer
  }

  /** Brokers by name as the first name server that answers knows them; empty: none does. */
  async brokers (): Promise<ReadonlyMap<string, RouteBroker>> {
    for (const { address, isRunning } of this.nameServers) {
      if (!isRunning) continue
      try {
        const { body } = await this.ask(address, RequestCode.GET_BROKER_CLUSTER_INFO)
        return new Map(Object.entries((jsonOf(body) as { brokerAddrTable: Record<string, RouteBroker> }).brokerAddrTable))
      } catch {
        // the next one may answer
      }
    }
    return new Map()
  }

  /** Makes a topic on every group. @param attributes as `+name=value,...` */
  async makeTopic (topic: string, queues: number, attributes?: string): Promise<void> {
    for (const group of this.groups) {
      await until(`${group.name} makes topic ${topic}`, async () => {
        const { address } = await group.leader()
        await this.ask(address, RequestCode.UPDATE_AND_CREATE_TOPIC, {
          topic, defaultTopic: 'TBW102', readQueueNums: queues, writeQueueNums: queues, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false, attributes
        })
        return true
      })
    }
  }

  async close (): Promise<void> {
    await Promise.all(this.processes.map((server) => server.kill()))
    await this.client.close()
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.close() }
}

/** One server of a cluster: the same place, files and ports through all its lives. */
export class ClusterProcess {
  readonly name: string
  readonly folder: string
  /** For clients. */
  readonly address: string
  /** For other nodes, ID-HOST:PORT; empty: it has none. */
  readonly peer: string
  readonly #cluster: Cluster
  readonly #program: Program
  readonly #args: readonly string[]
  readonly #settings: Settings
  #process: ServerProcess | undefined

  constructor (cluster: Cluster, program: Program, name: string, folder: string, address: string, args: readonly string[], settings: Settings, peer = '') {
    this.#cluster = cluster
    this.#program = program
    this.name = name
    this.folder = folder
    this.address = address
    this.peer = peer
    this.#args = args
    this.#settings = settings
  }

  get pid (): number { return this.#running.pid }
  get output (): string { return this.#process?.output ?? '' }
  get warnings (): readonly string[] { return this.#process?.warnings ?? [] }
  /** It has said that it serves. */
  get isReady (): boolean { return this.#process?.isReady === true }
  get isRunning (): boolean { return this.#process !== undefined && this.#process.exit === undefined }

  get #running (): ServerProcess {
    if (this.#process === undefined) throw new Error(`${this.name} was not started`)
    return this.#process
  }

  /** Starts it, with other settings if there are any; does not wait until it serves. */
  async start (settings: Settings = {}): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    await writeFile(join(this.folder, 'server.conf'), Object.entries({ ...this.#settings, ...settings }).map(([key, value]) => `${key}=${value}\n`).join(''))
    this.#process = new ServerProcess(this.#program, this.#args, this.folder)
  }

  /** Resolves when it has said that it serves. @throws Error it ended before */
  async ready (): Promise<void> {
    await until(`${this.name} serves`, () => {
      if (this.#running.exit !== undefined) throw new Fatal(`${this.name} ended with ${this.#running.exit}: ${this.output}`)
      return this.#running.isReady
    })
  }

  /** Removes its files, as a new disk does. */
  async wipe (): Promise<void> { await rm(this.folder, { recursive: true, force: true, maxRetries: 5 }) }
  async kill (): Promise<void> { await this.#process?.kill() }
  async stop (): Promise<void> { await this.#running.stop() }
  suspend (): void { this.#running.suspend() }
  resume (): void { this.#running.resume() }

  /** Its figures by name, as `mqadmin brokerStatus` shows them; undefined: it does not answer. */
  async figures (): Promise<Readonly<Record<string, string>> | undefined> {
    try {
      const { body } = await this.#cluster.ask(this.address, RequestCode.GET_BROKER_RUNTIME_INFO)
      return (jsonOf(body) as { table: Record<string, string> }).table
    } catch {
      return undefined
    }
  }
}

interface GroupPlace {
  readonly folder: string
  readonly program: Program
  /** Of every node. */
  readonly settings: Settings
}

/** The brokers of one name. */
export class BrokerGroup {
  readonly name: string
  readonly nodes: ClusterProcess[] = []
  readonly #cluster: Cluster
  readonly #place: GroupPlace

  constructor (cluster: Cluster, name: string, place: GroupPlace) {
    this.#cluster = cluster
    this.name = name
    this.#place = place
  }

  /** @private */
  place (peer: string, port: number, settings: Settings): ClusterProcess {
    const { folder, program, settings: common } = this.#place
    const id = peer.slice(0, peer.indexOf('-'))
    const home = join(folder, `${this.name}-${id}`)
    const node = new ClusterProcess(this.#cluster, program, `${this.name} ${id}`, home, `127.0.0.1:${port}`, ['broker', '-c', 'server.conf'], {
      brokerName: this.name, brokerIP1: '127.0.0.1', listenPort: port, storePathRootDir: join(home, 'data'), ...common, ...settings
    }, peer)
    this.nodes.push(node)
    return node
  }

  /** A node of that number, not started yet, that knows of itself and of those of `others`: ID-HOST:PORT. */
  async add (number: number, others: readonly string[]): Promise<ClusterProcess> {
    const [port, peerPort] = await freePorts(2)
    const peer = `n${number}-127.0.0.1:${peerPort!}`
    return this.place(peer, port!, votersOf(this.name, [...others, peer], others.length))
  }

  /** It is none of the group any more. */
  forget (node: ClusterProcess): void { this.nodes.splice(this.nodes.indexOf(node), 1) }

  /** Who leads by what a name server says, once it is a running node and not `other`. */
  async leader (other?: ClusterProcess): Promise<ClusterProcess> {
    let leader: ClusterProcess | undefined
    await until(`${this.name} has ${other === undefined ? 'a' : 'another'} leader`, async () => {
      for (const node of this.nodes) if (node !== other && !node.isRunning && node.output !== '') throwIfFailed(node)
      const address = (await this.#cluster.brokers()).get(this.name)?.brokerAddrs['0']
      leader = this.nodes.find((node) => node.address === address && node.isRunning && node !== other)
      return leader !== undefined
    })
    return leader!
  }

  followersOf (leader: ClusterProcess): ClusterProcess[] { return this.nodes.filter((node) => node !== leader) }

  /** Resolves when every node answers and is no more than `lagBytes` of log behind the one that has most; with 0 all have applied the same as well. */
  async inSync (lagBytes = 0): Promise<void> {
    await until(`the nodes of ${this.name} are in sync`, async () => {
      const figures = await Promise.all(this.nodes.map((node) => node.figures()))
      const ends = figures.map((table) => Number(table?.['commitLogMaxOffset'] ?? NaN))
      if (!(Math.max(...ends) - Math.min(...ends) <= lagBytes)) return false
      // one that was started anew has its log at once, and is told later how much of it is decided
      return lagBytes > 0 || new Set(figures.map((table) => table?.['groupAppliedIndex'])).size === 1
    })
  }
}

function votersOf (group: string, peers: readonly string[], own: number): Settings {
  const self = peers[own]!
  return { enableDLegerCommitLog: true, dLegerGroup: group, dLegerPeers: peers.join(';'), dLegerSelfId: self.slice(0, self.indexOf('-')) }
}

function portOf (peer: string): number { return Number(peer.slice(peer.lastIndexOf(':') + 1)) }

class Fatal extends Error {}

function throwIfFailed (node: ClusterProcess): void {
  // whoever killed it knows
  if (/stopping after a failure|Error:/.test(node.output)) throw new Fatal(`${node.name} has ended: ${node.output}`)
}

/** Looks until it is so. @throws Error it does not come about, with what failed last */
export async function until (what: string, condition: () => boolean | Promise<boolean>, limitMs = waitLimit.ms): Promise<void> {
  const patience = new Patience(limitMs)
  let problem = ''
  for (;;) {
    try {
      if (await condition()) return
      problem = ''
    } catch (error) {
      if (error instanceof Fatal) throw error
      problem = `: ${(error as Error).message}`
    }
    if (patience.isOver()) throw new Error(`still waiting after ${limitMs} ms until ${what}${problem}`)
    await sleep(LOOK_EVERY_MS)
  }
}

/** A limit in time that passes only while somebody looks: a machine that stands still for a minute is no failure. */
export class Patience {
  #leftMs: number
  #lookedAtMs = performance.now()

  constructor (limitMs: number) {
    this.#leftMs = limitMs
  }

  isOver (): boolean {
    const nowMs = performance.now()
    this.#leftMs -= Math.min(nowMs - this.#lookedAtMs, MAX_STEP_MS)
    this.#lookedAtMs = nowMs
    return this.#leftMs < 0
  }
}

/** Java's JSON: its keys may be numbers. */
export function jsonOf (body: Uint8Array): unknown {
  return JSON.parse(Buffer.from(body).toString().replaceAll(/([{,])(-?\d+):/g, '$1"$2":'))
}

/** Ports that were free a moment ago, all at the same time. */
export async function freePorts (count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => resolve(server))
  })))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
