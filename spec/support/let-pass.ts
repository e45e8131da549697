import type { VirtualClock } from './virtual-clock.ts'

/** Lets virtual time pass until `condition` holds. */
export async function untilOn (clock: VirtualClock, condition: () => boolean, maxMs = 120_000): Promise<void> {
  if (!await clock.runUntil(condition, { maxMs })) throw new Error(`still waiting after ${maxMs} ms: ${condition}`)
}

/** Lets virtual time pass until the promise has settled. */
export async function settledOn<T> (clock: VirtualClock, promise: Promise<T>, maxMs = 120_000): Promise<T> {
  let done = false
  promise.then(() => { done = true }, () => { done = true })
  await clock.runUntil(() => done, { maxMs })
  if (!done) throw new Error(`still waiting after ${maxMs} ms`)
  return await promise
}
