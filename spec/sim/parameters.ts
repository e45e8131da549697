import type { ReplicaSettings } from '../../lib/replica/index.ts'
import type { Keep } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { KINDS, type Kind } from './kind-work.ts'

/** What one seed's world is like. Each is drawn by itself, so that seeds differ in kind and not only in luck (swarm testing). */
export interface Parameters {
  /** `replica`: replica, log and store alone, so that much happens in few steps. `member`: whole nodes of a group. */
  readonly level: 'replica' | 'member'
  readonly nodeCount: number
  /**
   * `safety`: at the end everything works again, and all must become one. `liveness`: only a majority does, the others never
   * come back. `calm`: nothing fails but clocks, and a disk that stands still, so that nothing but that disk may cost a leader its place.
   */
  readonly mode: 'safety' | 'liveness' | 'calm'
  /**
   * `restless`: nodes crash often and are back at once, to be asked for another vote in the same term. `torn`: they live, and
   * one after the other is cut off, leaders first, while disks are slow, so that terms change in the midst of writes and tails
   * of several terms meet. `rivals`: whoever leads is cut off once it has done something, and comes back, with what it was
   * asked for meanwhile, in the instant in which its successor goes. All of these elect soon.
   */
  readonly temper: 'ordinary' | 'restless' | 'torn' | 'rivals'
  readonly tickMs: number
  /** Virtual time under faults, and how many steps it takes at most. */
  readonly faultyMs: number
  readonly maxSteps: number
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
  /** A disk that fails fails so many times in a row. */
  readonly diskErrorTimes: number
  /** A disk does nothing for a while, or everything much slower. */
  readonly stuckEveryMs: number
  readonly stuckMs: number
  readonly alignBytes: number
  /** A stranger's file takes all room of a disk but for a little, and goes again. */
  readonly fullEveryMs: number
  readonly fullMs: number
  /** All that a disk holds: log and state come to that end by themselves. */
  readonly capacityBytes: number
  /** What sends leave of it; 0: nobody looks. */
  readonly reserveBytes: number
  // what is lost, of a minority that is always the same
  readonly flipEveryMs: number
  /** In so many of all cuts of a log a bit flips beside what is cut. */
  readonly cutFlipRate: number
  /** So many of the rivals that come back with a tail are started anew with it. */
  readonly tailKillRate: number
  readonly wipeEveryMs: number
  /** The file of term and vote goes. */
  readonly loseVoteEveryMs: number
  /** The database goes, the log stays. */
  readonly loseStateEveryMs: number
  // machine
  readonly crashEveryMs: number
  readonly crashMs: number
  /** Closed in order, and started again. */
  readonly closeEveryMs: number
  readonly powerCuts: boolean
  /** ASYNC_FLUSH: nothing may be lost as long as fewer lose their power at a time than commit something. */
  readonly asyncFlush: boolean
  readonly keeps: readonly Keep[]
  readonly pauseEveryMs: number
  readonly pauseMs: number
  /** Clocks run up to this share too fast or too slow. */
  readonly clockDrift: number
  /** Wall clocks jump by up to this. */
  readonly clockStepEveryMs: number
  readonly clockStepMs: number
  /** Some node takes another one for gone, or for back, without reason. */
  readonly rumourEveryMs: number
  // work
  /** Of whole nodes: all that they can do, or much of one thing. */
  readonly focus: Focus
  /** Done beside all else, or with focus `kinds` almost alone. */
  readonly kinds: readonly Kind[]
  /** Messages with priorities come in batches, too, and their group may take the highest first in some of its pops only. */
  readonly priorityShares: boolean
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
  readonly maxBytesPerAppend: number
  readonly maxInflightAppends: number
  readonly maxUndecidedEntries: number
  readonly maxPendingProposals: number
  readonly maxPendingBytes: number
  /** How long a proposal waits for a leader, or for its decision. */
  readonly decisionTimeoutMs: number
  /** At the end one node's state is made anew from base dump and log, and must be the same. */
  readonly rebuilds: boolean
}

export type Focus = 'everything' | 'transactions' | 'once' | 'timed' | 'names' | 'retention' | 'kinds'

