import { defaultReplicaSettings } from '../../lib/replica/index.ts'
import { part, partitionKinds, type PartitionKind } from '../chaos/partitions.ts'
import type { Parameters } from './parameters.ts'
import { simulate, type Stage } from './simulation.ts'

const TICK_MS = 50
/** The shortest time without a leader after which a node looks for another; the longest is twice that. */
export const ELECTION_TIMEOUT_MS = defaultReplicaSettings.electionTicks * TICK_MS
const PARTED_MS = 12 * ELECTION_TIMEOUT_MS
const HEALED_MS = 8 * ELECTION_TIMEOUT_MS
const never = Infinity

/** Nothing goes wrong by itself. */
const QUIET: Partial<Parameters> = {
  level: 'replica',
  mode: 'safety',
  temper: 'ordinary',
  tickMs: TICK_MS,
  minDelayMs: 0.1,
  maxDelayMs: 2,
  lossRate: 0,
  duplicateRate: 0,
  straggleRate: 0,
  partitionEveryMs: never,
  minDiskMs: 0.1,
  maxDiskMs: 2,
  slowDiskRate: 0,
  diskErrorEveryMs: never,
  stuckEveryMs: never,
  fullEveryMs: never,
  capacityBytes: never,
  reserveBytes: 0,
  flipEveryMs: never,
  wipeEveryMs: never,
  loseVoteEveryMs: never,
  loseStateEveryMs: never,
  crashEveryMs: never,
  closeEveryMs: never,
  asyncFlush: false,
  pauseEveryMs: never,
  clockDrift: 0,
  clockStepEveryMs: never,
  rumourEveryMs: never,
  proposeEveryMs: 40,
  burst: 1,
  payloadBytes: 400,
  readEveryMs: 100,
  transferEveryMs: never,
  membershipEveryMs: never,
  checkpointEntries: 10_000,
  segmentBytes: 65_536,
  tailCacheBytes: 1_048_576,
  maxEntryBytes: 65_536,
  stateMachine: 'counter',
  retention: false,
  maxBytesPerAppend: 65_536,
  maxInflightAppends: 64,
  maxUndecidedEntries: 256,
  decisionTimeoutMs: 4_000,
  rebuilds: false
}

interface Round {
  readonly hasMajority: boolean
  /** The longest time without a leader who reaches a majority: while links were cut (0 where no majority was connected), and when they were healed. */
  readonly leaderlessMs: number
  readonly termsWhileCut: number
  readonly termsPerHeal: number
  readonly violation: string | undefined
}

export interface Cell {
  readonly kind: PartitionKind
  readonly nodeCount: number
  readonly rounds: readonly Round[]
}

/** Each kind of partition in groups of each size, so many times; each time in a world of its own. */
export async function partitionMatrix ({ rounds, firstSeed, nodeCounts = [3, 5], kinds = partitionKinds, onCell = () => {} }: { readonly rounds: number, readonly firstSeed: number, readonly nodeCounts?: readonly number[], readonly kinds?: readonly PartitionKind[], readonly onCell?: (cell: Cell) => void }): Promise<Cell[]> {
  const cells: Cell[] = []
  for (const nodeCount of nodeCounts) {
    for (const kind of kinds) {
      const done: Round[] = []
      for (let n = 0; n < rounds; n++) done.push(await round(kind, nodeCount, firstSeed + n))
      cells.push({ kind, nodeCount, rounds: done })
      onCell(cells.at(-1)!)
    }
  }
  return cells
}

async function round (kind: PartitionKind, nodeCount: number, seed: number): Promise<Round> {
  let measured: Omit<Round, 'violation'> = { hasMajority: false, leaderlessMs: Infinity, termsWhileCut: 0, termsPerHeal: 0 }
  const { violation } = await simulate({ seed, parameters: { ...QUIET, nodeCount }, scene: async (stage) => { measured = await measure(kind, stage) } })
  return { ...measured, violation: violation && `seed ${seed}: ${violation.message}` }
}

