import type { Clock, Disk, Logger, Timer } from '../base/index.ts'

const CHECK_EVERY_MS = 1000
const CHECK_EVERY_BYTES = 32 * 1024 * 1024

export interface DiskRoomOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  readonly directory: string
  /** 0: not watched. */
  readonly reserveBytes: number
  /** It was looked how much room there is. */
  onLook? (): void
}

/**
 * Watches that the file system keeps a reserve, so that writes are refused before the disk refuses them; takes writes
 * again by itself when there is room. Between looks it counts what this log wrote as taken.
 */
export class DiskRoom {
  readonly #options: DiskRoomOptions
  #freeBytes = Infinity
  #writtenSince = 0
  /** What there was no room for when it was last asked for. */
  #wantedBytes = 0
  #shortAtMs = -Infinity
  #timer: Timer | undefined
  #checking: Promise<void> | undefined
  #closed = false

  constructor (options: DiskRoomOptions) {
    this.#options = options
  }

  get hasRoom (): boolean { return this.roomBytes >= 0 }
  /** Above the reserve; negative when it is touched. */
  get roomBytes (): number { return this.#freeBytes - this.#writtenSince - this.#options.reserveBytes }

  /** The reserve is touched, or something waits for room. */
  get isShort (): boolean { return this.roomBytes < this.#wantedBytes }

  /** How long ago a look last found it so, ms. */
  get roomyMs (): number { return this.#options.clock.nowMs() - this.#shortAtMs }

  /** Whether so much may be written. Where it may not, it is looked from time to time until there is room for it. */
  hasRoomFor (sizeBytes: number): boolean {
    if (sizeBytes <= this.roomBytes) return true
    this.#wantedBytes = sizeBytes
    this.#arm()
    return false
  }

  noteWritten (sizeBytes: number): void {
    if (this.#options.reserveBytes === 0) return
    this.#writtenSince += sizeBytes
    if (this.#writtenSince >= CHECK_EVERY_BYTES || !this.hasRoom) this.check().catch(() => {})
    else this.#arm()
  }

  /** Looks now. */
  async check (): Promise<void> {
    if (this.#options.reserveBytes === 0 || this.#closed) return
    this.#checking ??= this.#look().finally(() => { this.#checking = undefined })
    await this.#checking
  }

  async close (): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#checking
  }

  async #look (): Promise<void> {
    const { disk, directory, logger, reserveBytes } = this.#options
    const hadRoom = this.hasRoom
    const writtenBefore = this.#writtenSince
    try {
      this.#freeBytes = (await disk.room(directory)).freeBytes
      this.#writtenSince -= writtenBefore
      if (hadRoom !== this.hasRoom) logger.warn(this.hasRoom ? `${directory}: room for writes again` : `${directory}: less than ${reserveBytes} bytes left, writes are refused`, { freeBytes: this.#freeBytes })
    } catch (error) {
      logger.warn(`${directory}: free space is unknown`, { error })
    }
    this.#options.onLook?.()
    if (!this.isShort) {
      this.#wantedBytes = 0
      return
    }
    this.#shortAtMs = this.#options.clock.nowMs()
    this.#arm()
  }

  #arm (): void {
    if (this.#closed) return
    this.#timer ??= this.#options.clock.setTimer(CHECK_EVERY_MS, () => {
      this.#timer = undefined
      this.check().catch(() => {})
    })
  }
}
