/** A log looks at its disk every second while it writes or has no room; the clock may be slow, and so may the answer. */
const GRACE_MS = 2_500
/** More than may be on its way at one time. */
const PLENTY_BYTES = 512 * 1024

/**
 * For how long a disk has had no room for sends, or plenty of it, without a break in which nobody could look: what the
 * node must know by now.
 */
export class RoomWatch {
  readonly #reserveBytes: number
  #isShort = false
  #hasPlenty = true
  #sinceMs = 0
  /** How far the log was written then, and when it was found to be written further. */
  #writtenIndex = 0
  #wroteAtMs = Infinity
  #refusedAtMs = Infinity

  constructor (reserveBytes: number) {
    this.#reserveBytes = reserveBytes
  }

  /** There is anything to watch. */
  get isWatched (): boolean { return this.#reserveBytes > 0 }

  /** Something else has changed, or will until then: what was known begins anew. */
  changed (untilMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, untilMs)
    this.#wroteAtMs = this.#refusedAtMs = Infinity
  }

  /** To be called after whatever may have changed the room. */
  look (nowMs: number, freeBytes: number, writtenIndex: number): void {
    const isShort = freeBytes < this.#reserveBytes
    const hasPlenty = freeBytes > this.#reserveBytes + PLENTY_BYTES
    if (isShort !== this.#isShort || hasPlenty !== this.#hasPlenty) {
      this.#isShort = isShort
      this.#hasPlenty = hasPlenty
      this.#sinceMs = Math.max(this.#sinceMs, nowMs)
      this.#wroteAtMs = this.#refusedAtMs = Infinity
    }
    if (this.#wroteAtMs === Infinity && nowMs >= this.#sinceMs && writtenIndex > this.#writtenIndex) this.#wroteAtMs = nowMs
    this.#writtenIndex = writtenIndex
  }

  /** The node must have seen that sends may not touch what is left. It need not have looked before it wrote something. */
  mustRefuse (nowMs: number): boolean { return this.#isShort && nowMs - this.#wroteAtMs > GRACE_MS }

  /** A send was refused for want of room. Whoever refuses one looks whether there is some; whether that must be over, and there is. */
  isWronglyRefused (nowMs: number): boolean {
    if (!this.#hasPlenty || nowMs < this.#sinceMs) return false
    this.#refusedAtMs = Math.min(this.#refusedAtMs, nowMs)
    return nowMs - this.#refusedAtMs > GRACE_MS
  }
}
