import type { Clock, Timer } from '../base/index.ts'
import type { FlushOptions } from './log-options.ts'

const PAGE_BYTES = 4096

export interface SyncTarget {
  readonly dirtyBytes: number
  syncDirty (): Promise<void>
}

/**
 * When asynchronously flushed bytes are synced (RocketMQ's flushCommitLogTimed, interval, leastPages and
 * thoroughInterval, with its defaults). No timer runs while nothing waits.
 */
export class SyncSchedule {
  readonly #clock: Clock
  readonly #target: SyncTarget
  readonly #timed: boolean
  readonly #intervalMs: number
  readonly #leastBytes: number
  readonly #thoroughIntervalMs: number
  #lastSyncAtMs: number
  #timer: Timer | undefined
  #syncing = false
  #stopped = false

  constructor (clock: Clock, target: SyncTarget, { timed = true, intervalMs = 500, leastPages = 4, thoroughIntervalMs = 10_000 }: FlushOptions) {
    this.#clock = clock
    this.#target = target
    this.#timed = timed
    this.#intervalMs = intervalMs
    this.#leastBytes = leastPages * PAGE_BYTES
    this.#thoroughIntervalMs = thoroughIntervalMs
    this.#lastSyncAtMs = clock.nowMs()
  }

  /** Something was written. */
  noteWritten (): void {
    if (this.#stopped || this.#target.dirtyBytes === 0) return
    if (!this.#timed && this.#target.dirtyBytes >= this.#leastBytes) this.#sync()
    this.#timer ??= this.#clock.setTimer(this.#intervalMs, () => { this.#handleInterval() })
  }

  stop (): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #handleInterval (): void {
    this.#timer = undefined
    const isDue = this.#target.dirtyBytes >= this.#leastBytes || this.#clock.nowMs() - this.#lastSyncAtMs >= this.#thoroughIntervalMs
    if (isDue) this.#sync()
    if (this.#target.dirtyBytes > 0 && !this.#stopped) this.#timer ??= this.#clock.setTimer(this.#intervalMs, () => { this.#handleInterval() })
  }

  #sync (): void {
    if (this.#syncing) return
    this.#syncing = true
    this.#lastSyncAtMs = this.#clock.nowMs()
    // The writer reports its failures itself.
    this.#target.syncDirty().finally(() => { this.#syncing = false }).catch(() => {})
  }
}
