import type { Keep } from '../support/faults.ts'
import type { SeededRandom } from '../support/seeded-random.ts'

/** What one seed's world is like. Each is drawn by itself, so that seeds differ in kind and not only in luck (swarm testing). */
export interface Parameters {
  readonly nodeCount: number
  /** Virtual time under faults. */
  readonly faultyMs: number
  // network
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly lossRate: number
  readonly duplicateRate: number
  /** Share of messages that are very late, so that others overtake them. */
  readonly straggleRate: number
  readonly straggleMs: number
  readonly partitionEveryMs: number
  readonly partitionMs: number
  readonly oneWayPartitions: boolean
  // disk
  readonly minDiskMs: number
  readonly maxDiskMs: number
  readonly slowDiskRate: number
  readonly slowDiskMs: number
  readonly diskErrorEveryMs: number
  readonly alignBytes: number
  // machine
  readonly crashEveryMs: number
  readonly crashMs: number
  readonly powerCuts: boolean
  /** ASYNC_FLUSH, unless there are power cuts: where only processes die, nothing may be lost either. */
  readonly asyncFlush: boolean
  readonly keeps: readonly Keep[]
  readonly pauseEveryMs: number
  readonly pauseMs: number
  /** Clocks run up to this share too fast or too slow. */
  readonly clockDrift: number
  // work
  readonly proposeEveryMs: number
  readonly burst: number
  readonly payloadBytes: number
  readonly readEveryMs: number
  readonly transferEveryMs: number
  readonly membershipEveryMs: number
  readonly checkpointEntries: number
  readonly segmentBytes: number
  readonly tailCacheBytes: number
  readonly maxEntryBytes: number
  readonly stateMachine: 'counter' | 'store'
  /** The head of the log goes, also while nodes are away that need it. */
  readonly retention: boolean
  readonly chunkBytes: number
}

const never = Infinity

export function drawParameters (random: SeededRandom): Parameters {
  const some = (rate: number, value: () => number) => random.chance(rate) ? value() : never
  const between = (low: number, high: number) => low + random.next() * (high - low)
  const nodeCount = random.pick([1, 3, 3, 3, 3, 3, 3, 5])
  return {
    nodeCount,
    faultyMs: between(6_000, 14_000),
    minDelayMs: between(0, 2),
    maxDelayMs: between(2, random.chance(0.2) ? 120 : 15),
    lossRate: random.chance(0.5) ? between(0, 0.1) : 0,
    duplicateRate: random.chance(0.5) ? between(0, 0.1) : 0,
    straggleRate: random.chance(0.5) ? between(0, 0.03) : 0,
    straggleMs: between(100, 3_000),
    partitionEveryMs: some(0.6, () => between(800, 4_000)),
    partitionMs: between(200, 2_500),
    oneWayPartitions: random.chance(0.4),
    minDiskMs: between(0, 0.5),
    maxDiskMs: between(0.5, random.chance(0.2) ? 30 : 3),
    slowDiskRate: random.chance(0.3) ? between(0, 0.02) : 0,
    slowDiskMs: between(50, 800),
    alignBytes: random.pick([1, 512, 4096]),
    diskErrorEveryMs: some(0.25, () => between(2_000, 8_000)),
    crashEveryMs: some(0.8, () => between(400, 3_000)),
    crashMs: between(50, 1_500),
    powerCuts: random.chance(0.75),
    asyncFlush: random.chance(0.5),
    keeps: random.pick<readonly Keep[]>([['none'], ['random'], ['reorder'], ['none', 'all', 'random', 'reorder']]),
    pauseEveryMs: some(0.3, () => between(1_000, 5_000)),
    pauseMs: between(100, 1_500),
    clockDrift: random.chance(0.4) ? between(0, 0.2) : 0,
    proposeEveryMs: between(5, 60),
    burst: random.pick([1, 1, 3, 10]),
    payloadBytes: random.pick([0, 50, 400, 3_000]),
    readEveryMs: between(50, 400),
    transferEveryMs: nodeCount > 1 ? some(0.3, () => between(500, 3_000)) : never,
    membershipEveryMs: nodeCount > 1 ? some(0.25, () => between(500, 2_500)) : never,
    checkpointEntries: random.pick([3, 20, 100, 10_000]),
    segmentBytes: random.pick([4, 16, 64]) * 1024,
    tailCacheBytes: random.pick([4, 32, 1024]) * 1024,
    maxEntryBytes: random.pick([512, 4096, 65_536]),
    stateMachine: random.pick(['counter', 'store']),
    retention: random.chance(0.6),
    chunkBytes: random.pick([500, 4_000, 64_000])
  }
}

/** The same seed's world without faults: for the time after everything has healed. */
export function withoutFaults (parameters: Parameters): Parameters {
  return {
    ...parameters,
    maxDelayMs: Math.min(parameters.maxDelayMs, 15),
    lossRate: 0,
    duplicateRate: 0,
    straggleRate: 0,
    slowDiskRate: 0,
    maxDiskMs: Math.min(parameters.maxDiskMs, 3)
  }
}
