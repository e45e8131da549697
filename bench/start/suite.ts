import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { NodeClock, NodeSockets } from '../../lib/adapters/index.ts'
import { PullSysFlag, RemotingClient, RequestCode } from '../../lib/remoting/index.ts'
import { freePorts, writeProperties, type Ports } from '../../spec/interop/servers.ts'
import { processUse } from '../apache/process-use.ts'
import { repositoryRoot } from '../harness/child.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { median } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { endProgress, formatTable, progress } from '../harness/table.ts'
import { measureIdleGroup, tellIdleGroup } from './idle-group.ts'

const usage = `npm run bench -- start [options]

The built \`ledgermq start\`, name server and broker in one process: how soon after its start both ports answer a request, the memory
it has then, and what it takes while nothing happens but consumers that wait: pulls of 15 s, heartbeats and questions for
routes and members as often as Apache's Java client makes them. With --group only this: what the three nodes of a group take
while nothing happens.

  --starts N       (10)
  --consumers N    each with a connection of its own to both servers (100)
  --seconds N      idle, after 10 s to settle; the first also fill what heartbeats make (60)
  --group          a group of three instead
  --dir DIR        where the data lies while it runs (the system's temporary folder)
  --json FILE      writes the results
`

const LIMITS = { readyMs: 1000, residentMiB: 130, coreShare: 0.01 }
const SETTLE_MS = 10_000
const TOPIC = 'idle'
const GROUP = 'waiting'
const QUEUES = 8
const PULL_WAIT_MS = 15_000
const HEARTBEAT_MS = 30_000
const ROUTE_MS = 30_000
const MEMBERS_MS = 20_000

export async function startSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      starts: { type: 'string', default: '10' },
      consumers: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '60' },
      group: { type: 'boolean', default: false },
      dir: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  const [starts, consumers, seconds] = [values.starts, values.consumers, values.seconds].map(Number) as [number, number, number]
  const machine = describeMachine()
  printMachine(machine)
  if (values.group) {
    const figures = await inScratchFolder(values.dir, (folder) => measureIdleGroup(folder, seconds))
    if (!tellIdleGroup(figures, seconds)) process.exitCode = 1
    if (values.json !== undefined) await writeFile(values.json, JSON.stringify({ machine, figures }, null, 1) + '\n')
    return
  }
  await inScratchFolder(values.dir, async (folder) => {
    const readyMs: number[] = []
    const residentMiB: number[] = []
    for (let start = 0; start < starts; start++) {
      progress(`start ${start + 1} of ${starts}`)
      await using server = await StartedServer.start(join(folder, `start${start}`))
      readyMs.push(server.readyMs)
      residentMiB.push(processUse(server.pid).residentMiB)
    }
    progress(`idle with ${consumers} consumers`)
    await using server = await StartedServer.start(join(folder, 'idle'))
    await using crowd = await Crowd.gather(server.ports, consumers)
    await sleep(SETTLE_MS)
    const before = processUse(server.pid)
    await sleep(seconds * 1000)
    const after = processUse(server.pid)
    endProgress()
    const figures = {
      readyMs: Math.round(median(readyMs)),
      residentMiB: Math.round(median(residentMiB)),
      idleResidentMiB: Math.round(after.residentMiB),
      idleCoreShare: (after.cpuSeconds - before.cpuSeconds) / seconds
    }
    console.log(formatTable(['ledgermq start', 'measured', 'range', 'at most'], [
      ['both ports answer after, ms', figures.readyMs, range(readyMs), LIMITS.readyMs],
      ['resident then, MiB', figures.residentMiB, range(residentMiB), LIMITS.residentMiB],
      [`resident with ${consumers} consumers waiting, MiB`, figures.idleResidentMiB, undefined, LIMITS.residentMiB],
      [`of a core over ${seconds} s with them, %`, (figures.idleCoreShare * 100).toFixed(2), undefined, LIMITS.coreShare * 100]
    ]))
    if (crowd.failures > 0) throw new Error(`${crowd.failures} requests of waiting consumers failed`)
    if (figures.readyMs > LIMITS.readyMs || figures.idleResidentMiB > LIMITS.residentMiB || figures.idleCoreShare > LIMITS.coreShare) process.exitCode = 1
    if (values.json !== undefined) await writeFile(values.json, JSON.stringify({ machine, figures }, null, 1) + '\n')
  })
}

function range (values: readonly number[]): string {
  return `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`
}

/** The built command as a process of its own, on ports that were free. */
class StartedServer implements AsyncDisposable {
  readonly #stop: () => Promise<void>
  readonly ports: Ports
  readonly pid: number
  /** From the start of the process until both ports had answered. */
  readonly readyMs: number

