import type { Driver, Workload } from '../harness/measure.ts'
import type { Load } from './load.ts'

/** Messages of one pull: as many, but never more than are in flight. */
const PULL_MESSAGES = 32
const FILL_INFLIGHT = 1000
const SEND_QUEUES = 8

/** Runs the rounds; `onRound` is told before and after what is measured of each. */
export interface Measure {
  readonly queues: (inflight: number) => number
  readonly run: (load: Load, workload: Workload, driver: Driver, onRound: { begin (): void, end (): void }) => Promise<void>
}

export const sending: Measure = {
  queues: () => SEND_QUEUES,
  run: async (load, { size, inflight, messages, rounds }, driver, onRound) => {
    const body = new Uint8Array(size).fill(65)
    await load.send(1, 1, body)
    for (let round = 0; round < rounds; round++) {
      onRound.begin()
      await load.send(messages, inflight, body, driver)
      onRound.end()
    }
  }
}

/** As many queues as it takes for as many messages in flight as asked for, with one pull under way per queue. */
const pullQueues = (inflight: number): number => Math.ceil(inflight / PULL_MESSAGES)

export const pulling: Measure = {
  queues: pullQueues,
  run: async (load, { size, inflight, messages, rounds }, driver, onRound) => {
    const body = new Uint8Array(size).fill(65)
    const offsets = Array.from({ length: pullQueues(inflight) }, () => 0)
    for (let round = 0; round < rounds; round++) {
      await load.send(messages, Math.min(FILL_INFLIGHT, messages), body)
      onRound.begin()
      await load.pull(messages, offsets, Math.min(PULL_MESSAGES, inflight), driver)
      onRound.end()
    }
    await load.commit(offsets)
  }
}
