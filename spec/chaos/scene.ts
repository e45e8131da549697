import { join } from 'node:path'
import { SeededRandom } from '../support/seeded-random.ts'
import { Cluster, Patience, waitLimit, type BrokerGroup, type ClusterProcess, type Settings } from '../cluster/cluster.ts'
import { NumberedProducer, type ProducerOptions } from '../cluster/numbered-producer.ts'
import { readBack } from '../cluster/read-back.ts'
import type { Program } from '../cluster/server-process.ts'
import { AnyNode } from './any-node.ts'
import { KindsLoad } from './kinds-load.ts'
import { checkRegisters } from './linearizability.ts'
import { Links } from './links.ts'
import { LoopDisk } from './loop-disk.ts'
import { RegisterLoad } from './register-load.ts'
import { TailReader } from './tail-reader.ts'
import { transactionSettings } from './transaction-load.ts'

const GROUP = 'chaos'
const TOPIC = 'numbers'
const QUEUES = 4
/** Confirmed messages before a fault, after it, and during it where there is a majority. */
const STEADY_ACKS = 50
/** Log that a node may be behind at the beginning of the next round. */
const LAG_BYTES = 1024 * 1024
/** Longer than most faults last. */
const LONGEST_DELAY_MS = 10_000

export interface SceneOptions {
  readonly folder: string
  readonly program: Program
  readonly seed: number
  readonly nodes?: number
  /** Messages a second that are not exceeded. */
  readonly rate?: number
  /** Messages of one request. */
  readonly batch?: number
  readonly bodyBytes?: number
  readonly settings?: Settings | undefined
  readonly hasLinks?: boolean
  /** Each node has a real file system of its own, of so many MiB. */
  readonly diskMiB?: number | undefined
  /** Of messages for a later time; the end of a scene is waited for so long. */
  readonly longestDelayMs?: number
  /** Of what happens. */
  readonly tell?: (text: string) => void
}

type Load = Pick<ProducerOptions, 'maxRate' | 'batch' | 'bodyBytes'> & { readonly kinds: KindsLoad, readonly registers: RegisterLoad }

/** What was done and found, by name; numbers of several scenes are added up, those of `longest...` are the largest. */
export type Figures = Record<string, number>

/** A group of real processes under load: producers of messages of each kind, consumers at all nodes, clients that change and read registers. */
export class Scene implements AsyncDisposable {
  readonly cluster: Cluster
  readonly group: BrokerGroup
  readonly links: Links | undefined
  /** By node; empty: they share one. */
  readonly disks: readonly LoopDisk[]
  readonly producer: NumberedProducer
  readonly random: SeededRandom
  readonly figures: Figures = {}
  readonly tell: (text: string) => void
  /** Found while it ran. */
  readonly problems: string[] = []
  readonly #reader: TailReader
  readonly #registers: RegisterLoad
  readonly #kinds: KindsLoad
  #isClosed = false

  static async start ({ folder, program, seed, nodes = 3, rate = 500, batch = 1, bodyBytes = batch > 1 ? 128 : 512, settings = {}, hasLinks = false, diskMiB, longestDelayMs = LONGEST_DELAY_MS, tell = () => {} }: SceneOptions): Promise<Scene> {
    const random = new SeededRandom(seed)
    const links = hasLinks ? new Links(random) : undefined
    const disks: LoopDisk[] = []
    if (diskMiB !== undefined) {
      for (let i = 0; i < nodes; i++) disks.push(await LoopDisk.make(join(folder, `${GROUP}-n${i}`), diskMiB))
    }
    const cluster = await Cluster.start({ folder, program, groups: [{ name: GROUP, nodes, settings: { mappedFileSizeCommitLog: 1024 * 1024, slaveReadEnable: true, maxTransferCountOnMessageInMemory: 1024, ...transactionSettings, ...settings }, ...(links !== undefined && { links }) }] })
    await cluster.makeTopic(TOPIC, QUEUES)
    const group = cluster.groups[0]!
    const node = new AnyNode(cluster, group, random)
    const kinds = await KindsLoad.start({ cluster, group, node, random, longestDelayMs, tell })
    const registers = new RegisterLoad(node, TOPIC, random)
    return new Scene(cluster, links, disks, random, { kinds, registers, maxRate: rate, batch, bodyBytes }, tell)
  }

