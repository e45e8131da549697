import { noLock } from '../../lib/adapters/index.ts'
import { loadChecksum, silentLogger, type Logger } from '../../lib/base/index.ts'
import { Engine, type EnginePorts } from '../../lib/engine/index.ts'
import { CatchUp, refetching, type CatchUpOptions } from '../../lib/group/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import type { NodeId } from '../../lib/raft/index.ts'
import { DATA_FORMAT_VERSION } from '../../lib/replica/index.ts'
import { MemoryNetwork, MemoryPeerNetwork, type PeerNetwork } from '../../lib/transport/index.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { HeldSyncs } from '../replica/held-syncs.ts'
import { NodeClock } from '../sim/node-clock.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults } from '../support/faults.ts'
import { settledOn, untilOn } from '../support/let-pass.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export const DIRECTORY = '/srv/node'
const TOPIC = 'orders'
const PAD = '.'.repeat(300)
const SEGMENT_BYTES = 4 * 1024

/** One machine and what runs on it. */
export class Node {
  readonly id: NodeId
  readonly address: { readonly host: string, readonly port: number }
  readonly #world: CatchUpWorld
  readonly #incarnations: { life: number } = { life: 0 }
  disk: FaultyDisk
  kv: FaultyKv
  clock!: NodeClock
  peers!: PeerNetwork
  catchUp!: CatchUp
  engine: Engine | undefined
  /** How often it was opened again on what had come. */
  installs = 0
  failure: unknown
  /** Of its log. */
  readonly syncs = new HeldSyncs()
  /** Of base dumps while they are made. */
  readonly dumpWrites = new HeldSyncs('write', '.base.new')
  readonly log: string[] = []
  /** Calls pass here before they leave. */
  onCalling: ((method: string, to: NodeId) => void | Promise<void>) | undefined
  /** Answers pass here when they come. */
  onAnswer: ((method: string, answer: Uint8Array) => Uint8Array) | undefined

  constructor (id: NodeId, world: CatchUpWorld) {
    this.id = id
    this.#world = world
    this.address = { host: '127.0.0.1', port: 7000 + id }
    const faults = new Faults()
    this.disk = new FaultyDisk({ faults, directories: ['/srv'] })
    this.kv = new FaultyKv({ faults })
  }

  get applied (): number { return this.engine?.stats().log.appliedIndex ?? 0 }

