import { MqError } from './errors.ts'
import type { Clock } from './ports.ts'

/** Resolves after that time. @throws MQ_ABORTED the signal fired */
export function wait (clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer.cancel()
      reject(new MqError('MQ_ABORTED', 'the caller aborted', { cause: signal!.reason }))
    }
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** What comes of it within that time; undefined: nothing yet. Rejects as it does. */
export async function within<T> (clock: Clock, limitMs: number, result: Promise<T>): Promise<T | undefined> {
  const abort = new AbortController()
  try {
    return await Promise.race([result, wait(clock, limitMs, abort.signal).then(() => undefined, () => undefined)])
  } finally {
    abort.abort()
  }
}

/** Others get their turn of the event loop. */
export function turn (clock: Clock): Promise<void> { return new Promise((resolve) => { clock.defer(resolve) }) }