const never = Infinity
/** What was thought of later is drawn from a stream of its own, so that worlds without it are what they were. */
const LATER_STREAM = 0x7A1B_55C3
const ROOM_STREAM = 0x41D8_0E6F
const CUTS_STREAM = 0x2E94_D1B7
const KINDS_STREAM = 0x31C6_0B9D
const SHARES_STREAM = 0x5F03_92E1

/** The world of a seed. */
export function drawParameters (seed: number): Parameters {
  const later = new SeededRandom(seed ^ LATER_STREAM)
  const drawn = { ...drawnFirst(new SeededRandom(seed)), diskErrorTimes: later.pick([1, 1, 2, 3]) }
  const isCalm = drawn.mode === 'calm'
  const tempered = drawn.nodeCount > 1 && !isCalm && later.chance(0.12) ? rivals(later, drawn) : drawn
  const world = drawn.level === 'replica' || isCalm ? tempered : later.chance(tempered.temper === 'rivals' ? 0.6 : 0.3) ? focused(later, tempered) : withKinds(new SeededRandom(seed ^ KINDS_STREAM), tempered)
  const room = new SeededRandom(seed ^ ROOM_STREAM)
  if (isCalm) return room.chance(0.5) ? { ...world, reserveBytes: reserveOf(world) } : world
  const roomed = room.chance(0.08) ? crowded(room, world) : room.chance(0.06) ? hurried(room, world) : world
  const cuts = new SeededRandom(seed ^ CUTS_STREAM)
  const cut = roomed.temper === 'rivals' && roomed.level === 'member' && roomed.mode === 'safety' && cuts.chance(0.6) ? rotting(cuts, roomed) : roomed
  return { ...cut, priorityShares: new SeededRandom(seed ^ SHARES_STREAM).chance(0.6) }
}

/**
 * Bad disks damage what lies beside the end of a log that they cut. Their nodes lead often, and whoever comes back with a tail was killed
 * mostly, so that it applies what is decided from its disk, while the tail goes.
 */
function rotting (random: SeededRandom, drawn: Parameters): Parameters {
  return {
    ...drawn,
    cutFlipRate: random.pick([0.5, 1]),
    tailKillRate: within(random, 0.5, 1),
    faultyMs: within(random, 8_000, 16_000),
    maxSteps: within(random, 4_000, 10_000),
    checkpointEntries: random.pick([20, 100, 10_000])
  }
}

const reserveOf = ({ segmentBytes }: Parameters): number => segmentBytes + 96 * 1024

/** More is asked for than may wait, while disks are slow. */
function hurried (random: SeededRandom, drawn: Parameters): Parameters {
  return {
    ...drawn,
    ...(drawn.level === 'replica' && tightQueues(random)),
    stateMachine: 'store',
    checkpointEntries: 3,
    payloadBytes: 3_000,
    maxEntryBytes: random.pick([512, 4096]),
    proposeEveryMs: within(random, 4, 12),
    burst: 10,
    stuckEveryMs: within(random, 400, 1_500),
    stuckMs: within(random, 200, 1_000),
    maxSteps: within(random, 1_500, 3_000)
  }
}

function tightQueues (random: SeededRandom): Pick<Parameters, 'maxPendingProposals' | 'maxPendingBytes'> {
  return { maxPendingProposals: random.pick([10, 100]), maxPendingBytes: random.pick([8, 64]) * 1024 }
}

/** Disks fill up. What else fails is rarer, so that it can be seen what nodes make of that. */
function crowded (random: SeededRandom, drawn: Parameters): Parameters {
  const reserveBytes = reserveOf(drawn)
  const isSmall = random.chance(0.4)
  const isQuiet = random.chance(0.5)
  return {
    ...drawn,
    ...(isQuiet && { temper: 'ordinary', partitionEveryMs: never, transferEveryMs: never, closeEveryMs: never, slowDiskRate: 0 }),
    reserveBytes,
    capacityBytes: isSmall ? reserveBytes + 2 * drawn.segmentBytes + Math.floor(within(random, 40, 160) * 1024) : never,
    fullEveryMs: !isSmall || random.chance(0.5) ? within(random, 1_500, 5_000) : never,
    fullMs: within(random, 2_000, 7_000),
    faultyMs: within(random, 8_000, 14_000),
    maxSteps: within(random, 2_500, 5_000),
    pauseEveryMs: isQuiet || random.chance(0.5) ? never : drawn.pauseEveryMs,
    stuckEveryMs: isQuiet || random.chance(0.5) ? never : drawn.stuckEveryMs,
    diskErrorEveryMs: isQuiet || random.chance(0.5) ? never : drawn.diskErrorEveryMs,
    crashEveryMs: isQuiet || random.chance(0.5) ? never : drawn.crashEveryMs,
    // there is time for it to be seen
    proposeEveryMs: within(random, isSmall ? 10 : 20, isSmall ? 30 : 60),
    rumourEveryMs: Math.max(drawn.rumourEveryMs, 500),
    checkpointEntries: random.pick([3, 20, drawn.checkpointEntries]),
    ...(drawn.level === 'replica' && tightQueues(random)),
    ...(isSmall && { payloadBytes: 3_000 })
  }
}

