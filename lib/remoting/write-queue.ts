import type { Duplex } from 'node:stream'
import type { Clock } from '../base/index.ts'
import { OutboundBuffer, type SlabPool } from './outbound-buffer.ts'

/**
 * Sends what frames were encoded in a turn of the event loop with one write at its end. While a write is under way what
 * comes next is gathered and leaves with the next one.
 */
export class WriteQueue {
  readonly out: OutboundBuffer
  readonly #stream: Duplex
  readonly #clock: Clock
  readonly #onWritten: () => void
  #isScheduled = false
  #isEnding = false
  #writingBytes = 0
  #writeStartedMs = Infinity
  #batch = 0

  /** `onWritten` is told after each write that ended well. */
  constructor (stream: Duplex, clock: Clock, pool: SlabPool, onWritten: () => void) {
    this.#stream = stream
    this.#clock = clock
    this.out = new OutboundBuffer(pool)
    this.#onWritten = onWritten
  }

  /** Encoded and not yet taken by the system. */
  get queuedBytes (): number { return this.out.sizeBytes + this.#writingBytes }
  /** When the write that is under way began; Infinity when none is. */
  get writeStartedMs (): number { return this.#writeStartedMs }
  /** The batch that bytes written now belong to. A batch below it has been handed to the system; others never left. */
  get batch (): number { return this.#batch }

  /** To be called when something was or will be encoded in this turn. */
  schedule (): void {
    if (this.#isScheduled || this.#writingBytes > 0) return
    this.#isScheduled = true
    this.#clock.defer(this.#run)
  }

  /** Ends the stream once all has left. */
  end (): void {
    this.#isEnding = true
    if (this.queuedBytes === 0) this.#stream.end()
    else this.schedule()
  }

  /** Gives memory back; nothing more is sent. */
  drop (): void {
    this.out.release(this.out.take())
  }

  readonly #run = (): void => {
    this.#isScheduled = false
    const sizeBytes = this.out.sizeBytes
    if (this.#stream.destroyed || this.#stream.writableEnded) {
      this.drop()
      return
    }
    if (sizeBytes === 0) return
    const pieces = this.out.take()
    this.#batch++
    this.#writingBytes = sizeBytes
    this.#writeStartedMs = this.#clock.nowMs()
    const written = (error?: Error | null): void => {
      this.#writingBytes = 0
      this.#writeStartedMs = Infinity
      // a write that failed may still be read from by the system
      if (error != null) return
      this.out.release(pieces)
      if (this.out.sizeBytes > 0) this.schedule()
      else if (this.#isEnding) this.#stream.end()
      this.#onWritten()
    }
    const last = pieces.length - 1
    if (last > 0) this.#stream.cork()
    for (let i = 0; i < last; i++) this.#stream.write(pieces[i])
    this.#stream.write(pieces[last], written)
    if (last > 0) this.#stream.uncork()
  }
}
