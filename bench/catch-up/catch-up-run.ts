import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { HeaderType, pullMessage, PullSysFlag, RequestCode } from '../../lib/remoting/index.ts'
import { Cluster, until, type BrokerGroup, type ClusterProcess } from '../../spec/cluster/cluster.ts'
import { Flow } from '../broker/flow.ts'
import { Load, MOST_CONNECTIONS } from '../broker/load.ts'
import { TOPIC } from '../broker/requests.ts'
import { Driver, median, quantile } from '../harness/measure.ts'
import { usageOf } from '../harness/server.ts'
import { progress } from '../harness/table.ts'

export const GIB = 2 ** 30
const MIB = 2 ** 20
const QUEUES = 8
const INFLIGHT = 1000
/** Producers do not stop for a slow flush or two. */
const LIVE_INFLIGHT = 4000
const FILL_PIECE = 100_000
const LOOK_EVERY_MS = 250
/** A follower so little behind, as figures that were asked for one after the other tell it, is up to the leader. */
const LAG_BYTES = 8 * MIB
/** What a message takes on disk beside its body. */
const OVERHEAD_BYTES = 220
const LEAST_FREE_BYTES = 3 * GIB
/** Messages of each queue that are compared between the nodes. */
const SAMPLES = 32
/** Of the log that a node has which then falls behind. */
const OLD_BYTES = 128 * MIB
/** Of a file of the log, by default; it is removed whole. */
const SEGMENT_BYTES = 64 * MIB

export const caseNames = ['behind', 'below-head', 'wiped'] as const
export type CaseName = typeof caseNames[number]

export interface CatchUpWish {
  readonly name: CaseName
  readonly folder: string
  readonly bytesBehind: number
  readonly bodyBytes: number
  /** Messages a second that the group takes at most; undefined: is measured. */
  readonly maxRate: number | undefined
  /** How long the live rate is measured before the follower is back. */
  readonly beforeS: number
  /** The follower is killed so often on its way, after equal parts of what it lacks have come. */
  readonly kills: number
  /** Given up after that. */
  readonly limitS: number
  readonly isKilled: boolean
}

/** Rates are confirmed messages a second. */
export interface CatchUpResult {
  readonly name: CaseName
  readonly behindBytes: number
  readonly maxRate: number
  readonly beforeRate: number
  readonly duringRate: number
  /** Of one second. */
  readonly lowestRate: number
  readonly beforeP99Ms: number
  readonly duringP99Ms: number
  /** From its start until it is up to the leader. */
  readonly caughtUpS: number
  readonly kills: number
  readonly refused: number
  /** Of a core, while it catches up: leader, other follower, the one that catches up, load. */
  readonly cores: readonly number[]
}

