import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../rules/sources.ts'
import { childProgram } from '../support/child-program.ts'

/** How the command is started: as users have it, after a build, or from its source. */
export const programs = {
  built: [join(root, 'dist', 'cli', 'main.js')],
  source: childProgram('lib/cli/main.ts'),
  /** Forgets what it did not sync when it is killed. */
  forgetful: childProgram('spec/chaos/power-node.ts')
} as const
export type Program = keyof typeof programs

const KEPT_OUTPUT = 64 * 1024
const KEPT_WARNINGS = 200
const STOP_LIMIT_MS = 20_000

/** The command `ledgermq` as a process; it ends with this one. */
export class ServerProcess {
  readonly #child: ChildProcess
  readonly #closed: Promise<void>
  #output = ''
  #rest = ''
  #isReady = false
  /** Its warnings and errors, the last of them. */
  readonly warnings: string[] = []
  #exit: string | undefined

  constructor (program: Program, args: readonly string[], folder: string) {
    const child = this.#child = spawn(process.execPath, [...programs[program], ...args], {
      cwd: folder, env: { ...process.env, NODE_OPTIONS: '', NAMESRV_ADDR: '' }, stdio: ['ignore', 'pipe', 'pipe']
    })
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => { this.#take(text) })
    const killNow = (): void => { child.kill('SIGKILL') }
    process.prependOnceListener('exit', killNow)
    this.#closed = new Promise((resolve) => child.once('close', (status, signal) => {
      process.off('exit', killNow)
      this.#exit = String(signal ?? status)
      resolve()
    }))
  }

  #take (text: string): void {
    this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    // what is kept of the output ends with what came last
    this.#isReady ||= lines.some((line) => line.startsWith('ready after'))
    this.warnings.push(...lines.filter((line) => / (?:WARN|ERROR) |^ledgermq: /.test(line)))
    if (this.warnings.length > KEPT_WARNINGS) this.warnings.splice(0, this.warnings.length - KEPT_WARNINGS)
  }

  get pid (): number { return this.#child.pid! }
  /** The end of what it printed. */
  get output (): string { return this.#output }
  /** Status or signal that it ended with; undefined: it runs. */
  get exit (): string | undefined { return this.#exit }
  get isReady (): boolean { return this.#isReady }

  /** SIGKILL: nothing is flushed, nothing said. */
  async kill (): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  /** As an operator ends it. @throws Error it does not end in time, or with a failure */
  async stop (): Promise<void> {
    if (this.#exit !== undefined) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => { this.#child.kill('SIGKILL') }, STOP_LIMIT_MS)
    await this.#closed
    clearTimeout(timer)
    if (this.#exit !== '0') throw new Error(`process ${this.pid} ended with ${this.#exit} after SIGTERM: ${this.#output}`)
  }

  /** It stands still, with its sockets open, as a machine that hangs. */
  suspend (): void { this.#child.kill('SIGSTOP') }
  resume (): void { this.#child.kill('SIGCONT') }
}
