import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { simulate, type SimResult } from './simulation.ts'
import type { Job } from './worker.ts'

/** A world takes some seconds at most; one that has not ended by then runs in circles, and is named. */
const LIMIT_MS = 180_000
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
      let limit: NodeJS.Timeout | undefined
      const give = (): void => {
        const next = isWanted ? jobs.next() : { done: true as const, value: undefined }
        if (next.done === true) {
          resolve()
          return
        }
        const { seed } = next.value
        limit = setTimeout(() => { reject(new Error(`seed ${seed} has not ended after ${LIMIT_MS / 1000} s`)) }, LIMIT_MS).unref()
        child.send(next.value)
      }
      child.on('message', (result: SimResult) => {
        clearTimeout(limit)
        if (isWanted && !onResult(result)) isWanted = false
        give()
      })
      child.on('exit', (code, signal) => { reject(new Error(`a worker ended with ${signal ?? code}`)) })
      give()
    })))
  } finally {
    for (const child of children) {
      child.removeAllListeners('exit')
      child.kill('SIGKILL')
    }
  }
}