/** One follower of a group falls behind and comes back under live load. */
export async function runCatchUp (wish: CatchUpWish): Promise<CatchUpResult> {
  const { folder, name, bytesBehind, bodyBytes, kills } = wish
  await assertRoom(folder, 3 * bytesBehind * (bodyBytes + OVERHEAD_BYTES) / bodyBytes)
  await using cluster = await Cluster.start({ folder, program: 'built', groups: [{ name: 'bench-broker', settings: { defaultTopicQueueNums: QUEUES, slaveReadEnable: true } }] })
  const group = cluster.groups[0]!
  await group.inSync()
  const leader = await group.leader()
  const [follower, other] = group.followersOf(leader) as [ClusterProcess, ClusterProcess]
  const body = new Uint8Array(bodyBytes).fill(65)
  const load = await Load.connect(portOf(leader), MOST_CONNECTIONS, HeaderType.binary, QUEUES)
  await load.send(1, 1, body)
  const maxRate = wish.maxRate ?? await measureMax(load, body)
  if (name !== 'behind') await fill(load, body, OLD_BYTES, () => {})
  await group.inSync(MIB)
  const stoppedAt = await endOf(leader)
  await (wish.isKilled ? follower.kill() : follower.stop())
  await fill(load, body, bytesBehind, (done) => { progress(`${name}: ${(done / GIB).toFixed(1)} GiB written without one of the nodes`) })
  load.close()
  if (name !== 'behind') await removeHead(cluster, [leader, other], stoppedAt)
  if (name === 'wiped') await follower.wipe()
  const flow = await Flow.start({ port: portOf(leader), queues: QUEUES, body, rate: maxRate / 2, inflight: LIVE_INFLIGHT })
  try {
    await sleep(2000)
    flow.takeLatenciesMs()
    const before = new Span(flow, [leader.pid, other.pid])
    while (before.seconds < wish.beforeS) {
      await sleep(LOOK_EVERY_MS)
      progress(`${name}: ${before.rate.toFixed(0)} messages a second before the node is back`)
    }
    const beforeRate = before.rate
    const beforeP99Ms = quantile(flow.takeLatenciesMs(), 0.99)
    const behindBytes = await endOf(leader) - stoppedAt
    const heldBefore = await heldBytes(follower)

    await follower.start()
    const during = new Span(flow, [leader.pid, other.pid, follower.pid, process.pid])
    let killed = 0
    let lowestRate = Infinity
    let second = new Span(flow, [])
    for (;;) {
      await sleep(LOOK_EVERY_MS)
      flow.assertConnected()
      if (second.seconds >= 1) {
        lowestRate = Math.min(lowestRate, second.rate)
        second = new Span(flow, [])
      }
      const lag = await lagOf(group, leader, follower)
      progress(`${name}: ${during.seconds.toFixed(0)} s, ${during.rate.toFixed(0)} messages a second, ${lag.text}`)
      if (lag.isUp) break
      if (during.seconds > wish.limitS) throw new Error(`${name}: not up to the leader after ${wish.limitS} s: ${lag.text}`)
      if (!follower.isRunning) throw new Error(`the node that catches up has ended: ${follower.output}`)
      if (killed < kills && await heldBytes(follower) - heldBefore > behindBytes * (killed + 1) / (kills + 1)) {
        killed++
        await follower.kill()
        await follower.start()
        during.follow(2, follower.pid)
      }
      await assertRoom(folder, 0)
    }
    const result: CatchUpResult = {
      name,
      behindBytes,
      maxRate: Math.round(maxRate),
      beforeRate: Math.round(beforeRate),
      duringRate: Math.round(during.rate),
      lowestRate: Math.round(lowestRate),
      beforeP99Ms,
      duringP99Ms: quantile(flow.takeLatenciesMs(), 0.99),
      caughtUpS: during.seconds,
      kills: killed,
      refused: [...flow.refusals.values()].reduce((sum, count) => sum + count, 0),
      cores: during.cores
    }
    flow.stop()
    for (const [answer, count] of flow.refusals) console.log(`${count} times: ${answer}`)
    await assertEqual(cluster, group)
    return result
  } finally {
    flow.stop()
  }
}

/** A time that is measured. */
class Span {
  readonly #flow: Flow
  readonly #pids: number[]
  readonly #startMs = performance.now()
  readonly #confirmed: number
  readonly #cpuMs: number[]

  constructor (flow: Flow, pids: readonly number[]) {
    this.#flow = flow
    this.#pids = [...pids]
    this.#confirmed = flow.confirmed
    this.#cpuMs = pids.map((pid) => usageOf(pid).cpuMs)
  }

