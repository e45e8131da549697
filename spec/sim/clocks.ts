import { calmed, drawParameters } from './parameters.ts'
import type { Job } from './worker.ts'

/** Worlds in which nothing is wrong but clocks, and those as much as they may be: up to 10 % fast or slow, wall clocks jump by up to an hour, forth and back. */
export function * clockWorlds (firstSeed: number, count: number): Generator<Job> {
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const nodeCount = seed % 3 === 0 ? 5 : 3
    yield { seed, parameters: { ...calmed({ ...drawParameters(seed), mode: 'calm' }), nodeCount, clockDrift: 0.1, clockStepMs: 3_600_000, asyncFlush: false, reserveBytes: 0 } }
  }
}
