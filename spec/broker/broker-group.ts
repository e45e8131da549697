import { MemoryDisk, MemoryKv, noLock } from '../../lib/adapters/index.ts'
import { loadChecksum, silentLogger, type Disk } from '../../lib/base/index.ts'
import { Broker } from '../../lib/broker/index.ts'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { Engine } from '../../lib/engine/index.ts'
import { NameServer } from '../../lib/namesrv/index.ts'
import { HeaderType, RemotingClient, RemotingServer } from '../../lib/remoting/index.ts'
import { DATA_FORMAT_VERSION } from '../../lib/replica/index.ts'
import { MemoryNetwork as PeerLinks, MemoryPeerNetwork } from '../../lib/transport/index.ts'
import { MemoryNetwork } from '../remoting/memory-network.ts'
import { settledOn, untilOn } from '../support/let-pass.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Client } from './support.ts'

const GROUP_ID = new Uint8Array(16).fill(7)
const NODES = [1, 2, 3]
const NAME_SERVER = '127.0.0.1:9876'

interface Machine { readonly disk: Disk, readonly kv: MemoryKv }

/** Three brokers of one group and a name server in one process, on virtual time: nodes 1, 2, 3 serve clients on ports 10911, 10921, 10931. */
export class BrokerGroup {
  readonly clock = new VirtualClock({ deferred: 'stepped' })
  readonly network = new MemoryNetwork()
  readonly links = new PeerLinks(this.clock)
  readonly brokers = new Map<number, Broker>()
  /** Nodes that know that they are none of the group any more. */
  readonly gone = new Set<number>()
  readonly #machines = new Map<number, Machine>()
  readonly #clients: Client[] = []
  /** How a broker sees its disk, where that is not as it is; for those opened from then on. */
  seenBy: (id: number, disk: Disk) => Disk = (_, disk) => disk
  readonly #settings: string
  readonly #founders: readonly number[]
  #lives = 0
  nameServer!: NameServer

  private constructor (settings: string, founders: readonly number[]) {
    this.#settings = settings
    this.#founders = founders
  }

  /** With fewer founders than the three it is a master, whose replicas are opened and added later. */
  static async start (settings = '', founders: readonly number[] = NODES, seenBy?: BrokerGroup['seenBy']): Promise<BrokerGroup> {
    await loadChecksum()
    const group = new BrokerGroup(settings, founders)
    if (seenBy !== undefined) group.seenBy = seenBy
    const server = new RemotingServer({ clock: group.clock, network: group.network })
    group.nameServer = await NameServer.open({ clock: group.clock, disk: new MemoryDisk(), server, config: new RunningConfig(effectiveConfig('namesrv', { files: [{ name: 'spec', content: 'kvConfigPath=/kv.json' }] }), new MemoryDisk()) })
    await server.listen({ host: '127.0.0.1', port: 9876 })
    for (const id of founders) await group.open(id)
    await group.until(() => group.leader !== undefined)
    return group
  }

  async open (id: number): Promise<Broker> {
    const { clock, network, links } = this
    const machine = this.#machines.get(id) ?? { disk: new MemoryDisk(), kv: new MemoryKv() }
    this.#machines.set(id, machine)
    const place = this.#founders.length === 1 ? '' : `enableDLegerCommitLog=true\ndLegerGroup=group\ndLegerSelfId=n${id - 1}\ndLegerPeers=${NODES.map((node) => `n${node - 1}-10.0.0.1:${peerAddressOf(node).port}`).join(';')}\n`
    const content = `storePathRootDir=/data\nbrokerName=broker-a\nlistenPort=${portOf(id)}\nmappedFileSizeCommitLog=4194304\nnamesrvAddr=${NAME_SERVER}\n${place}${this.#settings}`
    const config = new RunningConfig(effectiveConfig('broker', { files: [{ name: 'spec', content }] }), new MemoryDisk())
    const peers = new MemoryPeerNetwork({ clock, network: links, self: () => ({ groupName: 'group', groupId: GROUP_ID, nodeId: id, formatVersion: DATA_FORMAT_VERSION }) })
    await peers.listen(peerAddressOf(id))
    peers.setPeers(new Map(NODES.map((node) => [node, peerAddressOf(node)])))
    const broker = await this.run(Broker.open({
      config,
      network,
      logger: silentLogger,
      ports: { ...machine, disk: this.seenBy(id, machine.disk), clock, random: new SeededRandom(id + 1000 * this.#lives++), lock: noLock },
      openNode: async (options) => {
        const engine = await Engine.open({ ...options, group: { nodeId: id, founding: { groupId: GROUP_ID, founders: this.#founders }, transport: peers.transport() } })
        const close = async (): Promise<void> => { await engine.close(); await peers.close() }
        return { engine, group: { brokerId: id, peers, members: () => [], isMember: () => !this.gone.has(id), addPeer: async () => {}, remove: async () => {} }, onEngine () {}, close }
      }
    }))
    this.brokers.set(id, broker)
    await this.run(broker.start())
    return broker
  }

  get leader (): Broker | undefined { return [...this.brokers.values()].find(({ engine }) => engine.role.isLeader) }
  get leaderId (): number { return [...this.brokers].find(([, { engine }]) => engine.role.isLeader)?.[0] ?? 0 }
  get followerIds (): number[] { return [...this.brokers.keys()].filter((id) => id !== this.leaderId) }
  /** What the name server tells clients: broker id to port. */
  get route (): Record<string, number> {
    return Object.fromEntries([...this.nameServer.table.brokerData('broker-a')?.brokerAddrs ?? []].map(([id, address]) => [id, Number(address.split(':')[1])]))
  }

  /** A client with one connection, to that node. */
  connect (id: number): Client {
    const client = new Client(new RemotingClient({ clock: this.clock, network: this.network, headerType: HeaderType.binary }), `127.0.0.1:${portOf(id)}`)
    this.#clients.push(client)
    return client
  }

  /** Cuts a node off from the others; clients still reach it. */
  isolate (id: number): void { this.links.isolate(id, NODES) }

  async until (condition: () => boolean): Promise<void> { await untilOn(this.clock, condition) }

  /** Runs until the promise has settled. */
  async run<T> (promise: Promise<T>): Promise<T> { return await settledOn(this.clock, promise) }

  async untilEqual (): Promise<void> {
    await this.until(() => new Set([...this.brokers.values()].map(({ engine }) => engine.stats().log.appliedIndex)).size === 1)
  }

  async close (id: number): Promise<void> {
    const broker = this.brokers.get(id)!
    this.brokers.delete(id)
    await this.run(broker.close())
  }

  async closeAll (): Promise<void> {
    for (const client of this.#clients) await this.run(client.close())
    for (const id of [...this.brokers.keys()]) await this.close(id)
    await this.run(this.nameServer.close())
  }
}

export function portOf (id: number): number { return 10_901 + 10 * id }

function peerAddressOf (id: number) { return { host: '10.0.0.1', port: 40_910 + id } }
