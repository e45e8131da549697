import { parseArgs } from 'node:util'

/** What one measuring process is told on its command line, and repeats in its answer. */
export interface Workload {
  /** Bytes of one message body. */
  readonly size: number
  /** Messages whose promise is open at any time. */
  readonly inflight: number
  /** Processes that keep a message before it is answered. */
  readonly nodes: number
  readonly sync: boolean
  readonly rounds: number
  /** Messages of one round. */
  readonly messages: number
  /** Where the scratch folder is made; the system's temporary folder unless given. */
  readonly dir: string | undefined
}

/** The one JSON line a measuring process prints. Rates are messages per second: the median of the rounds, and their range. */
export interface Measured {
  readonly name: string
  readonly size: number
  readonly inflight: number
  readonly nodes: number
  readonly sync: boolean
  readonly msgsPerSec: number
  readonly min: number
  readonly max: number
  readonly p50us: number
  readonly p99us: number
}

export const workloadUsage = '--size BYTES (1024) --inflight N (1000) --sync yes|no (yes) --rounds N (5) --messages N --dir DIR'

/** Reads the command line shared by every measuring process; names in `more` are further options taken as text. */
export function workloadFromArgs<More extends string = never> (more: readonly More[] = []): Workload & { readonly more: Partial<Record<More, string>> } {
  const own = ['size', 'inflight', 'nodes', 'sync', 'rounds', 'messages', 'dir']
  const { values } = parseArgs({ options: Object.fromEntries([...own, ...more].map((name) => [name, { type: 'string' as const }])) })
  const given = values as Record<string, string | undefined>
  const inflight = Number(given.inflight ?? 1000)
  const workload = {
    size: Number(given.size ?? 1024),
    inflight,
    nodes: Number(given.nodes ?? 1),
    sync: given.sync !== 'no',
    rounds: Number(given.rounds ?? 5),
    messages: Number(given.messages ?? messagesFor(inflight)),
    dir: given.dir,
    more: given as Partial<Record<More, string>>
  }
  for (const name of ['size', 'inflight', 'nodes', 'rounds', 'messages'] as const) {
    if (!Number.isSafeInteger(workload[name]) || workload[name] < 1) throw new RangeError(`--${name} takes a whole number above 0`)
  }
  return workload
}

/** Enough messages for about a second of work on a common machine. */
function messagesFor (inflight: number): number {
  if (inflight === 1) return 5000
  return inflight <= 16 ? 50_000 : 200_000
}

/** One in this many calls is timed on its own; a power of two. */
const SAMPLE_EVERY = 16

/** Keeps a number of calls going at a time and notes how long some of them took. */
export class Driver {
  readonly #rates: number[] = []
  readonly #latenciesMs: number[] = []

  /**
   * One round: `calls` calls of `call`, `lanes` of them open at a time; each stands for `messagesPerCall` messages.
   * A call that resolves to `false` ends its lane early and counts for nothing (the work ran out).
   */
  async round (calls: number, lanes: number, messagesPerCall: number, call: () => Promise<unknown>): Promise<void> {
    let begun = 0
    const latenciesMs = this.#latenciesMs
    async function lane (): Promise<void> {
      while (begun < calls) {
        const timed = begun++ % SAMPLE_EVERY === 0
        const startMs = timed ? performance.now() : 0
        await call()
        if (timed) latenciesMs.push(performance.now() - startMs)
      }
    }
    const startMs = performance.now()
    await Promise.all(Array.from({ length: lanes }, lane))
    this.addRate(calls * messagesPerCall, performance.now() - startMs)
  }

  /** For a round that was driven elsewhere. */
  addRate (messages: number, tookMs: number): void {
    this.#rates.push(messages / tookMs * 1000)
  }

  /** Messages a second of the last round. */
  get lastRate (): number { return this.#rates.at(-1) ?? 0 }

  addLatency (tookMs: number): void {
    this.#latenciesMs.push(tookMs)
  }

  result (name: string, { size, inflight, nodes, sync }: Workload): Measured {
    const rates = Float64Array.from(this.#rates).sort()
    const latencies = Float64Array.from(this.#latenciesMs).sort()
    return {
      name,
      size,
      inflight,
      nodes,
      sync,
      msgsPerSec: Math.round(median(rates)),
      min: Math.round(rates[0] ?? 0),
      max: Math.round(rates.at(-1) ?? 0),
      p50us: Math.round(quantile(latencies, 0.5) * 1000),
      p99us: Math.round(quantile(latencies, 0.99) * 1000)
    }
  }
}

/** The value below which that part of the ascending list lies; 0 of an empty one. */
export function quantile (ascending: ArrayLike<number>, part: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * part))] ?? 0
}

export function median (values: Iterable<number>): number {
  const ascending = Float64Array.from(values).sort()
  const middle = ascending.length >> 1
  if (ascending.length === 0) return 0
  return ascending.length % 2 === 1 ? ascending[middle]! : (ascending[middle - 1]! + ascending[middle]!) / 2
}
