import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { childProgram } from '../support/child-program.ts'

/** A folder of the test; unlike `testdir` it keeps what is in it. */
export function folderOf (t: Test): string {
  mkdirSync(t.testdirName, { recursive: true })
  t.teardown(() => t.testdir())
  return t.testdirName
}

export function fileWith (t: Test, name: string, text: string): string {
  const path = join(folderOf(t), name)
  writeFileSync(path, text)
  return path
}

/** What a command printed and how it ended. */
export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** The command `ledgermq` as a process; killed when the test is over. */
export class CommandChild {
  readonly #child: ChildProcess
  readonly #ended: Promise<Ended>
  #stdout = ''
  #stderr = ''

  constructor (t: Test, args: readonly string[], { cwd, env = {} }: { readonly cwd?: string, readonly env?: Record<string, string> } = {}) {
    this.#child = spawn(process.execPath, [...childProgram('lib/cli/main.ts'), ...args], {
      cwd: cwd ?? folderOf(t),
      env: { ...process.env, NODE_OPTIONS: '', NAMESRV_ADDR: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => { this.#stdout += text })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.#stderr += text })
    this.#ended = once(this.#child, 'close').then(([status, signal]) => ({ status, signal, stdout: this.#stdout, stderr: this.#stderr }))
    t.teardown(async () => {
      this.#child.kill('SIGKILL')
      await this.#ended
    })
  }

  get pid (): number { return this.#child.pid! }
  get stderr (): string { return this.#stderr }

  ended (): Promise<Ended> { return this.#ended }

  async stop (...signals: NodeJS.Signals[]): Promise<Ended> {
    for (const signal of signals) this.#child.kill(signal)
    return await this.#ended
  }

  /** What stands on stdout when the server is ready. @throws it ended before */
  async ready (): Promise<string> {
    const ended = this.#ended.then(({ stderr }) => { throw new Error(`the command ended: ${stderr}`) })
    while (!this.#stdout.includes('\nready after')) await Promise.race([once(this.#child.stdout!, 'data'), ended])
    ended.catch(() => {})
    return this.#stdout
  }

  /** The address of a line of `ready`. */
  async address (label: string): Promise<string> {
    return new RegExp(`^ *${label} +(\\S+)`, 'm').exec(await this.ready())![1]!
  }
}

/** Runs a command to its end. */
export async function ended (t: Test, ...args: string[]): Promise<Ended> {
  return await new CommandChild(t, args).ended()
}