async function measure (kind: PartitionKind, { world: { clock, network, random, ledger }, nodes, runUntil }: Stage): Promise<Omit<Round, 'violation'>> {
  const reachesMajority = (number: number): boolean => nodes.filter(({ number: other }) => other === number || !(network.isCut(number, other) || network.isCut(other, number))).length * 2 > nodes.length
  const leader = (): number | undefined => nodes.find(({ isLeading, number }) => isLeading && reachesMajority(number))?.number
  const term = (): number => Math.max(...nodes.map(({ replica }) => replica?.status().term ?? 0))
  const longestWithout = async (ms: number): Promise<number> => {
    let sinceMs: number | undefined
    let longestMs = 0
    const look = (): boolean => {
      if (leader() === undefined) sinceMs ??= clock.nowMs()
      else if (sinceMs !== undefined) sinceMs = undefined
      if (sinceMs !== undefined) longestMs = Math.max(longestMs, clock.nowMs() - sinceMs)
      return false
    }
    await runUntil(look, clock.nowMs() + ms)
    return longestMs
  }
  await runUntil(() => leader() !== undefined && ledger.decided.length > 5, 20_000)
  await runUntil(() => false, clock.nowMs() + (1 + random.next()) * ELECTION_TIMEOUT_MS)
  const before = term()
  const partition = part(kind, network, {
    count: nodes.length,
    leader: leader()!,
    random,
    later: (fn, ms) => {
      const timer = clock.setTimer(ms, fn)
      return () => { timer.cancel() }
    }
  })
  const { hasMajority } = partition
  const cutMs = await longestWithout(PARTED_MS)
  partition.stop()
  network.heal()
  const atHeal = term()
  const healedMs = await longestWithout(HEALED_MS)
  return { hasMajority, leaderlessMs: Math.max(hasMajority ? cutMs : 0, healedMs), termsWhileCut: atHeal - before, termsPerHeal: term() - atHeal }
}

/** What the rounds of a cell came to; `problems` is empty when all is as it should be. */
export function summaryOf ({ kind, nodeCount, rounds }: Cell): { readonly text: string, readonly problems: readonly string[], readonly figures: object } {
  const spread = (values: readonly number[]): { median: number, worst: number } => {
    const sorted = [...values].sort((a, b) => a - b)
    return { median: round2(sorted[sorted.length >> 1]!), worst: round2(sorted.at(-1)!) }
  }
  const timeouts = spread(rounds.map(({ leaderlessMs }) => leaderlessMs / ELECTION_TIMEOUT_MS))
  const whileCut = spread(rounds.map(({ termsWhileCut }) => termsWhileCut))
  const perHeal = spread(rounds.map(({ termsPerHeal }) => termsPerHeal))
  const majorities = rounds.filter(({ hasMajority }) => hasMajority).length
  const problems = rounds.flatMap(({ violation }) => violation ?? [])
  if (timeouts.worst > 3) problems.push(`${kind}, ${nodeCount} nodes: ${timeouts.worst} election time-outs without a leader`)
  if (perHeal.worst > 1) problems.push(`${kind}, ${nodeCount} nodes: ${perHeal.worst} new terms after links were healed`)
  return {
    text: `${kind.padEnd(9)} ${nodeCount} nodes, ${rounds.length} times (a majority connected: ${majorities}): without a leader ${timeouts.median}, at most ${timeouts.worst} election time-outs; new terms while cut ${whileCut.median}, at most ${whileCut.worst}; when healed ${perHeal.median}, at most ${perHeal.worst}`,
    problems,
    figures: { kind, nodeCount, rounds: rounds.length, electionTimeouts: timeouts, termsWhileCut: whileCut, termsPerHeal: perHeal }
  }
}

const round2 = (value: number): number => Math.round(value * 100) / 100
