/**
 * What the worker process tells its parent, as frames on a pipe: length u32, kind u8, payload. A frame that a kill cut
 * short is never seen. Numbers are little-endian.
 */
import type { Writable } from 'node:stream'

export const FrameKind = { sent: 1, acknowledged: 2, lines: 3, fact: 4 } as const

/** A line as it came out of the queue. */
export interface DeliveredLine {
  readonly queueId: number
  readonly queueOffset: number
  /** Place of its file in the list of input files. */
  readonly file: number
  readonly bytes: Uint8Array
}

/** Things told once: a JSON object each. */
export type Fact =
  | { readonly fact: 'opened', readonly tookMs: number, readonly stored: number }
  | { readonly fact: 'error', readonly message: string }
  | { readonly fact: 'done' }

export type Frame =
  | { readonly kind: 'sent' | 'acknowledged', /** In all, by this process. */ readonly count: number, readonly latenciesMs: readonly number[] }
  | { readonly kind: 'lines', readonly lines: readonly DeliveredLine[] }
  | { readonly kind: 'fact', readonly fact: Fact }

const LINE_HEADER_BYTES = 18

export class FrameWriter {
  readonly #stream: Writable

  constructor (stream: Writable) {
    this.#stream = stream
  }

  count (kind: 'sent' | 'acknowledged', count: number, latenciesMs: readonly number[]): Promise<void> {
    const payload = Buffer.alloc(8 + latenciesMs.length * 4)
    payload.writeDoubleLE(count)
    latenciesMs.forEach((latency, i) => payload.writeFloatLE(latency, 8 + i * 4))
    return this.#write(FrameKind[kind], payload)
  }

  /** Resolves when the operating system has the lines: they reach the parent even if this process is killed now. */
  lines (lines: readonly DeliveredLine[]): Promise<void> {
    const payload = Buffer.allocUnsafe(lines.reduce((sum, { bytes }) => sum + LINE_HEADER_BYTES + bytes.length, 0))
    let at = 0
    for (const { queueId, queueOffset, file, bytes } of lines) {
      payload.writeUInt16LE(queueId, at)
      payload.writeDoubleLE(queueOffset, at + 2)
      payload.writeUInt32LE(file, at + 10)
      payload.writeUInt32LE(bytes.length, at + 14)
      payload.set(bytes, at + LINE_HEADER_BYTES)
      at += LINE_HEADER_BYTES + bytes.length
    }
    return this.#write(FrameKind.lines, payload)
  }

  fact (fact: Fact): Promise<void> {
    return this.#write(FrameKind.fact, Buffer.from(JSON.stringify(fact)))
  }

  #write (kind: number, payload: Uint8Array): Promise<void> {
    const frame = Buffer.allocUnsafe(5 + payload.length)
    frame.writeUInt32LE(payload.length)
    frame[4] = kind
    frame.set(payload, 5)
    return new Promise((resolve, reject) => { this.#stream.write(frame, (error) => error == null ? resolve() : reject(error)) })
  }
}

export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** The whole frames that `chunk` completes. */
  take (chunk: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let buffer = this.#rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([this.#rest, chunk])
    while (buffer.length >= 5 && buffer.length >= 5 + buffer.readUInt32LE(0)) {
      const end = 5 + buffer.readUInt32LE(0)
      frames.push(decode(buffer[4]!, buffer.subarray(5, end)))
      buffer = buffer.subarray(end)
    }
    this.#rest = buffer
    return frames
  }
}

function decode (kind: number, payload: Buffer): Frame {
  switch (kind) {
    case FrameKind.sent:
    case FrameKind.acknowledged: {
      const latenciesMs: number[] = []
      for (let at = 8; at < payload.length; at += 4) latenciesMs.push(payload.readFloatLE(at))
      return { kind: kind === FrameKind.sent ? 'sent' : 'acknowledged', count: payload.readDoubleLE(0), latenciesMs }
    }
    case FrameKind.lines: {
      const lines: DeliveredLine[] = []
      for (let at = 0; at < payload.length;) {
        const end = at + LINE_HEADER_BYTES + payload.readUInt32LE(at + 14)
        lines.push({
          queueId: payload.readUInt16LE(at),
          queueOffset: payload.readDoubleLE(at + 2),
          file: payload.readUInt32LE(at + 10),
          bytes: payload.subarray(at + LINE_HEADER_BYTES, end)
        })
        at = end
      }
      return { kind: 'lines', lines }
    }
    case FrameKind.fact: return { kind: 'fact', fact: JSON.parse(payload.toString()) as Fact }
    default: throw new Error(`a frame of unknown kind ${kind}`)
  }
}
