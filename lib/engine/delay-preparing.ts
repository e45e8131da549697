import { isMqError, turn, type Clock, type Timer } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'
import type { DelayDue } from '../store/index.ts'
import { Expiry } from './expiry.ts'
import { PreparedRecords } from './prepared-records.ts'

/** Records are in memory at least so long before they are due, if they can be, */
const LEAST_AHEAD_MS = 2000
/** and those that are due in the same time are read together: the more, the fewer reads of the same piece of the log. */
const MOST_AHEAD_MS = 5000
/** So long after it was due a record is still there for consumers that are behind, unless later ones need the room. */
const KEPT_MS = 10_000
/** When there is no room, it is looked for again so much later. */
const AGAIN_MS = 20
/** Records of so much of the log are read one after the other; */
const STRETCH_BYTES = 256 * 1024
/** of each are kept, as one number, where in its stretch it stands, how long it is, and when it is due, in ms from a time. */
const SIZES = 2 ** 17
const TIMES = 2 ** 16

export interface DelayPreparingOptions {
  readonly clock: Clock
  readonly log: Pick<RaftLog, 'read' | 'readNow'>
  readonly due: DelayDue
  readonly isLeading: () => boolean
}

/** Brings records to memory before they are delivered. Nothing depends on it but how soon consumers have them. */
export class DelayPreparing {
  readonly records = new PreparedRecords()
  readonly #options: DelayPreparingOptions
  readonly #expiry: Expiry
  #removal: Timer | undefined
  #isStopped = false

  constructor (options: DelayPreparingOptions) {
    this.#options = options
    const { clock, due, isLeading } = options
    this.#expiry = new Expiry({ clock, nextMs: () => isLeading() ? due.nextUnpreparedMs - LEAST_AHEAD_MS : Infinity, expire: () => this.#prepare(), againMs: AGAIN_MS })
  }

  /** Messages that are due next have come to memory. */
  look (): void { this.#expiry.look() }

  /** One that is due then has. */
  lookFor (deliverAtMs: number): void { if (deliverAtMs - MOST_AHEAD_MS < this.#expiry.dueMs) this.#expiry.look() }

  stop (): void {
    this.#isStopped = true
    this.#expiry.stop()
    this.#removal?.cancel()
    this.records.clear()
  }

  async #prepare (): Promise<void> {
    const { clock, due } = this.#options
    const nowMs = clock.wallMs()
    const roomBytes = this.records.makeRoom(nowMs)
    if (roomBytes === 0) return
    const stretches = new Map<number, number[]>()
    due.takeUnprepared(nowMs + MOST_AHEAD_MS, roomBytes, (physicalOffset, sizeBytes, deliverAtMs) => {
      if (!PreparedRecords.takes(sizeBytes)) return
      const number = Math.floor(physicalOffset / STRETCH_BYTES)
      const unit = ((physicalOffset - number * STRETCH_BYTES) * SIZES + sizeBytes) * TIMES + Math.max(0, Math.min(TIMES - 1, Math.ceil(deliverAtMs - nowMs)))
      const stretch = stretches.get(number)
      if (stretch === undefined) stretches.set(number, [unit])
      else stretch.push(unit)
    })
    // where they stand, the first first
    for (const number of [...stretches.keys()].sort((a, b) => a - b)) {
      await this.#read(number * STRETCH_BYTES, Float64Array.from(stretches.get(number)!).sort(), nowMs)
      if (this.#isStopped) return
      // what was in memory was read without a pause
      await turn(clock)
    }
    this.#removeLater()
  }

  async #read (stretchPosition: number, units: Float64Array, fromMs: number): Promise<void> {
    const { log } = this.#options
    for (const unit of units) {
      const dueMs = unit % TIMES
      const place = (unit - dueMs) / TIMES
      const sizeBytes = place % SIZES
      const physicalOffset = stretchPosition + (place - sizeBytes) / SIZES
      const record = log.readNow(physicalOffset, sizeBytes) ?? await log.read(physicalOffset, sizeBytes).catch((error: unknown) => {
        // whoever wants it will be told
        if (isMqError(error)) return undefined
        throw error
      })
      if (this.#isStopped) return
      if (record !== undefined) this.records.add(physicalOffset, record, fromMs + dueMs)
    }
  }

  #removeLater (): void {
    if (this.records.isEmpty || this.#removal !== undefined || this.#isStopped) return
    const { clock } = this.#options
    this.#removal = clock.setTimer(KEPT_MS / 2, () => {
      this.#removal = undefined
      this.records.removeBefore(clock.wallMs() - KEPT_MS)
      this.#removeLater()
    })
  }
}