function within (random: SeededRandom, low: number, high: number): number { return low + random.next() * (high - low) }

function rivals (random: SeededRandom, drawn: Parameters): Parameters {
  return {
    ...drawn,
    temper: 'rivals',
    nodeCount: random.pick([3, 3, 5]),
    tickMs: 20,
    faultyMs: within(random, 4_000, 12_000),
    maxSteps: within(random, 3_000, 8_000),
    maxDelayMs: Math.min(drawn.maxDelayMs, 15),
    partitionEveryMs: never,
    transferEveryMs: never,
    crashEveryMs: random.chance(0.3) ? within(random, 500, 2_000) : never,
    crashMs: within(random, 20, 500),
    slowDiskRate: random.chance(0.6) ? within(random, 0, 0.1) : 0,
    slowDiskMs: within(random, 50, 800),
    stuckEveryMs: random.chance(0.4) ? within(random, 300, 1_500) : never,
    stuckMs: within(random, 100, 1_200),
    proposeEveryMs: within(random, 5, 30),
    readEveryMs: within(random, 10, 100),
    maxUndecidedEntries: random.pick([16, 256]),
    ...(drawn.retention && random.chance(0.6) && { stateMachine: 'store', segmentBytes: 4096, payloadBytes: 400, checkpointEntries: 3 })
  }
}

/**
 * Checkpoints are frequent and so are starts on them, for what they lack shows in nothing else. Where much of the log is removed,
 * little of it is in memory, and whoever lags is sent little at a time.
 */
function focused (random: SeededRandom, drawn: Parameters): Parameters {
  const focus = random.pick<Focus>(['transactions', 'transactions', 'once', 'once', 'timed', 'names', 'retention', 'retention'])
  return {
    ...drawn,
    focus,
    checkpointEntries: random.pick([3, 20]),
    crashEveryMs: drawn.temper === 'rivals' ? drawn.crashEveryMs : Math.min(drawn.crashEveryMs, within(random, 300, 1_000)),
    ...(focus === 'retention' && { retention: true, segmentBytes: 4096, tailCacheBytes: 4096, payloadBytes: 400, maxBytesPerAppend: 1_000, chunkBytes: Math.max(drawn.chunkBytes, 4_000) })
  }
}

/** Some of them beside all else, or up to three of them by themselves, in worlds as those of `focused`. */
function withKinds (random: SeededRandom, drawn: Parameters): Parameters {
  if (random.chance(0.5)) return { ...drawn, kinds: KINDS.filter(() => random.chance(0.35)) }
  return {
    ...drawn,
    focus: 'kinds',
    kinds: random.shuffle(KINDS.slice()).slice(0, random.pick([1, 2, 2, 3])),
    checkpointEntries: random.pick([3, 20]),
    crashEveryMs: drawn.temper === 'rivals' ? drawn.crashEveryMs : Math.min(drawn.crashEveryMs, within(random, 300, 1_000)),
    retention: drawn.retention && random.chance(0.3)
  }
}

