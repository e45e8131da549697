import { MqError, type Clock, type Random } from '../base/index.ts'

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: MqError) => void
}

/** Barriers asked for together, under one context number of raft's. */
interface Round {
  readonly waiters: Waiter[]
  readonly firstAskedAtMs: number
  askedAtMs: number
  context: number
}

/**
 * Linearizable reads by ReadIndex: a barrier resolves once everything is applied that was committed anywhere when it
 * was asked for. All barriers of one turn of the loop share one round trip.
 */
export class ReadBarriers {
  readonly #clock: Clock
  readonly #ask: (context: number) => void
  #nextContext: number
  #forming: Round | undefined
  readonly #asked = new Map<number, Round>()
  /** Answered, waiting for the apply loop. */
  #answered: Array<{ readonly index: number, readonly round: Round }> = []

  constructor (clock: Clock, random: Random, ask: (context: number) => void) {
    this.#clock = clock
    // A late answer to a question of this node's previous life must not pass for an answer to one of this life.
    this.#nextContext = Math.floor(random.next() * 2 ** 52)
    this.#ask = ask
  }

  get isEmpty (): boolean { return this.#forming === undefined && this.#asked.size === 0 && this.#answered.length === 0 }

  wait (): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#forming === undefined) {
        const nowMs = this.#clock.nowMs()
        const round: Round = this.#forming = { waiters: [], firstAskedAtMs: nowMs, askedAtMs: nowMs, context: 0 }
        this.#clock.defer(() => {
          if (this.#forming !== round) return
          this.#forming = undefined
          this.#askFor(round)
        })
      }
      this.#forming.waiters.push({ resolve, reject })
    })
  }

  /** Raft's answer: `index` was committed after the round was asked for. */
  answered (context: number, index: number, appliedIndex: number): void {
    const round = this.#asked.get(context)
    if (round === undefined) return
    this.#asked.delete(context)
    this.#answered.push({ index, round })
    this.appliedTo(appliedIndex)
  }

  appliedTo (appliedIndex: number): void {
    if (this.#answered.length === 0) return
    const ready = this.#answered.filter(({ index }) => index <= appliedIndex)
    if (ready.length === 0) return
    this.#answered = this.#answered.filter(({ index }) => index > appliedIndex)
    for (const { round } of ready) for (const { resolve } of round.waiters) resolve()
  }

  /** Asks again where the question or its answer may have been lost; gives up where that has not helped for long. */
  tick (retryMs: number, timeoutMs: number): void {
    const nowMs = this.#clock.nowMs()
    for (const round of [...this.#asked.values()]) {
      if (nowMs - round.firstAskedAtMs >= timeoutMs) {
        this.#asked.delete(round.context)
        rejectAll(round, new MqError('MQ_UNAVAILABLE', 'no leader confirmed the read in time'))
      } else if (nowMs - round.askedAtMs >= retryMs) {
        this.#asked.delete(round.context)
        this.#askFor(round)
      }
    }
  }

  failAll (error: MqError): void {
    const rounds = [...this.#asked.values(), ...this.#answered.map(({ round }) => round)]
    if (this.#forming !== undefined) rounds.push(this.#forming)
    this.#forming = undefined
    this.#asked.clear()
    this.#answered = []
    for (const round of rounds) rejectAll(round, error)
  }

  #askFor (round: Round): void {
    round.context = this.#nextContext++
    round.askedAtMs = this.#clock.nowMs()
    this.#asked.set(round.context, round)
    this.#ask(round.context)
  }
}

function rejectAll (round: Round, error: MqError): void {
  for (const { reject } of round.waiters) reject(error)
}
