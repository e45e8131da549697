import { isMqError, loadChecksum } from '../../lib/base/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults, type Keep, type StopPoint } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

// Virtual time does not wait for what is compiled in the background.
await loadChecksum()

export const stopPoints: readonly StopPoint[] = ['before', 'middle', 'after']

/** How one stopped machine may be found again. */
export interface Outcome {
  readonly name: string
  readonly found: (machine: Machine, faults: Faults) => Machine
}

const powerCut = (keep: Keep, seed: number): Outcome => ({
  name: keep === 'none' || keep === 'all' ? `power cut, ${keep} kept` : `power cut, ${keep} kept, seed ${seed}`,
  found: (machine, faults) => machine.afterPowerCut(keep, seed, faults)
})

/** The outcomes to look at for the crash numbered `seed`: nothing kept, all kept, pieces, sectors; and a killed process. */
export function outcomesOf (seed: number): Outcome[] {
  return [
    powerCut('none', seed),
    powerCut('all', seed),
    powerCut('random', seed),
    powerCut('reorder', seed),
    powerCut('reorder', seed + 1_000_000),
    { name: `process kill, seed ${seed}`, found: (machine, faults) => machine.afterKill(seed, faults) }
  ]
}

interface MachineOptions {
  readonly faults?: Faults
  /** 1: its disk has no writes through that are better than others. */
  readonly alignBytes?: number
  readonly lies?: ReadonlyArray<'sync' | 'syncDirectory' | 'batch'>
  readonly from?: { readonly disk: (schedule: Schedule) => FaultyDisk, readonly kv: (schedule: Schedule) => FaultyKv, readonly wallMs: number }
}

/** One computer for one life of its process: clock, disk and database under one plan of faults. */
export class Machine {
  readonly faults: Faults
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly disk: FaultyDisk
  readonly kv: FaultyKv

  /** `lies`: what this machine's devices answer and do not do. */
  constructor (seed: number, { faults = new Faults(), alignBytes = 512, lies = [], from }: MachineOptions = {}) {
    this.faults = faults
    this.random = new SeededRandom(seed)
    this.clock = new VirtualClock({ deferred: 'stepped', ...(from === undefined ? {} : { wallMs: from.wallMs + 1000 }) })
    const schedule: Schedule = (fn) => { this.clock.setTimer(0.05 + this.random.next() * 0.4, fn) }
    this.disk = from === undefined ? new FaultyDisk({ faults, schedule, alignBytes, lies: lies.filter((lie) => lie !== 'batch') }) : from.disk(schedule)
    this.kv = from === undefined ? new FaultyKv({ faults, schedule, lies: lies.includes('batch') }) : from.kv(schedule)
  }

  /** Runs virtual time until the work is done or the machine has stopped; the result, or undefined when it stopped. */
  async run<T> (work: Promise<T>): Promise<{ readonly value: T } | undefined> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined
    work.then((value) => { outcome = { value } }, (error) => { outcome = { error } })
    const went = await this.clock.runUntil(() => outcome !== undefined || this.faults.stopped, { maxMs: 600_000 })
    if (this.faults.stopped) return undefined
    if (outcome === undefined) throw new Error(went ? 'not done' : 'the work waits for something that never comes')
    if ('error' in outcome) throw outcome.error
    return outcome
  }

  afterPowerCut (keep: Keep, seed: number, faults = new Faults()): Machine {
    const random = new SeededRandom(seed)
    return this.#successor(seed, faults, (schedule) => this.disk.powerCut({ keep, random, faults, schedule }), (schedule) => this.kv.powerCut({ keep, random, faults, schedule }))
  }

  afterKill (seed: number, faults = new Faults()): Machine {
    const random = new SeededRandom(seed)
    return this.#successor(seed, faults, (schedule) => this.disk.kill({ random, faults, schedule }), (schedule) => this.kv.kill({ faults, schedule }))
  }

  #successor (seed: number, faults: Faults, disk: (schedule: Schedule) => FaultyDisk, kv: (schedule: Schedule) => FaultyKv): Machine {
    return new Machine(seed, { faults, from: { disk, kv, wallMs: this.clock.wallMs() } })
  }
}

type Schedule = (fn: () => void) => void

/** How many boundaries of each kind a trace holds. */
export function summary (trace: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const line of trace) {
    const kind = line.split(' ')[0]!
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
}

/** The code of the system's error that an error was caused by. */
export function codeUnder (error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== undefined && !isMqError(cause)) return code
  }
  return undefined
}
