import type { Clock, Logger, Timer } from '../base/index.ts'
import { stampMsOf, type RaftLog } from '../log/index.ts'

/** Asked for at each look, so they may change; whether there is a bound at all may not. */
export interface RetentionRules {
  /** Infinity: no bound. */
  readonly maxAgeMs: number
  readonly maxBytes: number
}

export interface RetentionOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly log: RaftLog
  /** This node leads: whoever does decides for all. */
  readonly mayDecide: () => boolean
  readonly rules: RetentionRules
  /** The floor moves by at least so much: files are removed whole. */
  readonly stepBytes: number
  readonly floorPosition: () => number
  /** Proposes the new floor, the beginning of an entry. */
  readonly raiseFloor: (position: number) => Promise<void>
}

const INTERVAL_MS = 60_000

/**
 * Decides how much of the log is kept: looks from time to time which of it is too old or too much, and proposes a new
 * floor. All else follows when that is applied.
 */
export class Retention {
  readonly #options: RetentionOptions
  #timer: Timer | undefined
  #isStopped = false
  /** Where the log ends when it is worth a look before the time is over. */
  #nextLookAt = 0
  #isLooking = false
  #running: Promise<void> = Promise.resolve()

  constructor (options: RetentionOptions) {
    this.#options = options
    const { maxAgeMs, maxBytes } = options.rules
    if (maxAgeMs !== Infinity || maxBytes !== Infinity) this.#arm()
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#running
  }

  /** The log has grown: where there is a bound in bytes, looks whenever another step was written. Cheap when it was not. */
  noteGrowth (): void {
    const { log, rules, stepBytes } = this.#options
    if (rules.maxBytes === Infinity || log.endPosition < this.#nextLookAt || this.#isLooking || this.#isStopped) return
    this.#nextLookAt = log.endPosition + stepBytes
    this.#isLooking = true
    this.#running = Promise.all([this.#running, this.#look()]).then(() => { this.#isLooking = false })
  }

  /** Looks now, where this node leads. */
  async run (): Promise<void> {
    const { log, rules, clock, stepBytes, floorPosition, raiseFloor, mayDecide } = this.#options
    if (!mayDecide()) return
    const floor = floorPosition()
    const end = log.endPosition
    if (end - floor < stepBytes) return
    const bySize = rules.maxBytes === Infinity ? floor : end - rules.maxBytes
    const byAge = rules.maxAgeMs === Infinity ? floor : await this.#firstYounger(floor, end, clock.wallMs() - rules.maxAgeMs)
    const wanted = Math.max(bySize, byAge)
    if (wanted - floor < stepBytes) return
    const entry = await log.entryContaining(Math.min(wanted, end - 1))
    if (entry !== undefined && entry.physicalOffset > floor && !this.#isStopped) await raiseFloor(entry.physicalOffset)
  }

  /**
   * What stands below this position has had a quarter of the time it is kept, or more: a message that is only delivered
   * now would be gone too soon.
   */
  async agedBelow (): Promise<number> {
    const { log, rules: { maxAgeMs, maxBytes }, clock, floorPosition } = this.#options
    const floor = floorPosition()
    const end = log.endPosition
    const bySize = maxBytes === Infinity ? floor : end - maxBytes / 4
    const byAge = maxAgeMs === Infinity || end === floor ? floor : await this.#firstYounger(floor, end, clock.wallMs() - maxAgeMs / 4)
    return Math.max(bySize, byAge)
  }

  #arm (): void {
    if (this.#isStopped) return
    this.#timer = this.#options.clock.setTimer(INTERVAL_MS, () => {
      const looking = this.#look()
      this.#running = Promise.all([this.#running, looking]).then(() => {})
      looking.finally(() => this.#arm())
    })
  }

  async #look (): Promise<void> {
    try {
      await this.run()
    } catch (error) {
      if (!this.#isStopped) this.#options.logger.warn('retention could not be decided', { error })
    }
  }

  /** Position of the first entry stamped at `timeMs` or later (stamps hardly ever fall), or the end. */
  async #firstYounger (from: number, to: number, timeMs: number): Promise<number> {
    const first = await this.#options.log.entryContaining(from)
    if (first === undefined || stampMsOf(first) >= timeMs) return from
    let low = first.physicalOffset + first.sizeBytes
    let high = to
    while (low < high) {
      const entry = await this.#options.log.entryContaining(Math.floor((low + high) / 2))
      if (entry === undefined) return from
      if (stampMsOf(entry) >= timeMs) high = entry.physicalOffset
      else low = entry.physicalOffset + entry.sizeBytes
    }
    return low
  }
}
