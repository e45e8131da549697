import type { Duplex } from 'node:stream'
import type { Clock } from '../base/index.ts'
import type { Address, ByteConnection } from '../remoting/index.ts'
import { FrameReader, type OnFrame } from './frame-reader.ts'
import { FrameWriter, type HeadArena } from './frame-writer.ts'

/** Who deals with a connection: first the introduction, then the link. */
export interface ConnectionOwner {
  readonly onFrame: OnFrame
  /** Told once, whoever closed it and why. */
  readonly onClose: (reason: string) => void
  /** Told before each write. */
  readonly onFlush?: () => void
  /** Told after each write that ended well. */
  readonly onWritten?: () => void
  /** It does not begin with the preface. */
  readonly onForeign?: () => void
}

/**
 * The frames of one connection. What is added in one go leaves with one write; while a write is under way what comes next
 * is gathered and leaves with the next one.
 */
export class PeerConnection {
  readonly peer: Address
  readonly reader: FrameReader
  readonly writer: FrameWriter
  readonly #stream: Duplex
  readonly #clock: Clock
  #preface: Uint8Array | undefined
  #writingBytes = 0
  #writeStartedMs = Infinity
  #isScheduled = false
  #isEnding = false
  #closeReason: string | undefined
  bytesIn = 0
  bytesOut = 0
  /** When the last byte came. */
  lastHeardMs: number
  owner: ConnectionOwner

  /** `preface`: what must come before the first frame. */
  constructor ({ stream, peer }: ByteConnection, clock: Clock, arena: HeadArena, owner: ConnectionOwner, preface?: Uint8Array) {
    this.peer = peer
    this.#stream = stream
    this.#clock = clock
    this.owner = owner
    this.#preface = preface
    this.reader = new FrameReader((type, header, payload) => this.owner.onFrame(type, header, payload))
    this.writer = new FrameWriter(arena)
    this.lastHeardMs = this.#clock.nowMs()
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('end', () => this.close('the other side closed it'))
    stream.on('close', () => this.close('it was closed'))
    stream.on('error', (error: Error) => this.close(error.message))
    // who took it from a listener of another protocol has paused it
    stream.resume()
  }

  get isClosed (): boolean { return this.#closeReason !== undefined }
  /** Added and not taken by the system. */
  get waitingBytes (): number { return this.writer.sizeBytes + this.#writingBytes }
  /** When the write that is under way began; Infinity when none is. */
  get writeStartedMs (): number { return this.#writeStartedMs }

  pause (): void { this.#stream.pause() }
  resume (): void { this.#stream.resume() }

  /** Sends what was added, at once if no write is under way. */
  flush (): void {
    const sizeBytes = this.writer.sizeBytes
    if (sizeBytes === 0 || this.#writingBytes > 0 || this.isClosed) return
    this.owner.onFlush?.()
    const pieces = this.writer.take()
    this.#writingBytes = sizeBytes
    this.#writeStartedMs = this.#clock.nowMs()
    const stream = this.#stream
    const last = pieces.length - 1
    if (last > 0) stream.cork()
    for (let i = 0; i < last; i++) stream.write(pieces[i])
    stream.write(pieces[last], this.#written)
    if (last > 0) stream.uncork()
  }

  /** Sends what was added at the end of this turn of the event loop. */
  schedule (): void {
    if (this.#isScheduled || this.#writingBytes > 0) return
    this.#isScheduled = true
    this.#clock.defer(this.#flushScheduled)
  }

  /** Closes once what was added has left; nothing is read any more. */
  end (reason: string): void {
    this.#isEnding = true
    if (this.waitingBytes === 0) this.close(reason)
    else this.flush()
  }

  close (reason: string): void {
    if (this.#closeReason !== undefined) return
    this.#closeReason = reason
    this.#stream.destroy()
    this.writer.take()
    this.owner.onClose(reason)
  }

  readonly #flushScheduled = (): void => {
    this.#isScheduled = false
    this.flush()
  }

  readonly #written = (error?: Error | null): void => {
    if (error != null || this.isClosed) return
    this.bytesOut += this.#writingBytes
    this.#writingBytes = 0
    this.#writeStartedMs = Infinity
    this.owner.onWritten?.()
    if (this.writer.sizeBytes > 0) this.flush()
    else if (this.#isEnding) this.close('closed')
  }

  #receive (chunk: Buffer): void {
    if (this.isClosed || this.#isEnding) return
    this.lastHeardMs = this.#clock.nowMs()
    this.bytesIn += chunk.length
    try {
      const frames = this.#preface === undefined ? chunk : this.#afterPreface(chunk, this.#preface)
      if (frames !== undefined) this.reader.push(frames, this.#isOver)
    } catch (error) {
      this.close((error as Error).message)
    }
  }

  readonly #isOver = (): boolean => this.isClosed || this.#isEnding

  #afterPreface (chunk: Buffer, preface: Uint8Array): Buffer | undefined {
    const length = Math.min(chunk.length, preface.length)
    if (!preface.subarray(0, length).every((byte, i) => chunk[i] === byte)) {
      this.owner.onForeign?.()
      return undefined
    }
    this.#preface = length === preface.length ? undefined : preface.subarray(length)
    return chunk.subarray(length)
  }
}
