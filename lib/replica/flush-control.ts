import type { Disk, Logger } from '../base/index.ts'
import type { DoubtFile, FlushMode, RaftLog } from '../log/index.ts'
import type { Raft, RaftMessage } from '../raft/index.ts'

export interface FlushControlOptions {
  readonly disk: Disk
  readonly logger: Logger
  readonly log: RaftLog
  readonly doubtFile: DoubtFile
  readonly raft: Raft
  /** Raft may have something to do. */
  readonly onChanged: () => void
  readonly onFailure: (error: unknown) => void
}

/**
 * When entries count here, on disk or written, and the end of the doubt that the latter may leave (see raft/doubt.ts).
 * The log begins in `sync`. Written entries count only once the doubt file tells of it.
 */
export class FlushControl {
  readonly #options: FlushControlOptions
  #wanted: FlushMode = 'sync'
  #last: Promise<void> = Promise.resolve()
  #isEndingDoubt = false
  #stopped = false

  constructor (options: FlushControlOptions) {
    this.#options = options
  }

  /** Resolves when it is in force here. One switch after the other; the last wish counts. */
  switchTo (mode: FlushMode): Promise<void> {
    this.#wanted = mode
    // at once: what is committed from now on others may take for synced
    if (mode === 'sync') this.#options.raft.countsWritten = false
    return this.#inTurn(async () => { if (mode === this.#wanted) await this.#switch(mode) })
  }

  #inTurn (action: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(async () => { if (!this.#stopped) await action() }).catch((error: unknown) => { if (!this.#stopped) this.#options.onFailure(error) })
    return this.#last
  }

  async #switch (mode: FlushMode): Promise<void> {
    const { disk, log, doubtFile, raft, onChanged } = this.#options
    if (mode === 'async') {
      await doubtFile.noteUnsynced(disk)
      await log.setFlushMode(mode)
      if (mode === this.#wanted) raft.countsWritten = true
    } else {
      await log.setFlushMode(mode)
      await doubtFile.noteSynced()
    }
    if (!this.#stopped) onChanged()
  }

  /** Cheap when there is nothing to do. */
  maybeEndDoubt (): void {
    if (!this.#options.raft.isInDoubt || this.#isEndingDoubt || this.#stopped) return
    const through = this.#options.raft.endsDoubtAt
    if (through === undefined) return
    this.#isEndingDoubt = true
    const { log } = this.#options
    log.syncThrough(through).then(() => this.#inTurn(() => this.#endDoubt(through)), () => { this.#isEndingDoubt = false })
  }

  async #endDoubt (through: number): Promise<void> {
    const { log, doubtFile, raft, logger, onChanged } = this.#options
    // another leader may have cut the log meanwhile: it says anew how far it has to go
    const isComplete = (raft.endsDoubtAt ?? Infinity) <= log.durableIndex
    if (isComplete) await doubtFile.end()
    this.#isEndingDoubt = false
    if (this.#stopped) return
    if (isComplete) {
      raft.doubtEnded()
      logger.info(`this node has again all that it had confirmed, through entry ${through}, and counts again`, { logIndex: through })
    }
    onChanged()
  }

  /** A change of the configuration counts only on disk, and the group waits for it. */
  syncSoon (index: number): void {
    this.#options.log.syncThrough(index).catch(() => {})
  }

  /** A message as it may leave: acknowledgements tell what is only written. */
  honest (message: RaftMessage): RaftMessage {
    if (message.type !== 'appendEntriesReply' || message.rejected) return message
    const unsynced = message.index - this.#options.log.durableIndex
    return unsynced > 0 ? { ...message, unsynced } : message
  }

  async stop (): Promise<void> {
    this.#stopped = true
    await this.#last
  }

  /** After the log was closed: nothing is left that is only written. */
  async close (): Promise<void> {
    const { log, doubtFile } = this.#options
    try {
      if (log.failure === undefined) await doubtFile.noteSynced()
    } finally {
      await doubtFile.close()
    }
  }
}
