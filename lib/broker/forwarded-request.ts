import { MqError } from '../base/index.ts'
import { checkPrefix, DEFAULT_MAX_FRAME_BYTES, RemotingFrame, type Address } from '../remoting/index.ts'

/** A request of a client as one node hands it to another. */
export interface ForwardedRequest {
  readonly client: Address
  /** As the client's heartbeats said it to the node that it is connected to. */
  readonly clientId: string | undefined
  readonly frame: RemotingFrame
}

const VERSION = 1
const FIXED_BYTES = 7
const MAX_TEXT_BYTES = 0xffff
const utf8 = new TextDecoder()

/** `version u8 | port u16 | hostBytes u16 | host | clientIdBytes u16 | clientId | frame`, big-endian. The frame's bytes are copied. */
export function encodeForwarded (frame: RemotingFrame, client: Address, clientId = ''): Uint8Array {
  const host = Buffer.from(client.host)
  const id = Buffer.from(clientId)
  if (host.length > MAX_TEXT_BYTES || id.length > MAX_TEXT_BYTES) throw new MqError('MQ_INVALID_ARGUMENT', 'the name of a client is too long')
  const body = Buffer.allocUnsafe(FIXED_BYTES + host.length + id.length + frame.sizeBytes)
  body[0] = VERSION
  let at = body.writeUInt16BE(client.port, 1)
  for (const text of [host, id]) {
    at = body.writeUInt16BE(text.length, at)
    body.set(text, at)
    at += text.length
  }
  body.set(frame.bytes.subarray(frame.start, frame.end), at)
  return body
}

/** A view on the bytes. @throws MQ_BAD_FRAME they are no forwarded request */
export function decodeForwarded (bytes: Uint8Array): ForwardedRequest {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 3
  const text = (): string => {
    const start = at + 2
    if (start > bytes.length) throw malformed()
    at = start + view.getUint16(start - 2)
    if (at > bytes.length) throw malformed()
    return utf8.decode(bytes.subarray(start, at))
  }
  if (bytes.length < FIXED_BYTES || bytes[0] !== VERSION) throw malformed()
  const client = { host: text(), port: view.getUint16(1) }
  const clientId = text()
  if (checkPrefix(bytes, at, bytes.length - at, DEFAULT_MAX_FRAME_BYTES) !== bytes.length - at) throw malformed()
  return { client, clientId: clientId === '' ? undefined : clientId, frame: new RemotingFrame(bytes, at, bytes.length) }
}

function malformed (): MqError {
  return new MqError('MQ_BAD_FRAME', 'a forwarded request is malformed', { outcome: 'not-applied' })
}