  async start (options: Partial<CatchUpOptions> = {}): Promise<void> {
    const { clock, network, founders } = this.#world
    const life = ++this.#incarnations.life
    this.failure = undefined
    this.clock = new NodeClock(clock, 1, 0)
    const peers = this.peers = new MemoryPeerNetwork({ clock: this.clock, network, self: () => ({ groupName: 'g', groupId: this.#world.groupId, nodeId: this.id, formatVersion: DATA_FORMAT_VERSION }) })
    await peers.listen(this.address)
    peers.setPeers(new Map(founders.map((id) => [id, this.#world.nodes.get(id)!.address])))
    this.catchUp = new CatchUp({
      clock: this.clock,
      disk: this.disk,
      logger: this.#logger,
      directory: DIRECTORY,
      segmentBytes: SEGMENT_BYTES,
      peers: {
        onCall: (...registration) => { peers.onCall(...registration) },
        call: async (to, method, body, callOptions) => {
          await this.onCalling?.(method, to)
          const answer = await peers.call(to, method, body, callOptions)
          return this.onAnswer?.(method, answer) ?? answer
        }
      },
      onReceived: () => {
        this.#reopen().catch((error: unknown) => { if (life === this.#incarnations.life) this.failure = error })
      },
      receiverSettings: { chunkBytes: 3000, callTimeoutMs: 1000, reserveBytes: 0 },
      ...options
    })
    await this.#open()
  }

  async #open (): Promise<void> {
    const { founders, groupId, durability } = this.#world
    const engine = await Engine.open({
      ...checkOpenOptions('/data', { durability, ...(durability === 'memory' && { flush: { timed: true, intervalMs: 60_000 } }) }),
      directory: DIRECTORY,
      logger: this.#logger,
      ports: { disk: this.dumpWrites.disk(this.syncs.disk(this.disk)), kv: this.kv, clock: this.clock, random: new SeededRandom(this.id + 100 * this.#incarnations.life), lock: noLock } as unknown as EnginePorts,
      limits: { ...checkOpenOptions('/data', {}).limits, segmentBytes: SEGMENT_BYTES, tailCacheBytes: 8 * 1024, coldCacheBytes: 64 * 1024, reserveBytes: 0 },
      storeSettings: { checkpointBytes: 6 * 1024, baseDumpBytes: 16 * 1024, unpersistedBytes: 32 * 1024, pageCacheBytes: 16 * 1024 },
      group: { nodeId: this.id, founding: { groupId, founders }, transport: this.peers.transport(), settings: { snapshotRetryTicks: 20 }, refetch: refetching({ clock: this.clock, logger: this.#logger, network: this.peers, patienceMs: () => 3_000 }) }
    })
    engine.onFailure((error) => { this.failure = error })
    this.engine = engine
    this.catchUp.attach(engine.replica)
  }

  async #reopen (): Promise<void> {
    const engine = this.engine!
    this.engine = undefined
    await this.catchUp.detach()
    await engine.close()
    if (await this.catchUp.install()) this.installs++
    await this.#open()
  }

  /** The process ends, or with `powerCut` the machine: what is found afterwards is another disk. */
  async crash (powerCut?: { readonly keep: 'none' | 'all' | 'random' | 'reorder', readonly seed: number }): Promise<void> {
    this.#incarnations.life++
    this.clock.end()
    this.engine = undefined
    const faults = new Faults()
    const random = new SeededRandom(powerCut?.seed ?? 1)
    this.disk = powerCut === undefined ? this.disk.kill({ faults }) : this.disk.powerCut({ keep: powerCut.keep, random, faults })
    this.kv = powerCut === undefined ? this.kv.kill({ faults }) : this.kv.powerCut({ keep: powerCut.keep, random, faults })
    await this.peers.close()
  }

  async close (): Promise<void> {
    const engine = this.engine
    this.engine = undefined
    await this.catchUp.detach()
    await engine?.close()
    await this.peers.close()
  }

  readonly #logger: Logger = { ...silentLogger, warn: (message) => { this.log.push(message) }, error: (message) => { this.log.push(message) } }
}

/** A group of engines in one process on virtual time; each on a faulty machine of its own, with both sides of catching up. */
export class CatchUpWorld {
  readonly clock = new VirtualClock({ deferred: 'stepped' })
  readonly network = new MemoryNetwork(this.clock)
  readonly groupId = new Uint8Array(16).fill(9)
  readonly founders: readonly NodeId[]
  readonly nodes = new Map<NodeId, Node>()
  readonly durability: 'disk' | 'memory'
  sent = 0

  constructor (founders: readonly NodeId[] = [1, 2, 3], durability: 'disk' | 'memory' = 'disk') {
    this.founders = founders
    this.durability = durability
    for (const id of founders) this.nodes.set(id, new Node(id, this))
  }

  node (id: NodeId): Node { return this.nodes.get(id)! }

  async openAll (): Promise<void> {
    await loadChecksum()
    for (const node of this.nodes.values()) await this.run(node.start())
    await this.until(() => this.leader !== undefined)
  }

  get leader (): Node | undefined {
    return [...this.nodes.values()].find(({ engine }) => engine?.role.isLeader === true)
  }

  async untilLeader (): Promise<Node> {
    await this.until(() => this.leader !== undefined)
    return this.leader!
  }

  async send (count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const leader = await this.untilLeader()
      await this.run(put(leader.engine!, TOPIC, wireMessage(`${this.sent}${PAD}`)))
      this.sent++
    }
  }

  /** The head goes, on every node that is there, up to the last few messages. */
  async raiseFloor (kept: number): Promise<void> {
    const leader = await this.untilLeader()
    const { engine } = leader
    const { records } = await this.run(get(engine!, { topic: TOPIC, fromOffset: this.sent - kept, maxMessages: 1 }))
    const entry = (await this.run(engine!.replica.log.entryContaining(records[0]!.physicalOffset)))!
    await this.run(engine!.raiseFloor(entry.physicalOffset))
    await this.until(() => engine!.replica.log.firstIndex > 1)
  }

  /** Opens all and stops a follower, which then lacks `count` messages and the head of the log with all but the last `kept` of them. */
  async lag (count: number, kept = 60): Promise<{ leader: Node, node: Node }> {
    await this.openAll()
    await this.send(10)
    await this.untilEqual()
    const leader = await this.untilLeader()
    const node = [...this.nodes.values()].find((one) => one !== leader)!
    await this.run(node.close())
    await this.send(count)
    await this.raiseFloor(kept)
    return { leader, node }
  }

  /** Starts a node again, and complains if it does not come to hold what all hold. */
  async assertComesBack (node: Node): Promise<void> {
    await this.run(node.start())
    await this.untilEqual()
    const wrong = await this.differences()
    if (wrong.length > 0) throw new Error(wrong.join('; '))
  }

  /** Whom that node asks first: not the leader. */
  donorOf (node: Node): Node { return [...this.nodes.values()].find((one) => one !== node && one !== this.leader)! }

  /** For a node whose next machine knows less than this one has told: it ends, and another leader has not heard it. */
  async goneBackInTime (node: Node): Promise<void> {
    await node.crash()
    const leader = await this.untilLeader()
    const other = [...this.nodes.values()].find((one) => one !== leader && one !== node)!
    await this.run(leader.engine!.transferLeadership(other.id))
    await this.until(() => other.engine!.role.isLeader)
  }

  /** Until all that run have applied the same. */
  async untilEqual (): Promise<void> {
    await this.until(() => {
      const engines = [...this.nodes.values()].map(({ engine }) => engine)
      return engines.every((engine) => engine !== undefined) && new Set([...this.nodes.values()].map(({ applied }) => applied)).size === 1
    })
  }

  /** What each node holds, as consumers read it. */
  async bodies (node: Node): Promise<string[]> {
    const engine = node.engine!
    const queue = engine.store.consumeQueues.find(TOPIC, 0)!
    const bodies: string[] = []
    for (let offset = queue.minOffset; offset < queue.nextOffset;) {
      const { bodies: read } = await this.run(get(engine, { topic: TOPIC, fromOffset: offset }))
      if (read.length === 0) throw new Error(`nothing at offset ${offset} of ${queue.minOffset} to ${queue.nextOffset}`)
      bodies.push(...read.map((body) => body.slice(0, -PAD.length)))
      offset += read.length
    }
    return bodies
  }

  /** Complaints about the nodes' states: none if all are the same and end with the last message sent. */
  async differences (): Promise<string[]> {
    const wrong: string[] = []
    const nodes = [...this.nodes.values()]
    const hashes = new Set<bigint>()
    for (const { engine } of nodes) hashes.add(await this.run(engine!.store.stateHash()))
    if (hashes.size > 1) wrong.push(`the states' hashes are ${[...hashes].join(', ')}`)
    for (const node of nodes) {
      const bodies = await this.bodies(node)
      const first = Number(bodies[0])
      const expected = Array.from({ length: this.sent - first }, (_, i) => String(first + i))
      if (bodies.join() !== expected.join()) wrong.push(`node ${node.id} holds ${bodies.length} messages from ${bodies[0]} to ${bodies.at(-1)}, ${this.sent} were sent`)
    }
    return wrong
  }

  async until (condition: () => boolean, maxMs?: number): Promise<void> { await untilOn(this.clock, condition, maxMs) }

  async run<T> (promise: Promise<T>): Promise<T> { return await settledOn(this.clock, promise) }

  async closeAll (): Promise<void> {
    for (const node of this.nodes.values()) await this.run(node.close()).catch(() => {})
  }
}
