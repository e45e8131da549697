import { beginFrame, endFrame } from './encode-command.ts'
import { writeBytes, writeDecimal, writeInt32 } from './fast-writes.ts'
import { HeaderType, PREFIX_BYTES, RESPONSE_FLAG, type Answerable } from './frame.ts'
import type { Body } from './command.ts'
import { LanguageCode, languageName } from './language-code.ts'
import type { OutboundBuffer } from './outbound-buffer.ts'
import { ADVERTISED_VERSION } from './version.ts'

const utf8 = new TextEncoder()

const JSON_START = utf8.encode('{"code":')
const JSON_FIELDS = utf8.encode(',"extFields":{')
export const JSON_AFTER_FIELDS = utf8.encode(`},"flag":${RESPONSE_FLAG},"language":"${languageName(LanguageCode.JAVA)}","opaque":`)
const JSON_REMARK = utf8.encode(',"remark":"')
export const JSON_END = utf8.encode(`,"serializeTypeCurrentRPC":"JSON","version":${ADVERTISED_VERSION}}`)
const QUOTE = 0x22
/** All of a header that is neither remark nor field. */
const FRAME_PARTS_BYTES = 200

/** The name of an extension field as it stands in front of its value. */
export class FieldName {
  /** With a comma in front, which the first field leaves out. */
  readonly json: Uint8Array
  readonly binary: Uint8Array

  constructor (name: string) {
    this.json = utf8.encode(`,"${name}":"`)
    this.binary = Uint8Array.of(0, name.length, ...utf8.encode(name))
  }
}

/**
 * Writes a response header field by field, straight into the outgoing buffer: for the responses of which there is one per
 * message. Names and texts are bytes made beforehand, numbers are written as digits; texts must be ASCII that JSON writes as it is.
 *
 *     writer.begin(out, request, code, remark, roomForFields, body)
 *     writer.number(name, value); writer.text(name, bytes, start, end)
 *     writer.end()
 */
export class ResponseWriter {
  #out!: OutboundBuffer
  #bytes!: Uint8Array
  #at = 0
  #isJson = false
  #headerStart = 0
  #extStart = 0
  #opaque = 0
  #remark: Uint8Array | undefined
  #body: Body | undefined
  /** 1 before the first field of a JSON header. */
  #skipped = 1

  /** `maxFieldBytes`: what all fields take at most, each as its name, its value and 8 bytes. */
  begin (out: OutboundBuffer, { headerType, opaque }: Answerable, code: number, remark: Uint8Array | undefined, maxFieldBytes: number, body: Body | undefined): void {
    beginFrame(out, FRAME_PARTS_BYTES + (remark?.length ?? 0) + maxFieldBytes, body)
    const bytes = this.#bytes = out.bytes
    let at = this.#headerStart = out.at + PREFIX_BYTES
    this.#out = out
    this.#body = body
    this.#isJson = headerType === HeaderType.json
    if (this.#isJson) {
      this.#opaque = opaque
      this.#remark = remark
      this.#skipped = 1
      at = writeBytes(bytes, at, JSON_START)
      at = writeDecimal(bytes, at, code)
      this.#at = writeBytes(bytes, at, JSON_FIELDS)
      return
    }
    bytes[at] = code >> 8
    bytes[at + 1] = code
    bytes[at + 2] = LanguageCode.JAVA
    bytes[at + 3] = ADVERTISED_VERSION >> 8
    bytes[at + 4] = ADVERTISED_VERSION & 0xff
    at = writeInt32(bytes, at + 5, opaque)
    at = writeInt32(bytes, at, RESPONSE_FLAG)
    at = writeInt32(bytes, at, remark?.length ?? 0)
    if (remark !== undefined) at = writeBytes(bytes, at, remark)
    this.#at = this.#extStart = at + 4
  }

  /** Where the next field goes. */
  get position (): number { return this.#at }

  number ({ json, binary }: FieldName, value: number): void {
    const bytes = this.#bytes
    if (this.#isJson) {
      const at = writeDecimal(bytes, writeBytes(bytes, this.#at, json, this.#skipped), value)
      this.#skipped = 0
      bytes[at] = QUOTE
      this.#at = at + 1
      return
    }
    const lengthAt = writeBytes(bytes, this.#at, binary)
    this.#at = writeDecimal(bytes, lengthAt + 4, value)
    writeInt32(bytes, lengthAt, this.#at - lengthAt - 4)
  }

  text ({ json, binary }: FieldName, value: Uint8Array, start = 0, end = value.length): void {
    const bytes = this.#bytes
    if (this.#isJson) {
      const at = writeBytes(bytes, writeBytes(bytes, this.#at, json, this.#skipped), value, start, end)
      this.#skipped = 0
      bytes[at] = QUOTE
      this.#at = at + 1
      return
    }
    const lengthAt = writeBytes(bytes, this.#at, binary)
    writeInt32(bytes, lengthAt, end - start)
    this.#at = writeBytes(bytes, lengthAt + 4, value, start, end)
  }

  end (): void {
    const bytes = this.#bytes
    let at = this.#at
    if (this.#isJson) {
      at = writeBytes(bytes, at, JSON_AFTER_FIELDS)
      at = writeDecimal(bytes, at, this.#opaque)
      if (this.#remark !== undefined) {
        at = writeBytes(bytes, writeBytes(bytes, at, JSON_REMARK), this.#remark)
        bytes[at++] = QUOTE
      }
      at = writeBytes(bytes, at, JSON_END)
    } else {
      writeInt32(bytes, this.#extStart - 4, at - this.#extStart)
    }
    endFrame(this.#out, this.#isJson ? HeaderType.json : HeaderType.binary, at - this.#headerStart, this.#body)
    this.#body = undefined
  }
}

/** Whether these bytes may stand in a JSON string as they are. */
export function isPlainAscii (bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte < 0x20 || byte > 0x7e || byte === QUOTE || byte === 0x5c) return false
  }
  return true
}
