import { encodeRequest, encodeResponse, FrameDecoder, OutboundBuffer, type HeaderType, type RemotingFrame, type RemotingRequest, type RemotingResponse } from '../../lib/remoting/index.ts'

/** All that `write` put into an outgoing buffer. */
export function written (write: (out: OutboundBuffer) => void): Buffer {
  const out = new OutboundBuffer()
  write(out)
  return Buffer.concat(out.take())
}

export const requestBytes = (headerType: HeaderType, request: RemotingRequest, { opaque = 7, isOneWay = false } = {}): Buffer =>
  written((out) => encodeRequest(out, headerType, request, opaque, isOneWay))

export const responseBytes = (headerType: HeaderType, response: RemotingResponse, opaque = 7): Buffer =>
  written((out) => encodeResponse(out, { headerType, opaque }, response))

/** The frames of a stream that comes in these chunks. */
export function framesOf (chunks: Iterable<Uint8Array>, decoder = new FrameDecoder()): RemotingFrame[] {
  const frames: RemotingFrame[] = []
  for (const chunk of chunks) {
    decoder.push(chunk)
    for (let frame; (frame = decoder.next()) !== undefined;) frames.push(frame)
  }
  return frames
}

export function frameOf (bytes: Uint8Array): RemotingFrame {
  const [frame] = framesOf([bytes])
  if (frame === undefined) throw new Error('the bytes are no whole frame')
  return frame
}

/** A frame around a header that is written by hand. */
export function rawFrame (headerType: number, header: string | Uint8Array, body: string | Uint8Array = ''): Buffer {
  const headerBytes = Buffer.from(header as Uint8Array)
  const bodyBytes = Buffer.from(body as Uint8Array)
  const prefix = Buffer.alloc(8)
  prefix.writeInt32BE(4 + headerBytes.length + bodyBytes.length, 0)
  prefix.writeUInt32BE((headerType * 0x1000000) + headerBytes.length, 4)
  return Buffer.concat([prefix, headerBytes, bodyBytes])
}
