import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

/** One that ends sooner was not able to run. */
const LEAST_LIFE_MS = 5000
const RESTART_AFTER_MS = 3000
const STOP_LIMIT_MS = 20_000

/** A node of a local group: a process of its own, started again when it ends by itself. What it prints goes into `broker.log`. */
export class LocalNode {
  readonly id: string
  readonly address: string
  readonly folder: string
  #child: ChildProcess | undefined
  #closed: Promise<void> = Promise.resolve()
  #startedAtMs = 0
  #ended: string | undefined
  #timer: NodeJS.Timeout | undefined
  #isStopping = false

  constructor (id: string, address: string, folder: string) {
    this.id = id
    this.address = address
    this.folder = folder
  }

  get pid (): number | undefined { return this.#ended === undefined ? this.#child?.pid : undefined }
  /** How its process ended; undefined: it runs. */
  get ended (): string | undefined { return this.#ended }
  get configFile (): string { return join(this.folder, 'broker.conf') }
  get logFile (): string { return join(this.folder, 'broker.log') }

  start (): void {
    const log = openSync(this.logFile, 'a')
    const child = this.#child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, 'broker', '-c', this.configFile], { stdio: ['ignore', log, log] })
    closeSync(log)
    this.#ended = undefined
    this.#startedAtMs = performance.now()
    this.#closed = new Promise((resolve) => {
      child.once('error', (error) => { this.#ended = error.message; resolve() })
      child.once('exit', (status, signal) => {
        this.#ended = `ended with ${signal ?? `status ${status}`}`
        // who ends it in order wants it started anew
        const inOrder = status === 0
        if (!this.#isStopping && (inOrder || performance.now() - this.#startedAtMs >= LEAST_LIFE_MS)) this.#timer = setTimeout(() => { this.start() }, inOrder ? 0 : RESTART_AFTER_MS)
        resolve()
      })
    })
  }

  /** SIGTERM, and SIGKILL when that is not enough. Never rejects. */
  async stop (): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#timer)
    if (this.#ended !== undefined) return
    this.#child?.kill('SIGTERM')
    const timer = setTimeout(() => { this.#child?.kill('SIGKILL') }, STOP_LIMIT_MS)
    await this.#closed
    clearTimeout(timer)
  }
}