function drawnFirst (random: SeededRandom): Parameters {
  const some = (rate: number, value: () => number) => random.chance(rate) ? value() : never
  const between = (low: number, high: number) => low + random.next() * (high - low)
  const level = random.pick<Parameters['level']>(['replica', 'member'])
  const temper = random.pick<Parameters['temper']>([...Array<'ordinary'>(13).fill('ordinary'), 'restless', 'restless', 'restless', 'torn', 'torn', 'torn'])
  const isOrdinary = temper === 'ordinary'
  const nodeCount = isOrdinary ? random.pick([1, 3, 3, 3, 3, 3, 3, 3, 3, 5]) : random.pick([3, 3, 5])
  const hasPeers = nodeCount > 1
  const powerCuts = random.chance(0.75)
  const mode: Parameters['mode'] = !hasPeers || random.chance(0.75) ? 'safety' : random.chance(0.8) ? 'liveness' : 'calm'
  const mayLose = level === 'member' && hasPeers && mode === 'safety'
  const drawn: Parameters = {
    level,
    nodeCount,
    mode,
    temper,
    tickMs: isOrdinary ? 50 : 20,
    faultyMs: between(2_000, 12_000),
    maxSteps: between(1_000, 4_000),
    minDelayMs: between(0, 2),
    maxDelayMs: between(2, random.chance(0.2) && isOrdinary ? 120 : 15),
    lossRate: random.chance(0.5) ? between(0, 0.1) : 0,
    duplicateRate: random.chance(0.5) ? between(0, 0.1) : 0,
    straggleRate: random.chance(0.5) ? between(0, 0.03) : 0,
    straggleMs: between(100, 3_000),
    partitionEveryMs: temper === 'restless' ? between(300, 800) : temper === 'torn' ? between(400, 1_200) : hasPeers ? some(0.6, () => between(800, 4_000)) : never,
    partitionMs: isOrdinary ? between(200, 2_500) : between(200, temper === 'torn' ? 1_500 : 700),
    oneWayPartitions: random.chance(0.4),
    minDiskMs: between(0, 0.5),
    maxDiskMs: between(0.5, random.chance(temper === 'torn' ? 0.6 : 0.2) ? 30 : 3),
    slowDiskRate: temper === 'torn' ? between(0, 0.1) : random.chance(0.3) ? between(0, 0.02) : 0,
    slowDiskMs: between(50, 800),
    diskErrorEveryMs: some(0.3, () => between(300, 4_000)),
    diskErrorTimes: 1,
    stuckEveryMs: temper === 'torn' ? between(200, 1_000) : some(0.2, () => between(1_000, 5_000)),
    stuckMs: temper === 'torn' ? between(200, 1_200) : between(100, random.chance(0.3) ? 6_000 : 800),
    alignBytes: random.pick([1, 512, 4096]),
    fullEveryMs: never,
    fullMs: 0,
    capacityBytes: never,
    reserveBytes: 0,
    flipEveryMs: mayLose ? some(0.3, () => between(500, 4_000)) : never,
    cutFlipRate: 0,
    tailKillRate: 0.3,
    wipeEveryMs: mayLose ? some(0.3, () => between(1_500, 6_000)) : never,
    loseVoteEveryMs: mayLose ? some(0.1, () => between(1_000, 4_000)) : never,
    loseStateEveryMs: some(0.15, () => between(1_000, 6_000)),
    crashEveryMs: temper === 'restless' ? between(100, 400) : temper === 'torn' ? never : some(0.8, () => between(300, 3_000)),
    crashMs: temper === 'restless' ? between(5, 60) : between(50, 1_500),
    powerCuts,
    asyncFlush: random.chance(0.35),
    keeps: random.pick<readonly Keep[]>([['none'], ['random'], ['reorder'], ['none', 'all', 'random', 'reorder']]),
    pauseEveryMs: some(0.3, () => between(1_000, 5_000)),
    pauseMs: between(100, 1_500),
    clockDrift: random.chance(0.4) ? between(0, 0.2) : 0,
    clockStepEveryMs: some(0.25, () => between(500, 4_000)),
    clockStepMs: random.pick([2_000, 60_000, 3_600_000]),
    rumourEveryMs: hasPeers ? some(0.4, () => between(20, 1_000)) : never,
    focus: 'everything',
    kinds: [],
    priorityShares: false,
    proposeEveryMs: between(5, 60),
    burst: random.pick([1, 1, 3, 10]),
    payloadBytes: random.pick([0, 50, 400, 3_000]),
    readEveryMs: between(50, 400),
    transferEveryMs: temper === 'torn' ? between(100, 500) : temper === 'restless' ? some(0.6, () => between(150, 800)) : hasPeers ? some(0.3, () => between(500, 3_000)) : never,
    membershipEveryMs: hasPeers && mode === 'safety' ? some(0.25, () => between(500, 2_500)) : never,
    checkpointEntries: random.pick([3, 20, 100, 10_000]),
    segmentBytes: random.pick([4, 16, 64]) * 1024,
    tailCacheBytes: random.pick([4, 32, 1024]) * 1024,
    maxEntryBytes: random.pick([512, 4096, 65_536]),
    stateMachine: random.pick(['counter', 'store']),
    retention: random.chance(0.6),
    chunkBytes: random.pick([500, 4_000, 64_000]),
    maxBytesPerAppend: random.pick([1_000, 8_192, 65_536]),
    maxInflightAppends: random.pick([1, 3, 64]),
    maxUndecidedEntries: random.pick([2, 16, 256]),
    maxPendingProposals: level === 'replica' ? 100_000 : 200,
    maxPendingBytes: level === 'replica' ? 2 ** 26 : 2 ** 18,
    decisionTimeoutMs: random.pick([500, 4_000]),
    rebuilds: random.chance(0.25),
    closeEveryMs: some(0.25, () => between(500, 4_000))
  }
  return mode === 'calm' ? calmed(drawn) : drawn
}

