import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { FrameReader, type Frame } from './frames.ts'
import type { Job } from './worker.ts'

const workerProgram = fileURLToPath(new URL('worker.ts', import.meta.url))
/** Nothing heard from the worker for so long: it hangs. */
const SILENCE_MS = 60_000

export interface Life {
  kill (): void
  /** Resolves when the worker is gone and all it said was taken. */
  readonly ended: Promise<{ readonly signal: NodeJS.Signals | null, readonly exitCode: number | null }>
}

/** Starts one worker process; `onFrame` gets all it says. */
export function startLife (job: Job, onFrame: (frame: Frame) => void): Life {
  const child = spawn(process.execPath, ['--import', 'tsx', workerProgram, JSON.stringify(job)], { stdio: ['ignore', 2, 2, 'pipe'] })
  const kill = (): void => { child.kill('SIGKILL') }
  process.once('exit', kill)
  const reader = new FrameReader()
  const watchdog = setTimeout(() => {
    console.error(`the worker said nothing for ${SILENCE_MS / 1000} s; ending it`)
    kill()
  }, SILENCE_MS)
  const pipe = child.stdio[3] as Readable
  pipe.on('data', (chunk: Uint8Array) => {
    watchdog.refresh()
    for (const frame of reader.take(chunk)) onFrame(frame)
  })
  const ended = new Promise<{ signal: NodeJS.Signals | null, exitCode: number | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode, signal) => {
      clearTimeout(watchdog)
      process.off('exit', kill)
      resolve({ exitCode, signal })
    })
  })
  return { kill, ended }
}