  private constructor (cluster: Cluster, links: Links | undefined, disks: readonly LoopDisk[], random: SeededRandom, { kinds, registers, ...load }: Load, tell: (text: string) => void) {
    this.tell = tell
    this.cluster = cluster
    this.links = links
    this.disks = disks
    this.random = random
    this.group = cluster.groups[0]!
    this.producer = new NumberedProducer({ cluster, group: this.group, topic: TOPIC, queues: QUEUES, lanes: 8, ...load })
    this.#reader = new TailReader(cluster, this.group, TOPIC, QUEUES, this.producer.history)
    this.#registers = registers
    this.#kinds = kinds
  }

  count (name: string, more = 1): void { this.figures[name] = (this.figures[name] ?? 0) + more }
  longest (name: string, value: number): void { this.figures[name] = Math.max(this.figures[name] ?? -Infinity, value) }
  choose<T> (items: readonly T[]): T { return items[Math.floor(this.random.next() * items.length)]! }

  /** So many different nodes. */
  chooseNodes (count: number): ClusterProcess[] {
    const left = [...this.group.nodes]
    return Array.from({ length: count }, () => left.splice(Math.floor(this.random.next() * left.length), 1)[0]!)
  }

  /** Resolves when messages are confirmed, sent from now on, and each other kind has flowed as well. @throws Error they are not */
  async steady (when: string, count = STEADY_ACKS): Promise<void> {
    const fromMs = performance.now()
    let wanted = count
    const confirmed = within(`messages are confirmed ${when}`, this.producer.ack(({ sentMs }) => sentMs >= fromMs && --wanted <= 0))
    await Promise.all([confirmed, this.#kinds.steady(when)])
  }

  /** The time until the first message sent from now on is confirmed, ms. */
  async firstAck (when: string): Promise<number> {
    const fromMs = performance.now()
    const { atMs } = await within(`a message is confirmed ${when}`, this.producer.ack(({ sentMs }) => sentMs >= fromMs))
    return atMs - fromMs
  }

  async start (nodes: readonly ClusterProcess[]): Promise<void> {
    for (const node of nodes) await node.start()
    for (const node of nodes) await node.ready()
  }

  /** All nodes are there and nearly up to each other. */
  async whole (): Promise<void> {
    await this.inSync()
    await this.steady('after the fault')
  }

  async inSync (): Promise<void> { await this.group.inSync(LAG_BYTES) }

  /** Tells what is known of all nodes. */
  async describe (): Promise<void> {
    for (const node of this.group.nodes) this.tell(`${node.name}: ${JSON.stringify(await node.figures())}\n${node.output.slice(-4000)}`)
  }

  readBack (node: ClusterProcess): ReturnType<typeof readBack> { return readBack(this.cluster, node.address, TOPIC, QUEUES) }

  /** Ends the load and compares what was answered with what every node holds. Returns all that is wrong. */
  async judge (): Promise<string[]> {
    const { history } = this.producer
    await Promise.all([this.producer.stop(), this.#kinds.stop()])
    await Promise.all([this.#reader.stop(), this.#registers.stop()])
    await this.group.inSync()
    const problems = new Set(this.problems)
    for (const node of this.group.nodes) {
      for (const problem of [...history.check(await this.readBack(node)), ...await this.#kinds.check(node.address)]) problems.add(problem)
    }
    for (const problem of checkRegisters(this.#registers.calls)) problems.add(problem)
    const { settings, offsets } = this.#registers.answered
    for (const [name, count] of Object.entries({ confirmed: history.storedCount, refused: history.notStoredCount, unknown: history.unknownCount, consumed: history.givenCount, settingsRead: settings, offsetsRead: offsets, ...this.#kinds.figures })) this.count(name, count)
    if (settings === 0 || offsets === 0 || history.givenCount === 0) problems.add('nothing was read while faults came')
    return [...problems]
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.links?.heal()
    // a process that waits for a disk does not end
    for (const disk of this.disks) disk.recover()
    await this.cluster.close()
    await this.links?.close()
    await Promise.all([this.producer.stop(), this.#reader.stop(), this.#registers.stop(), this.#kinds.close()])
    for (const disk of this.disks) await disk.close()
  }
}

async function within<T> (what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Patience(2 * waitLimit.ms)
  const late = new Promise<never>((_resolve, reject) => {
    timer = setInterval(() => { if (patience.isOver()) reject(new Error(`still waiting after ${2 * waitLimit.ms} ms until ${what}`)) }, 1000)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearInterval(timer)
  }
}
