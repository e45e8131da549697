import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { childProgram } from '../support/child-program.ts'
import { javaOptions } from './java-driver.ts'
import { repositoryRoot } from './java-build.ts'

const READY_LIMIT_MS = 60_000

/** A server process of one kind or the other. */
export interface Server {
  readonly namesrv: string
  readonly broker: string
  readonly pid: number
  /** What it printed so far. */
  readonly output: () => string
  /** Lets it end as an operator would. */
  readonly stop: () => Promise<void>
  /** SIGKILL: nothing is flushed, nothing said. */
  readonly kill: () => Promise<void>
}

export interface Ports {
  readonly namesrv: number
  readonly broker: number
}

/** Ports that were free a moment ago, the same for a server and the one that replaces it. */
export async function freePorts (): Promise<Ports> {
  const servers = await Promise.all([0, 0].map(() => new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => resolve(server))
  })))
  const [namesrv, broker] = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return { namesrv: namesrv!, broker: broker! }
}

export type Properties = Readonly<Record<string, string | number | boolean>>

export async function writeProperties (file: string, properties: Properties): Promise<string> {
  await writeFile(file, Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join(''))
  return file
}

const built = [join(repositoryRoot, 'dist', 'cli', 'main.js')]
const fromSource = childProgram('lib/cli/main.ts')

/** The built command `ledgermq start`: name server and broker in one process, data below `folder`. */
export function startLedgermq (folder: string, ports: Ports, properties: Properties = {}): Promise<Server> {
  return start(built, folder, ports, properties)
}

/** The same without a build: for specs that run before or without one. */
export function startLedgermqFromSource (folder: string, ports: Ports, properties: Properties = {}): Promise<Server> {
  return start(fromSource, folder, ports, properties)
}

async function start (program: readonly string[], folder: string, ports: Ports, properties: Properties): Promise<Server> {
  const broker = await writeProperties(join(folder, 'broker.conf'), { brokerName: 'broker-a', brokerIP1: '127.0.0.1', listenPort: ports.broker, ...properties })
  const namesrv = await writeProperties(join(folder, 'namesrv.conf'), { listenPort: ports.namesrv })
  const child = spawn(process.execPath, [...program, 'start', '--data', join(folder, 'data'), '-c', broker, '--namesrv-conf', namesrv], { stdio: ['ignore', 'pipe', 'pipe'] })
  return running(child, ports, [ports.namesrv, ports.broker])
}

/** Only the broker of ours, registered with another's name server. */
export async function startLedgermqBroker (folder: string, ports: Ports, properties: Properties): Promise<Server> {
  const broker = await writeProperties(join(folder, 'broker.conf'), { brokerIP1: '127.0.0.1', listenPort: ports.broker, namesrvAddr: `127.0.0.1:${ports.namesrv}`, ...properties })
  const child = spawn(process.execPath, [...built, 'broker', '--data', join(folder, 'data'), '-c', broker, '-n', `127.0.0.1:${ports.namesrv}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  return running(child, ports, [ports.broker])
}

export interface ApacheOptions {
  readonly classpath: string
  readonly folder: string
  readonly ports: Ports
  /** Which of the two to start; both unless told otherwise. */
  readonly roles?: ReadonlyArray<'namesrv' | 'broker'>
  readonly properties?: Properties
  readonly heapMiB?: number
  readonly isMeasured?: boolean
}

/** Apache's own servers of the same version as the client, in one JVM. */
export async function startApache ({ classpath, folder, ports, roles = ['namesrv', 'broker'], properties = {}, heapMiB = 768, isMeasured = false }: ApacheOptions): Promise<Server> {
  const files = {
    namesrv: await writeProperties(join(folder, 'apache-namesrv.conf'), { listenPort: ports.namesrv, rocketmqHome: folder, kvConfigPath: join(folder, 'kvConfig.json') }),
    broker: await writeProperties(join(folder, 'apache-broker.conf'), {
      brokerName: 'broker-a',
      brokerIP1: '127.0.0.1',
      listenPort: ports.broker,
      haListenPort: 0,
      namesrvAddr: `127.0.0.1:${ports.namesrv}`,
      storePathRootDir: join(folder, 'store'),
      storePathCommitLog: join(folder, 'store', 'commitlog'),
      mappedFileSizeCommitLog: 64 * 1024 * 1024,
      mappedFileSizeConsumeQueue: 300_000,
      enableControllerMode: false,
      ...properties
    })
  }
  const args = roles.flatMap((role) => [`--${role}`, files[role]])
  const child = spawn('java', [...javaOptions(folder, { heapMiB, isMeasured }), '-XX:MaxDirectMemorySize=1g', '-cp', classpath, 'interop.ApacheServers', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  return running(child, ports, roles.map((role) => ports[role]))
}

async function running (child: ChildProcess, ports: Ports, listening: readonly number[]): Promise<Server> {
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => { output = (output + text).slice(-20_000) })
  let ended = false
  const end = new Promise<void>((resolve) => child.once('close', () => { ended = true; resolve() }))
  const killNow = (): void => { child.kill('SIGKILL') }
  process.once('exit', killNow)
  const finish = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    const timer = setTimeout(killNow, 15_000)
    await end
    clearTimeout(timer)
    process.off('exit', killNow)
  }
  const deadline = performance.now() + READY_LIMIT_MS
  for (const port of listening) {
    while (!await maybeConnects(port)) {
      if (ended || performance.now() > deadline) {
        killNow()
        throw new Error(`nothing answers on port ${port}: ${output}`)
      }
    }
  }
  return { namesrv: `127.0.0.1:${ports.namesrv}`, broker: `127.0.0.1:${ports.broker}`, pid: child.pid!, output: () => output, stop: () => finish('SIGTERM'), kill: () => finish('SIGKILL') }
}

function maybeConnects (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    // a refused connection is told at once: the next look comes after a turn of the timers
    socket.once('error', () => setTimeout(() => resolve(false), 20))
  })
}
