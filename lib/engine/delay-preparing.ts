import { isMqError, turn, type Clock, type Timer } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'
import type { DelayDue, PendingUnit } from '../store/index.ts'
import { Expiry } from './expiry.ts'
import { PreparedRecords } from './prepared-records.ts'

/** Records are in memory at least so long before they are due, if they can be, */
const LEAST_AHEAD_MS = 1000
/** and those that are due in the same time are read together: the more, the fewer reads of the same piece of the log. */
const MOST_AHEAD_MS = 3000
/** So long after it was due a record is still there for consumers that are behind, unless later ones need the room. */
const KEPT_MS = 10_000
/** When there is no room, it is looked for again so much later. */
const AGAIN_MS = 20
/** Records of so much of the log are read one after the other; */
const STRETCH_BYTES = 256 * 1024
/** so many are looked at before others get their turn. */
const UNITS_AT_A_TIME = 4096

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

  stop (): void {
    this.#isStopped = true
    this.#expiry.stop()
    this.#removal?.cancel()
    this.records.clear()
  }

  async #prepare (): Promise<void> {
    const { clock, due } = this.#options
    const nowMs = clock.wallMs()
    const roomBytes = this.records.roomBytes(nowMs)
    if (roomBytes === 0) return
    const units = due.takeUnprepared(nowMs + MOST_AHEAD_MS, roomBytes)
    for (const stretch of await this.#stretchesOf(units)) await this.#read(stretch)
    this.#removeLater()
  }

  /** By where they stand, the first first. */
  async #stretchesOf (units: readonly PendingUnit[]): Promise<PendingUnit[][]> {
    const stretches = new Map<number, PendingUnit[]>()
    let seen = 0
    for (const unit of units) {
      if (PreparedRecords.takes(unit.sizeBytes)) {
        const number = Math.floor(unit.physicalOffset / STRETCH_BYTES)
        const stretch = stretches.get(number)
        if (stretch === undefined) stretches.set(number, [unit])
        else stretch.push(unit)
      }
      if (++seen % UNITS_AT_A_TIME === 0) await turn(this.#options.clock)
    }
    return [...stretches].sort(([a], [b]) => a - b).map(([, stretch]) => stretch)
  }

  async #read (stretch: PendingUnit[]): Promise<void> {
    const { clock, log } = this.#options
    stretch.sort((a, b) => a.physicalOffset - b.physicalOffset)
    for (const { physicalOffset, sizeBytes, deliverAtMs } of stretch) {
      const record = log.readNow(physicalOffset, sizeBytes) ?? await log.read(physicalOffset, sizeBytes).catch((error: unknown) => {
        // whoever wants it will be told
        if (isMqError(error)) return undefined
        throw error
      })
      if (this.#isStopped || !this.records.hasRoom(clock.wallMs())) return
      if (record !== undefined) this.records.add(physicalOffset, record, deliverAtMs)
    }
    // what was in memory was read without a pause
    await turn(clock)
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