  private constructor (ports: Ports, pid: number, readyMs: number, stop: () => Promise<void>) {
    this.ports = ports
    this.pid = pid
    this.readyMs = readyMs
    this.#stop = stop
  }

  static async start (folder: string): Promise<StartedServer> {
    await mkdir(folder)
    const ports = await freePorts()
    const [broker, namesrv] = [await writeProperties(join(folder, 'broker.conf'), { listenPort: ports.broker }), await writeProperties(join(folder, 'namesrv.conf'), { listenPort: ports.namesrv })]
    await using client = newClient()
    const startMs = performance.now()
    const child = spawn(process.execPath, [join(repositoryRoot, 'dist', 'cli', 'main.js'), 'start', '--data', join(folder, 'data'), '-c', broker, '--namesrv-conf', namesrv], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => { said = (said + text).slice(-4096) })
    const kill = (): void => { child.kill('SIGKILL') }
    process.prependOnceListener('exit', kill)
    const ended = once(child, 'close').finally(() => { process.off('exit', kill) })
    const answers = [[ports.namesrv, RequestCode.GET_BROKER_CLUSTER_INFO], [ports.broker, RequestCode.GET_BROKER_RUNTIME_INFO]].map(async ([port, code]) => {
      while (child.exitCode === null && !await client.invoke(`127.0.0.1:${port}`, { code: code! }).then(() => true, () => false)) await sleep(2)
    })
    await Promise.all(answers)
    const readyMs = performance.now() - startMs
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${said}`)
    return new StartedServer(ports, child.pid!, readyMs, async () => { child.kill('SIGTERM'); await ended })
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.#stop() }
}

function newClient (): RemotingClient {
  return new RemotingClient({ clock: new NodeClock(), network: new NodeSockets() })
}

/** Members of one group that wait for messages of one topic. */
class Crowd implements AsyncDisposable {
  readonly #clients: RemotingClient[] = []
  #timers: NodeJS.Timeout[] = []
  #isLeaving = false
  failures = 0

  static async gather ({ namesrv, broker }: Ports, count: number): Promise<Crowd> {
    const crowd = new Crowd()
    const [nameServer, address] = [`127.0.0.1:${namesrv}`, `127.0.0.1:${broker}`]
    for (let member = 0; member < count; member++) {
      const client = newClient()
      crowd.#clients.push(client)
      if (member === 0) await client.invoke(address, { code: RequestCode.UPDATE_AND_CREATE_TOPIC, extFields: { topic: TOPIC, defaultTopic: 'TBW102', readQueueNums: QUEUES, writeQueueNums: QUEUES, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false } })
      const ask = async (to: string, code: number, extFields = {}, body?: Uint8Array): Promise<void> => {
        try {
          await client.invoke(to, { code, extFields, body }, { timeoutMs: 2 * PULL_WAIT_MS })
        } catch {
          if (!crowd.#isLeaving) crowd.failures++
        }
      }
      const subscription = { topic: TOPIC, subString: '*', subVersion: 1, expressionType: 'TAG', classFilterMode: false, tagsSet: [], codeSet: [] }
      const heartbeat = Buffer.from(JSON.stringify({ clientID: `member${member}`, producerDataSet: [], consumerDataSet: [{ groupName: GROUP, consumeType: 'CONSUME_PASSIVELY', messageModel: 'CLUSTERING', consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET', unitMode: false, subscriptionDataSet: [subscription] }] }))
      const beat = (): Promise<void> => ask(address, RequestCode.HEART_BEAT, {}, heartbeat)
      await beat()
      crowd.#every(HEARTBEAT_MS, beat)
      crowd.#every(ROUTE_MS, () => ask(nameServer, RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: TOPIC }))
      crowd.#every(MEMBERS_MS, () => ask(address, RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: GROUP }))
      const wait = async (): Promise<void> => {
        const pull = { consumerGroup: GROUP, topic: TOPIC, queueId: member % QUEUES, queueOffset: 0, maxMsgNums: 32, sysFlag: PullSysFlag.subscription | PullSysFlag.suspend, commitOffset: 0, suspendTimeoutMillis: PULL_WAIT_MS, subscription: '*', subVersion: 1 }
        while (!crowd.#isLeaving) await ask(address, RequestCode.PULL_MESSAGE, pull)
      }
      wait().catch(() => {})
    }
    return crowd
  }

  #every (ms: number, ask: () => Promise<void>): void {
    this.#timers.push(setInterval(() => { ask().catch(() => {}) }, ms))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    this.#isLeaving = true
    for (const timer of this.#timers) clearInterval(timer)
    await Promise.all(this.#clients.map((client) => client.close()))
  }
}
