import { MqError } from '../base/index.ts'
import type { Body, RemotingRequest, RemotingResponse } from './command.ts'
import { writeInt32 } from './fast-writes.ts'
import { HeaderType, LENGTH_BYTES, ONE_WAY_FLAG, PREFIX_BYTES, RESPONSE_FLAG, type Answerable } from './frame.ts'
import { DEFAULT_MAX_FRAME_BYTES } from './frame-decoder.ts'
import type { ExtFields } from './header-codec.ts'
import { LanguageCode, languageName } from './language-code.ts'
import type { OutboundBuffer } from './outbound-buffer.ts'
import { ResponseCode } from './response-code.ts'
import { ADVERTISED_VERSION } from './version.ts'

const MAX_HEADER_BYTES = 0xff_ffff
/** A UTF-16 code unit takes at most this many bytes of UTF-8. */
const UTF8_PER_UNIT = 3
const NO_FIELDS: ExtFields = {}

/** Appends a request. @throws MQ_MESSAGE_TOO_LARGE no frame can hold it */
export function encodeRequest (out: OutboundBuffer, headerType: HeaderType, request: RemotingRequest, opaque: number, isOneWay: boolean): void {
  const { code, remark, extFields, body, language = LanguageCode.JAVA, version = ADVERTISED_VERSION } = request
  encodeFrame(out, headerType, code, language, version, opaque, isOneWay ? ONE_WAY_FLAG : 0, remark, extFields, body)
}

/**
 * Appends the response to that request, in the header type it came in. Extension fields are always there, if only as an
 * empty object: RocketMQ's producer looks into them unasked.
 * @throws MQ_MESSAGE_TOO_LARGE no frame can hold it
 */
export function encodeResponse (out: OutboundBuffer, { headerType, opaque }: Pick<Answerable, 'headerType' | 'opaque'>, response: RemotingResponse): void {
  const { code, remark, extFields = NO_FIELDS, body } = response
  encodeFrame(out, headerType, code, LanguageCode.JAVA, ADVERTISED_VERSION, opaque, RESPONSE_FLAG, remark, extFields, body)
}

/** The same; a response that no frame can hold is answered with that failure instead. */
export function encodeResponseOrFailure (out: OutboundBuffer, request: Pick<Answerable, 'headerType' | 'opaque'>, response: RemotingResponse): void {
  try {
    encodeResponse(out, request, response)
  } catch (error) {
    encodeResponse(out, request, { code: ResponseCode.SYSTEM_ERROR, remark: (error as Error).message })
  }
}

function encodeFrame (
  out: OutboundBuffer, headerType: HeaderType, code: number, language: LanguageCode, version: number, opaque: number, flag: number,
  remark: string | undefined, extFields: ExtFields | undefined, body: Body | undefined
): void {
  if (headerType === HeaderType.json) {
    // keys in the order of RocketMQ's writer
    const text = `{"code":${code}${extFields === undefined ? '' : `,"extFields":${jsonFields(extFields)}`},"flag":${flag},"language":"${languageName(language)}","opaque":${opaque}` +
      `${remark === undefined ? '' : `,"remark":${JSON.stringify(remark)}`},"serializeTypeCurrentRPC":"JSON","version":${version}}`
    beginFrame(out, text.length * UTF8_PER_UNIT, body)
    const headerBytes = out.bytes.write(text, out.at + PREFIX_BYTES)
    endFrame(out, headerType, headerBytes, body)
    return
  }
  const texts = fieldTexts(extFields)
  let units = remark?.length ?? 0
  for (const text of texts) units += text.length + 6
  beginFrame(out, 21 + units * UTF8_PER_UNIT, body)
  const { bytes } = out
  const start = out.at + PREFIX_BYTES
  bytes.writeInt16BE(code << 16 >> 16, start)
  bytes[start + 2] = language
  bytes.writeInt16BE(version, start + 3)
  bytes.writeInt32BE(opaque, start + 5)
  bytes.writeInt32BE(flag, start + 9)
  let at = start + 17
  at += bytes.write(remark ?? '', at)
  bytes.writeInt32BE(at - start - 17, start + 13)
  const extStart = at + 4
  at = extStart
  for (let i = 0; i < texts.length; i += 2) {
    const keyBytes = bytes.write(texts[i]!, at + 2)
    bytes.writeInt16BE(keyBytes, at)
    at += 2 + keyBytes
    const valueBytes = bytes.write(texts[i + 1]!, at + 4)
    bytes.writeInt32BE(valueBytes, at)
    at += 4 + valueBytes
  }
  bytes.writeInt32BE(at - extStart, extStart - 4)
  endFrame(out, headerType, at - start, body)
}

/** Every value as a string: readers in Go refuse a response with anything else. */
function jsonFields (extFields: ExtFields): string {
  let text = ''
  for (const name in extFields) {
    const value = extFields[name]
    if (value === undefined) continue
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${typeof value === 'string' ? JSON.stringify(value) : `"${value}"`}`
  }
  return `{${text}}`
}

/** Keys and values by turns. */
function fieldTexts (extFields: ExtFields | undefined): string[] {
  const texts: string[] = []
  for (const name in extFields) {
    const value = extFields[name]
    if (value !== undefined) texts.push(name, String(value))
  }
  return texts
}

/** Makes room for a frame whose header takes at most `maxHeaderBytes`. */
export function beginFrame (out: OutboundBuffer, maxHeaderBytes: number, body: Body | undefined): void {
  const size = bodyBytes(body)
  if (size + maxHeaderBytes / UTF8_PER_UNIT + LENGTH_BYTES > DEFAULT_MAX_FRAME_BYTES) throw tooLarge(size + maxHeaderBytes / UTF8_PER_UNIT)
  out.reserve(PREFIX_BYTES + maxHeaderBytes + size)
}

/** Writes prefix and body around a header of `headerBytes` at `out.at + PREFIX_BYTES`. */
export function endFrame (out: OutboundBuffer, headerType: HeaderType, headerBytes: number, body: Body | undefined): void {
  const { bytes, at: start } = out
  let at = start + PREFIX_BYTES + headerBytes
  if (body instanceof Uint8Array) {
    bytes.set(body, at)
    at += body.length
  } else if (isPieces(body)) {
    for (const piece of body) {
      bytes.set(piece, at)
      at += piece.length
    }
  } else if (body !== undefined) {
    at = body.copyTo(bytes, at)
  }
  const totalBytes = at - start - LENGTH_BYTES
  if (totalBytes > DEFAULT_MAX_FRAME_BYTES || headerBytes > MAX_HEADER_BYTES) throw tooLarge(totalBytes)
  writeInt32(bytes, start, totalBytes)
  writeInt32(bytes, start + LENGTH_BYTES, headerType << 24 | headerBytes)
  out.at = at
}

export function bodyBytes (body: Body | undefined): number {
  if (body === undefined) return 0
  if (body instanceof Uint8Array) return body.length
  if (!isPieces(body)) return body.sizeBytes
  let size = 0
  for (const piece of body) size += piece.length
  return size
}

/** `Array.isArray` does not tell read-only arrays from the rest. */
function isPieces (body: Body | undefined): body is readonly Uint8Array[] {
  return Array.isArray(body)
}

function tooLarge (sizeBytes: number): MqError {
  return new MqError('MQ_MESSAGE_TOO_LARGE', `a frame of ${Math.ceil(sizeBytes)} bytes exceeds the limit of ${DEFAULT_MAX_FRAME_BYTES}`)
}
