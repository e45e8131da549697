import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface DriverOptions {
  readonly classpath: string
  /** Where the name server answers, `host:port`. */
  readonly namesrv: string
  /** Where the clients keep their logs and their offsets of broadcasts: as if it were the home of a user. */
  readonly home: string
  /** System properties of the client. */
  readonly properties?: Readonly<Record<string, string | number>>
  /** For figures: with the compiler that takes its time, and more memory. */
  readonly isMeasured?: boolean
}

/**
 * The route of a new group's retry topic comes after the first sharing out of queues; the client takes it up at the next one, by
 * default 20 s later.
 */
const REBALANCE_EVERY_MS = 5000

/** What a snippet threw in Java. */
export class JavaError extends Error {
  readonly type: string
  readonly code: number | null

  constructor ({ type, code, message, where }: { type: string, code: number | null, message: string, where: string }) {
    super(`${type}: ${message}\n${where}`)
    this.type = type
    this.code = code
  }
}

/** Options every JVM here runs with: quick to start and small unless it is measured, and with nothing outside its folder. */
export function javaOptions (home: string, { heapMiB = 384, isMeasured = false }: { heapMiB?: number, isMeasured?: boolean } = {}): string[] {
  // Apache's benchmark uses the binary headers
  const pace = isMeasured ? ['-XX:+UseG1GC', '-Drocketmq.serialize.type=ROCKETMQ'] : ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
  return [`-Xmx${heapMiB}m`, ...pace, `-Duser.home=${home}`, `-Drocketmq.home.dir=${home}`,
    `-Drocketmq.client.logRoot=${home}/logs`, '-Dio.netty.noUnsafe=false', '--add-opens=java.base/java.nio=ALL-UNNAMED',
    '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED', '--add-opens=java.base/java.lang=ALL-UNNAMED', '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED']
}

/** One JVM with Apache's client in it. Calls run at the same time; each resolves with what the snippet answered. */
export class JavaDriver {
  readonly namesrv: string
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>()
  readonly #ended: Promise<void>
  #lastId = 0
  #errors = ''

  constructor ({ classpath, namesrv, home, properties = {}, isMeasured = false }: DriverOptions) {
    this.namesrv = namesrv
    const settings = Object.entries({ 'rocketmq.client.rebalance.waitInterval': REBALANCE_EVERY_MS, ...properties }).map(([name, value]) => `-D${name}=${value}`)
    this.#child = spawn('java', [...javaOptions(home, { isMeasured }), ...settings, '-cp', classpath, 'interop.Driver', namesrv], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.#errors = (this.#errors + text).slice(-4000) })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#take(line))
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`the JVM ended with ${code}: ${this.#errors}`))
        this.#waiting.clear()
        resolve()
      })
    })
  }

  get pid (): number {
    return this.#child.pid!
  }

  call<Value = any> (name: string, args: Readonly<Record<string, unknown>> = {}): Promise<Value> {
    const id = ++this.#lastId
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin!.write(JSON.stringify({ ...args, id, call: name }) + '\n')
    })
  }

  /** What the command printed. */
  mqadmin (...args: string[]): Promise<string> {
    return this.call('mqadmin', { args })
  }

  async close (): Promise<void> {
    this.#child.stdin!.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await this.#ended
    clearTimeout(timer)
  }

  #take (line: string): void {
    const answer = JSON.parse(line) as { id: number, value?: unknown, error?: { type: string, code: number | null, message: string, where: string } }
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.error === undefined) waiting?.resolve(answer.value)
    else waiting?.reject(new JavaError(answer.error))
  }
}
