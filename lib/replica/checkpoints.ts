import type { Logger } from '../base/index.ts'
import type { StateMachine } from './ports.ts'

/** The part of the log that checkpoints and retention need. */
export interface CheckpointedLog {
  readonly durableIndex: number
  syncThrough (index: number): Promise<void>
  /** Where the segment begins that is written to, once it is nearly full. */
  readonly nearlyFullSegment?: number | undefined
  /** A base dump holds the effect of the entries through this index: segments with later ones stay. */
  mayDeleteThrough?: number
  /** The log may drop whole segments below `position`. */
  setFloor? (position: number): void
}

export interface CheckpointsOptions {
  readonly log: CheckpointedLog
  readonly stateMachine: StateMachine
  readonly logger: Logger
  /** Keep the state from moving while the log catches up with it. */
  readonly pauseApply: () => void
  readonly resumeApply: () => void
  readonly onFailure: (error: unknown) => void
}

/**
 * Runs checkpoints, one at a time, and base dumps, one at a time: a dump begins between two checkpoints, and they go on while
 * it is written, so that what waits for the next one stays little. The state on disk never holds what the log could lose:
 * before either begins, the log is durable through the state's index.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  /** A checkpoint, or the beginning of a base dump. */
  #running: Promise<void> | undefined
  /** A base dump whose state is fixed is being written. */
  #dumping: Promise<void> | undefined
  #stopped = false
  #isDemanded = false
  #isDumpDemanded = false
  /** Nothing is applied until what runs has ended. */
  #isPaused = false
  /** What is due waits until this segment is full: what begins the next one would wait for the writes of a checkpoint. */
  #awaitedSegment: number | undefined
  #floorPosition = 0
  #floorIndex = 0

  constructor (options: CheckpointsOptions) {
    this.#options = options
  }

  get isRunning (): boolean { return this.#running !== undefined }

  /** The next checkpoint begins as soon as it can, due or not. */
  demand (): void { this.#isDemanded = true }

  /** A base dump begins as soon as it can, due or not, unless one is being written. */
  demandBaseDump (): void {
    if (this.#options.stateMachine.beginBaseDump === undefined || this.#dumping !== undefined) return
    this.#isDumpDemanded = true
    this.maybeStart()
  }

  /** Resolves once a demanded checkpoint is written, or none will be any more. */
  async demanded (): Promise<void> {
    // What runs may have begun before the demand.
    while (this.#isDemanded && this.#running !== undefined) await this.#running
    await this.#running
  }

  /** Starts what is due. Cheap when nothing is. */
  maybeStart (): void {
    if (this.#stopped) return
    const { stateMachine } = this.#options
    if (this.#running !== undefined) {
      this.#maybePause()
      return
    }
    if (this.#isDemanded || (stateMachine.checkpointDue && (this.#isAwayFromRoll || stateMachine.isCheckpointOverdue === true))) {
      this.#isDemanded = false
      this.#awaitedSegment = undefined
      this.#start(() => stateMachine.checkpoint())
    } else if (this.#dumping === undefined && (this.#isDumpDemanded || stateMachine.baseDumpDue === true)) {
      this.#isDumpDemanded = false
      this.#start(() => this.#beginDump())
    } else {
      this.#moveFloor()
    }
  }

  /** Waits for what runs; nothing starts any more. A base dump that is being written is given up. */
  async stop (): Promise<void> {
    this.#stopped = true
    await this.#running
    await this.#dumping
  }

  /** A last checkpoint, so that the next start has nothing to replay. */
  async finish (): Promise<void> {
    await this.stop()
    await this.#run(() => this.#options.stateMachine.checkpoint())
  }

  /** Waits for the end of one segment, no more: small ones are always nearly full. */
  get #isAwayFromRoll (): boolean {
    const { nearlyFullSegment } = this.#options.log
    if (nearlyFullSegment === undefined) return true
    this.#awaitedSegment ??= nearlyFullSegment
    return nearlyFullSegment !== this.#awaitedSegment
  }

  #start (write: () => Promise<void>): void {
    this.#running = this.#run(write).then(() => {
      this.#running = undefined
      this.#unpause()
      this.maybeStart()
    }, (error) => {
      this.#running = undefined
      this.#fail(error)
    })
  }

  #fail (error: unknown): void {
    this.#stopped = true
    this.#options.onFailure(error)
  }

  /** Bounds what a slow disk lets pile up in memory, and what a restart has to apply again. */
  #maybePause (): void {
    if (this.#isPaused || this.#options.stateMachine.isCheckpointOverdue !== true) return
    this.#isPaused = true
    this.#options.pauseApply()
  }

  #unpause (): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#options.resumeApply()
  }

  async #run (write: () => Promise<void>): Promise<void> {
    const { log, stateMachine, pauseApply, resumeApply } = this.#options
    if (stateMachine.appliedIndex <= log.durableIndex) {
      await write()
      return
    }
    // In ASYNC_FLUSH the applied may be ahead of the synced: it stands still until `write` has frozen what it writes.
    pauseApply()
    let written: Promise<void>
    try {
      await log.syncThrough(stateMachine.appliedIndex)
      written = write()
    } finally {
      resumeApply()
    }
    await written
  }

  async #beginDump (): Promise<void> {
    const write = await this.#options.stateMachine.beginBaseDump!()
    this.#dumping = write(() => !this.#stopped).then((index) => {
      this.#dumping = undefined
      if (index === undefined) return
      this.#options.logger.info(`base dump written at entry ${index}`, { logIndex: index })
      this.maybeStart()
    }, (error) => {
      this.#dumping = undefined
      this.#fail(error)
    })
  }

  /** Retention: the head goes up to the floor the log's entries have set, and never beyond what a base dump covers. */
  #moveFloor (): void {
    const { stateMachine: { floorPosition = 0, baseDumpIndex = 0 }, log } = this.#options
    if (floorPosition === this.#floorPosition && baseDumpIndex === this.#floorIndex) return
    this.#floorPosition = floorPosition
    this.#floorIndex = baseDumpIndex
    if (floorPosition === 0 || baseDumpIndex === 0) return
    log.mayDeleteThrough = baseDumpIndex
    log.setFloor?.(floorPosition)
  }
}
