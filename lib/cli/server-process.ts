import { constants } from 'node:os'
import { holdProcess } from '../adapters/index.ts'
import { isMqError, type Logger } from '../base/index.ts'
import { letHeapGrow } from './heap-growth.ts'

/** A server within this process. */
export interface Part {
  close (): Promise<void>
}

export interface ServerProcess {
  /** Fires when the process is to stop. */
  readonly signal: AbortSignal
  /** Parts are closed in the opposite order. */
  add (part: Part): void
  /** Ends the process, its parts closed, with a status that says so. */
  fail (error: Error): void
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Starts servers and runs them until SIGTERM or SIGINT, or until one of them fails; then closes them. A second signal ends the
 * process at once. Resolves to the exit status.
 * @throws what `start` throws, with what it had started closed again
 */
export async function runServers (logger: Logger, start: (running: ServerProcess) => Promise<void>): Promise<number> {
  const hold = holdProcess()
  letHeapGrow()
  const parts: Part[] = []
  const stopping = new AbortController()
  const { signal } = stopping
  let failure: Error | undefined
  const onSignal = (name: typeof SIGNALS[number]): void => {
    if (signal.aborted) process.exit(128 + constants.signals[name])
    logger.info('stopping; a second signal ends the process at once', { signal: name })
    stopping.abort()
  }
  const stopped = new Promise<void>((resolve) => { signal.addEventListener('abort', () => resolve(), { once: true }) })
  for (const name of SIGNALS) process.on(name, onSignal)
  try {
    await start({
      signal,
      add: (part) => { parts.push(part) },
      fail: (error) => {
        if (signal.aborted) return
        failure = error
        logger.error('stopping after a failure', { error })
        stopping.abort()
      }
    })
    await stopped
  } catch (error) {
    if (!(signal.aborted && isMqError(error, 'MQ_ABORTED'))) throw error
  } finally {
    for (const part of parts.reverse()) await part.close()
    hold.cancel()
  }
  if (failure !== undefined) return 1
  logger.info('stopped')
  return 0
}