  get seconds (): number { return (performance.now() - this.#startMs) / 1000 }
  get rate (): number { return (this.#flow.confirmed - this.#confirmed) / this.seconds }
  get cores (): number[] { return this.#pids.map((pid, i) => Math.round((usageOf(pid).cpuMs - this.#cpuMs[i]!) / this.seconds / 10) / 100) }

  /** Another process goes on in that place. */
  follow (place: number, pid: number): void {
    this.#pids[place] = pid
    this.#cpuMs[place] = 0
  }
}

async function measureMax (load: Load, body: Uint8Array): Promise<number> {
  const rates: number[] = []
  for (let round = 0; round < 6; round++) {
    progress(`the most that the group takes: ${median(rates).toFixed(0)} messages a second`)
    const driver = new Driver()
    await load.send(2 * FILL_PIECE, INFLIGHT, body, driver)
    // the first ones warm up
    if (round > 1) rates.push(driver.lastRate)
  }
  return median(rates)
}

async function fill (load: Load, body: Uint8Array, bytes: number, onProgress: (done: number) => void): Promise<void> {
  const messages = Math.ceil(bytes / body.length)
  for (let done = 0; done < messages; done += FILL_PIECE) {
    await load.send(Math.min(FILL_PIECE, messages - done), INFLIGHT, body)
    onProgress(Math.min(done + FILL_PIECE, messages) * body.length)
  }
}

/** Lets go of the log of those nodes, the leader first, until it begins behind `position`. */
async function removeHead (cluster: Cluster, nodes: readonly ClusterProcess[], position: number): Promise<void> {
  const [leader] = nodes
  const configure = async (bytes: number): Promise<void> => {
    for (const { address } of nodes) await cluster.ask(address, RequestCode.UPDATE_BROKER_CONFIG, {}, Buffer.from(`fileReservedBytes=${bytes}`))
  }
  await configure(await endOf(leader!) - position - SEGMENT_BYTES - MIB)
  for (const node of nodes) {
    await until(`the log of ${node.name} begins behind position ${position}`, async () => {
      await cluster.ask(leader!.address, RequestCode.DELETE_EXPIRED_COMMITLOG)
      const names = await readdir(join(node.folder, 'data', 'log'))
      return Math.min(...names.filter((name) => name.endsWith('.seg')).map((name) => Number.parseInt(name, 10))) > position
    })
  }
  await configure(0)
}

interface Lag {
  readonly isUp: boolean
  readonly text: string
}

async function lagOf ({ nodes }: BrokerGroup, leader: ClusterProcess, follower: ClusterProcess): Promise<Lag> {
  const [own, theirs] = await Promise.all([leader.figures(), follower.figures()])
  if (own === undefined) return { isUp: false, text: 'the leader does not answer' }
  const node = `n${nodes.indexOf(follower)}`
  const members = (JSON.parse(own.groupMembers!) as Array<{ node: string, role: string }>).filter((member) => member.node === node)
  const role = members.map(({ role }) => role).join(' and ')
  if (theirs === undefined) return { isUp: false, text: `the node does not answer (${role})` }
  const lagBytes = Math.max(0, Number(own.commitLogMaxOffset) - Number(theirs.commitLogMaxOffset))
  return { isUp: lagBytes <= LAG_BYTES && role === 'voter', text: `${Math.round(lagBytes / MIB)} MiB behind (${role})` }
}

/** Of the log, and of one that comes. */
async function heldBytes (node: ClusterProcess): Promise<number> {
  let bytes = 0
  for (const folder of ['log', 'incoming/log']) {
    const files = await readdir(join(node.folder, 'data', folder)).catch(() => [])
    for (const file of files) bytes += await stat(join(node.folder, 'data', folder, file)).then(({ size }) => size, () => 0)
  }
  return bytes
}

async function endOf (node: ClusterProcess): Promise<number> {
  let end: number | undefined
  await until(`${node.name} tells its end`, async () => {
    const figures = await node.figures()
    if (figures !== undefined) end = Number(figures.commitLogMaxOffset)
    return end !== undefined
  })
  return end!
}

/** All nodes say the same of every queue, and give the same messages where they are asked for some. */
async function assertEqual (cluster: Cluster, group: BrokerGroup): Promise<void> {
  await group.inSync()
  for (let queueId = 0; queueId < QUEUES; queueId++) {
    const ranges = await Promise.all(group.nodes.map(async ({ address }) => ({ from: await offsetOf(cluster, address, RequestCode.GET_MIN_OFFSET, queueId), to: await offsetOf(cluster, address, RequestCode.GET_MAX_OFFSET, queueId) })))
    const { from, to } = ranges[0]!
    if (ranges.some((range) => range.from !== from || range.to !== to)) throw new Error(`the nodes have different messages in queue ${queueId}: ${JSON.stringify(ranges)}`)
    for (let sample = 0; sample < SAMPLES; sample++) {
      const queueOffset = from + Math.floor((to - 1 - from) * sample / (SAMPLES - 1))
      const pulled = await Promise.all(group.nodes.map(({ address }) => pull(cluster, address, queueId, queueOffset)))
      if (pulled.some((bytes) => bytes.length === 0 || Buffer.compare(bytes, pulled[0]!) !== 0)) throw new Error(`the nodes have different messages at offset ${queueOffset} of queue ${queueId}`)
    }
  }
}

async function offsetOf (cluster: Cluster, address: string, code: number, queueId: number): Promise<number> {
  return Number((await cluster.ask(address, code, { topic: TOPIC, queueId })).extFields().get('offset'))
}

async function pull (cluster: Cluster, address: string, queueId: number, queueOffset: number): Promise<Uint8Array> {
  const extFields = pullMessage.encode({
    consumerGroup: 'compare', topic: TOPIC, queueId, queueOffset, maxMsgNums: 1, sysFlag: PullSysFlag.subscription, commitOffset: 0, suspendTimeoutMillis: 0, subscription: '*', subVersion: 0, expressionType: 'TAG'
  })
  return (await cluster.ask(address, RequestCode.PULL_MESSAGE, extFields)).body
}

/** The disk is others' too. */
async function assertRoom (folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const freeBytes = bavail * bsize - LEAST_FREE_BYTES
  if (freeBytes < neededBytes) throw new Error(`${folder} has room for ${(freeBytes / GIB).toFixed(1)} GiB beside what others need, this takes ${(neededBytes / GIB).toFixed(1)} GiB`)
}

function portOf ({ address }: ClusterProcess): number { return Number(address.slice(address.lastIndexOf(':') + 1)) }