/** Of their JSON, where `null` stands for never. */
export function parametersOf (json: string): Partial<Parameters> {
  return JSON.parse(json, (_, value: unknown) => value ?? never) as Partial<Parameters>
}

/** Only clocks are wrong: they run fast or slow, and jump. */
export function calmed (parameters: Parameters): Parameters {
  return {
    ...withoutFaults(parameters),
    // rivals are cut off
    temper: parameters.temper === 'rivals' ? 'ordinary' : parameters.temper,
    partitionEveryMs: never,
    diskErrorEveryMs: never,
    stuckEveryMs: never,
    fullEveryMs: never,
    capacityBytes: never,
    flipEveryMs: never,
    cutFlipRate: 0,
    wipeEveryMs: never,
    loseVoteEveryMs: never,
    tickMs: 50,
    crashEveryMs: never,
    closeEveryMs: never,
    loseStateEveryMs: never,
    pauseEveryMs: never,
    transferEveryMs: never,
    membershipEveryMs: never,
    // one node that takes its leader for gone disturbs nobody; two at the same time are a majority of three
    rumourEveryMs: Math.max(parameters.rumourEveryMs, 1_000),
    clockStepEveryMs: 300,
    clockDrift: Math.min(parameters.clockDrift, 0.1),
    faultyMs: 6_000
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

/** Somebody's disk, vote or log is lost or damaged in this world, or somebody removed, who comes back on an empty disk. */
export function losesCopies ({ level, flipEveryMs, cutFlipRate, wipeEveryMs, loseVoteEveryMs, membershipEveryMs }: Parameters): boolean {
  return level === 'member' && (cutFlipRate > 0 || [flipEveryMs, wipeEveryMs, loseVoteEveryMs, membershipEveryMs].some((everyMs) => everyMs !== never))
}

/** Small windows, so that each of them is full now and then. */
export function replicaSettingsOf ({ tickMs, maxBytesPerAppend, maxInflightAppends, maxUndecidedEntries, maxPendingProposals, maxPendingBytes, decisionTimeoutMs }: Parameters): Partial<ReplicaSettings> {
  return {
    maxPendingProposals,
    maxPendingBytes,
    tickMs,
    maxBytesPerAppend,
    maxInflightAppends,
    maxInflightBytes: maxInflightBytesOf({ maxBytesPerAppend }),
    maxUndecidedEntries,
    applySliceBytes: APPLY_SLICE_BYTES,
    slabBytes: 32_768,
    decisionTimeoutMs,
    leaderTimeoutMs: decisionTimeoutMs
  }
}

export const APPLY_SLICE_BYTES = 16_384
export function maxInflightBytesOf ({ maxBytesPerAppend }: Pick<Parameters, 'maxBytesPerAppend'>): number { return Math.max(32_768, maxBytesPerAppend) }
/** So much of the log between two checkpoints. */
export function checkpointBytesOf ({ level, checkpointEntries }: Parameters): number { return checkpointEntries * (level === 'member' ? 500 : 300) }
