import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repositoryRoot } from './child.ts'

const TICKS_PER_SECOND = 100
const READY = /^ *broker +(?:\S*:)(\d+),/m

/** Processor time since the start of a process, and its largest memory so far. Zeros where the system has no /proc. */
export interface Usage {
  readonly cpuMs: number
  readonly peakMiB: number
}

export function usageOf (pid: number): Usage {
  const folder = `/proc/${pid}`
  if (!existsSync(`${folder}/stat`)) return { cpuMs: 0, peakMiB: 0 }
  // what follows the name, which may hold anything
  const fields = readFileSync(`${folder}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  const peakKiB = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1] ?? 0)
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * 1000 / TICKS_PER_SECOND, peakMiB: peakKiB / 1024 }
}

/** A broker of the built package as a process of its own, on a port that the system chooses, killed when this process ends. */
export class BrokerServer {
  readonly port: number
  readonly #child: ChildProcess

  private constructor (child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  /** Data and configuration lie in `folder`; `settings` are lines of the configuration. */
  static async start (folder: string, settings: readonly string[], nodeArguments: readonly string[] = []): Promise<BrokerServer> {
    const config = join(folder, 'broker.conf')
    await writeFile(config, ['listenPort=0', 'brokerName=bench-broker', ...settings, ''].join('\n'))
    const main = join(repositoryRoot, 'dist', 'cli', 'main.js')
    const child = spawn(process.execPath, [...nodeArguments, main, 'broker', '-c', config, '--data', join(folder, 'data')], {
      cwd: repositoryRoot, env: { ...process.env, NAMESRV_ADDR: '' }, stdio: ['ignore', 'pipe', 'pipe']
    })
    process.prependOnceListener('exit', () => { child.kill('SIGKILL') })
    let said = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => { said = (said + text).slice(-4096) })
    let told = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => { told += text })
    const ended = once(child, 'close').then(() => { throw new Error(`the broker ended: ${said}`) })
    while (!told.includes('\nready after')) await Promise.race([once(child.stdout!, 'data'), ended])
    ended.catch(() => {})
    return new BrokerServer(child, Number(READY.exec(told)![1]))
  }

  usage (): Usage { return usageOf(this.#child.pid!) }

  /** As an operator does it. */
  async stop (): Promise<void> {
    this.#child.kill('SIGTERM')
    await once(this.#child, 'close')
  }
}
