import { RaftLog, VoteFile, type LogOptions } from '../../lib/log/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import type { HardState, RaftEntry } from '../../lib/raft/index.ts'
import { groupId, LogTwin } from './log-twin.ts'
import type { Machine } from './machine.ts'

export const logDirectory = '/data/log'
const votePath = '/data/vote'

export type FlushMode = 'sync' | 'async'

/** A log and a vote file on a machine that may stop at any moment, and what they have promised. */
export class LogLife {
  readonly machine: Machine
  readonly twin: LogTwin
  readonly #mode: FlushMode
  readonly #inlineFlush: boolean
  log!: RaftLog
  vote!: VoteFile
  /** What `save` has answered last, and what it was asked last. */
  savedVote: HardState = { term: 0, vote: 0 }
  askedVote: HardState = { term: 0, vote: 0 }
  /** Why the log that is open has stopped. */
  failure: unknown
  /** Why any log of this life has. */
  firstFailure: unknown
  progressAfterFailure = false
  isClosing = false

  constructor (machine: Machine, { twin = new LogTwin(), mode = 'sync', inlineFlush = false }: { readonly twin?: LogTwin, readonly mode?: FlushMode, readonly inlineFlush?: boolean } = {}) {
    this.machine = machine
    this.twin = twin
    this.#mode = mode
    this.#inlineFlush = inlineFlush
  }

  /** The same promises in another life, which may make more. */
  continueOn (machine: Machine): LogLife {
    const next = new LogLife(machine, { twin: this.twin.copy(), mode: this.#mode, inlineFlush: this.#inlineFlush })
    next.savedVote = this.savedVote
    next.askedVote = this.askedVote
    return next
  }

  async open (): Promise<void> {
    this.isClosing = false
    this.failure = undefined
    const { disk } = this.machine
    await disk.makeDirectory('/data')
    await disk.syncDirectory('/')
    this.vote = await VoteFile.open(disk, votePath, silentLogger)
    this.log = await RaftLog.open(logOptions(this.machine, {
      flush: { mode: this.#mode, timed: true, intervalMs: 20, leastPages: 0, thoroughIntervalMs: 100 },
      inlineFlush: this.#inlineFlush,
      onPersisted: ({ index, term }) => {
        this.progressAfterFailure ||= this.failure !== undefined
        this.twin.persisted(index, term)
      },
      onFailure: (error) => {
        this.failure ??= error
        this.firstFailure ??= error
      }
    }))
  }

  append (term: number, count: number, maxBodyBytes: number): void {
    this.log.append(this.twin.make(this.machine.random, term, count, maxBodyBytes))
  }

  /** Waits, in virtual time, until all that was appended is durable. */
  async settled (): Promise<void> {
    await this.log.syncThrough(this.log.lastIndex)
  }

  async cut (from: number): Promise<void> {
    this.twin.beginCut(from)
    await this.log.truncateFrom(from)
    this.twin.endCut()
  }

  async saveVote (hardState: HardState): Promise<void> {
    this.askedVote = hardState
    await this.vote.save(hardState)
    this.savedVote = hardState
  }

  async idle (ms: number): Promise<void> {
    await new Promise<void>((resolve) => { this.machine.clock.setTimer(ms, resolve) })
  }

  async close (): Promise<void> {
    this.isClosing = true
    await this.log.close()
    await this.vote.close()
  }
}

export function logOptions (machine: Machine, more: Partial<LogOptions> = {}): LogOptions {
  return {
    disk: machine.disk,
    clock: machine.clock,
    logger: silentLogger,
    directory: logDirectory,
    groupId,
    segmentBytes: 16 * 1024,
    tailCacheBytes: 64 * 1024,
    coldCacheBytes: 64 * 1024,
    flush: { mode: 'sync', timed: true, intervalMs: 20, leastPages: 0, thoroughIntervalMs: 100 },
    inlineFlush: false,
    reserveBytes: 0,
    onPersisted: () => {},
    onFailure: () => {},
    ...more
  }
}

/** All entries of a log, read back from the disk. */
export async function readAll (log: RaftLog): Promise<RaftEntry[]> {
  const entries: RaftEntry[] = []
  for (let from = log.firstIndex; from <= log.lastIndex;) {
    const step = await log.readEntries({ from, to: log.lastIndex + 1, maxBytes: 64 * 1024 })
    if (step.length === 0) break
    entries.push(...step)
    from += step.length
  }
  return entries
}
