import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FrameDecoder, type RemotingFrame } from '../../lib/remoting/index.ts'

/** A peer that is driven byte by byte. */
export class RawPeer {
  readonly stream: Duplex
  readonly frames: RemotingFrame[] = []
  readonly writes: number[] = []
  isClosed = false
  readonly #decoder = new FrameDecoder()

  constructor (stream: Duplex) {
    this.stream = stream
    stream.on('close', () => { this.isClosed = true })
    stream.on('data', (chunk: Uint8Array) => {
      this.writes.push(chunk.length)
      this.#decoder.push(chunk)
      for (let frame; (frame = this.#decoder.next()) !== undefined;) this.frames.push(frame)
    })
  }

  send (...frames: Uint8Array[]): this {
    this.stream.write(Buffer.concat(frames))
    return this
  }

  async until (condition: () => boolean): Promise<void> {
    for (let turn = 0; !condition(); turn++) {
      if (turn > 10_000) throw new Error('it did not happen')
      await nextTurn()
    }
  }
}
