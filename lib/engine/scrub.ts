import { isMqError, MqError, wait, type Clock, type Logger } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'

/** Asked for at each step, so it may change. */
export interface ScrubRules {
  /** 0: nothing is read. */
  readonly bytesPerSecond: number
}

export interface ScrubOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly log: Pick<RaftLog, 'firstIndex' | 'readEntries' | 'entryContaining'>
  readonly rules: ScrubRules
  /** Entries after it may still be taken back. */
  readonly appliedIndex: () => number
}

/** From the start to the first pass. */
const FIRST_AFTER_MS = 3_600_000
/** From the beginning of a pass to that of the next one, unless it takes longer. */
const INTERVAL_MS = 24 * 3_600_000
const STEP_BYTES = 256 * 1024
/** So many entries in a row that the disk does not give end a pass: it is not a bad block then. */
const MAX_UNREADABLE = 16

/**
 * Reads all of the log once a day, slowly: what has rotted where nobody reads is found, and in a group of several mended
 * from the other nodes (reading does that), as long as they have it.
 */
export class Scrub {
  readonly #options: ScrubOptions
  readonly #abort = new AbortController()
  readonly #running: Promise<void>
  #unreadable = 0

  constructor (options: ScrubOptions) {
    this.#options = options
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#abort.signal.aborted) options.logger.error('the log is read through no more', { error })
    })
  }

  async stop (): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #run (): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#abort
    for (let waitMs = FIRST_AFTER_MS; ;) {
      await wait(clock, waitMs, signal)
      const startMs = clock.nowMs()
      await this.#pass().catch((error: unknown) => {
        if (signal.aborted) throw error
        this.#options.logger.error('the log is not read through to its end this time', { error })
      })
      waitMs = Math.max(FIRST_AFTER_MS, startMs + INTERVAL_MS - clock.nowMs())
    }
  }

  /** From the head of the log to what is applied now. */
  async #pass (): Promise<void> {
    const { clock, log, rules, appliedIndex } = this.#options
    const to = appliedIndex() + 1
    this.#unreadable = 0
    for (let index = 0; rules.bytesPerSecond > 0;) {
      // the head may have gone meanwhile
      index = Math.max(index, log.firstIndex)
      if (index >= to) return
      const { next, sizeBytes } = await this.#step(index, to)
      index = next
      await wait(clock, sizeBytes * 1000 / Math.max(1, rules.bytesPerSecond), this.#abort.signal)
    }
  }

  /** Reads some entries; returns the index behind them. */
  async #step (from: number, to: number): Promise<{ next: number, sizeBytes: number }> {
    const { log, logger } = this.#options
    try {
      const entries = await log.readEntries({ from, to, maxBytes: STEP_BYTES })
      this.#unreadable = 0
      return { next: from + entries.length, sizeBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }
    } catch (error) {
      if (from < log.firstIndex) return { next: log.firstIndex, sizeBytes: 0 }
      if (!(error instanceof MqError) && ++this.#unreadable <= MAX_UNREADABLE) {
        logger.error(`the log cannot be read: ${String(error)}`, { index: from, error })
        return { next: from + 1, sizeBytes: STEP_BYTES }
      }
      if (!(error instanceof MqError) || !isMqError(error, 'MQ_CORRUPT')) throw error
      logger.error(`the log is damaged: ${error.message}`, { file: error.file, position: error.position, index: error.index })
      return { next: await this.#behind(error, to), sizeBytes: STEP_BYTES }
    }
  }

  /** Where the log can be read again; `to` when that is not known. */
  async #behind ({ resumeIndex, resumePosition }: MqError, to: number): Promise<number> {
    if (typeof resumeIndex === 'number') return resumeIndex
    const entry = typeof resumePosition === 'number' ? await this.#options.log.entryContaining(resumePosition).catch(() => undefined) : undefined
    return entry?.index ?? to
  }
}
