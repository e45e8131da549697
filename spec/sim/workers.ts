import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { simulate, type SimResult } from './simulation.ts'
import type { Job } from './worker.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

/**
 * Runs jobs in so many processes at once, in this one if it is only one, and tells of each result as it comes. Ends when there
 * are no more jobs or a result is not wanted: `onResult` returns false. Which job runs where makes no difference to its result.
 */
export async function runJobs (jobs: Iterator<Job>, workerCount: number, onResult: (result: SimResult) => boolean): Promise<void> {
  if (workerCount <= 1) {
    for (let next = jobs.next(); next.done !== true && onResult(await simulate(next.value)); next = jobs.next()) ;
    return
  }
  let isWanted = true
  const children: ChildProcess[] = []
  try {
    await Promise.all(Array.from({ length: workerCount }, () => new Promise<void>((resolve, reject) => {
      // parameters hold Infinity, which JSON has no word for
      const child = fork(WORKER, { serialization: 'advanced' })
      children.push(child)
      const give = (): void => {
        const next = isWanted ? jobs.next() : { done: true as const, value: undefined }
        if (next.done === true) resolve()
        else child.send(next.value)
      }
      child.on('message', (result: SimResult) => {
        if (isWanted && !onResult(result)) isWanted = false
        give()
      })
      child.on('exit', (code, signal) => { reject(new Error(`a worker ended with ${signal ?? code}`)) })
      give()
    })))
  } finally {
    for (const child of children) {
      child.removeAllListeners('exit')
      child.kill()
    }
  }
}
