import { spawn } from 'node:child_process'

/** What runs for longer is killed. */
const LIMIT_MS = 20 * 60_000

export interface Ended {
  /** Of both streams. */
  readonly output: string
  /** Null: it was killed. */
  readonly code: number | null
}

/** Runs node with these arguments until it ends. */
export function run (args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, TAP_TIMEOUT: String(LIMIT_MS / 1000) }
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS, killSignal: 'SIGKILL' })
    let output = ''
    const collect = (bytes: Buffer): void => { output += bytes.toString() }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', reject)
    child.on('close', (code) => { resolve({ output, code }) })
  })
}
