import type { Host } from '../message/index.ts'
import { encodeResponse } from './encode-command.ts'
import { writeBytes, writeDecimal, writeInt32 } from './fast-writes.ts'
import { HeaderType, LENGTH_BYTES, PREFIX_BYTES, type Answerable } from './frame.ts'
import { sendMessageResponse } from './headers/send-message.ts'
import { encodeMessageId, messageIdHead, writeOffsetHex } from './message-id.ts'
import { OutboundBuffer } from './outbound-buffer.ts'
import { FieldName, isPlainAscii, JSON_AFTER_FIELDS, JSON_END, ResponseWriter } from './response-writer.ts'
import { textOf } from './text.ts'

const MSG_REGION = new FieldName('MSG_REGION')
const TRACE_ON = new FieldName('TRACE_ON')
const MSG_ID = new FieldName('msgId')
const QUEUE_ID = new FieldName('queueId')
const QUEUE_OFFSET = new FieldName('queueOffset')
const TRANSACTION_ID = new FieldName('transactionId')
const RECALL_HANDLE = new FieldName('recallHandle')
const QUOTE = 0x22
const OFFSET_DIGITS = 16
/** Of a binary header: where its number is, and where the length of its fields is. */
const OPAQUE_AT = PREFIX_BYTES + 5
const FIELDS_AT = PREFIX_BYTES + 21
/** What follows the head, but for the unique key. */
const REST_BYTES = 200
const NO_HANDLE = new Uint8Array(0)
const utf8 = new TextEncoder()

export interface SendResponseOptions {
  /** The address that records are stored under, the head of their message ids. */
  readonly storeHost: Host
  readonly regionId?: string
  readonly traceOn?: boolean
}

/**
 * Writes the answers to single sends, one per message. All that is the same in each, from the prefix of the frame to the
 * name of the field `queueId`, is a piece of memory made once. Answers to batches and failures go through `connection.respond`.
 */
export class SendResponseEncoder {
  readonly #storeHost: Host
  readonly #regionId: string
  readonly #traceOn: boolean
  readonly #binaryHead: Uint8Array
  /** Of answers with code 0. */
  readonly #jsonHead: Uint8Array
  /** Where the offset's digits are in either head: so many bytes before its end. */
  readonly #binaryDigits = OFFSET_DIGITS + QUEUE_ID.binary.length
  readonly #jsonDigits = OFFSET_DIGITS + 1 + QUEUE_ID.json.length

  constructor ({ storeHost, regionId = 'DefaultRegion', traceOn = true }: SendResponseOptions) {
    this.#storeHost = storeHost
    this.#regionId = regionId
    this.#traceOn = traceOn
    this.#binaryHead = this.#headOf(HeaderType.binary)
    this.#jsonHead = this.#headOf(HeaderType.json)
  }

  #headOf (headerType: HeaderType): Uint8Array {
    const out = new OutboundBuffer()
    const writer = new ResponseWriter()
    const region = utf8.encode(this.#regionId)
    writer.begin(out, { headerType, opaque: 0, isOneWay: false, inflightBytes: 0 }, 0, undefined, REST_BYTES + region.length, undefined)
    writer.text(MSG_REGION, region)
    writer.text(TRACE_ON, utf8.encode(String(this.#traceOn)))
    writer.text(MSG_ID, Uint8Array.of(...messageIdHead(this.#storeHost), ...new Uint8Array(OFFSET_DIGITS)))
    const name = headerType === HeaderType.binary ? QUEUE_ID.binary : QUEUE_ID.json
    return Uint8Array.of(...out.bytes.subarray(0, writer.position), ...name)
  }

  /**
   * Appends the answer of a send that was stored: code 0, 10, 11 or 12. The message's UNIQ_KEY is at `uniqueKeyBytes`
   * [uniqueKeyStart, uniqueKeyEnd); left out when that is empty. The first bytes of `recallHandle`: plain ASCII; only of a message that waits for its time.
   */
  encode (
    out: OutboundBuffer, request: Answerable, code: number, queueId: number, queueOffset: number, physicalOffset: number,
    uniqueKeyBytes: Uint8Array, uniqueKeyStart: number, uniqueKeyEnd: number, recallHandle: Uint8Array = NO_HANDLE, recallHandleBytes = recallHandle.length
  ): void {
    const isBinary = request.headerType === HeaderType.binary
    if (!isBinary && (code !== 0 || !isPlainAscii(uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd))) {
      this.#encodeSlowly(out, request, code, queueId, queueOffset, physicalOffset, textOf(uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd), textOf(recallHandle, 0, recallHandleBytes))
      return
    }
    const head = isBinary ? this.#binaryHead : this.#jsonHead
    out.reserve(head.length + REST_BYTES + uniqueKeyEnd - uniqueKeyStart + recallHandleBytes)
    const { bytes, at: start } = out
    bytes.set(head, start)
    const headEnd = start + head.length
    let at: number
    if (isBinary) {
      bytes[start + PREFIX_BYTES] = code >> 8
      bytes[start + PREFIX_BYTES + 1] = code
      writeInt32(bytes, start + OPAQUE_AT, request.opaque)
      writeOffsetHex(bytes, headEnd - this.#binaryDigits, physicalOffset)
      at = writeBinaryNumber(bytes, headEnd, queueId)
      at = writeBinaryNumber(bytes, writeBytes(bytes, at, QUEUE_OFFSET.binary), queueOffset)
      if (uniqueKeyEnd > uniqueKeyStart) {
        at = writeInt32(bytes, writeBytes(bytes, at, TRANSACTION_ID.binary), uniqueKeyEnd - uniqueKeyStart)
        at = writeBytes(bytes, at, uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd)
      }
      if (recallHandleBytes > 0) at = writeBytes(bytes, writeInt32(bytes, writeBytes(bytes, at, RECALL_HANDLE.binary), recallHandleBytes), recallHandle, 0, recallHandleBytes)
      writeInt32(bytes, start + FIELDS_AT - 4, at - start - FIELDS_AT)
    } else {
      writeOffsetHex(bytes, headEnd - this.#jsonDigits, physicalOffset)
      at = writeDecimal(bytes, headEnd, queueId)
      bytes[at] = QUOTE
      at = writeDecimal(bytes, writeBytes(bytes, at + 1, QUEUE_OFFSET.json), queueOffset)
      bytes[at++] = QUOTE
      if (uniqueKeyEnd > uniqueKeyStart) {
        at = writeBytes(bytes, writeBytes(bytes, at, TRANSACTION_ID.json), uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd)
        bytes[at++] = QUOTE
      }
      if (recallHandleBytes > 0) {
        at = writeBytes(bytes, writeBytes(bytes, at, RECALL_HANDLE.json), recallHandle, 0, recallHandleBytes)
        bytes[at++] = QUOTE
      }
      at = writeDecimal(bytes, writeBytes(bytes, at, JSON_AFTER_FIELDS), request.opaque)
      at = writeBytes(bytes, at, JSON_END)
    }
    writeInt32(bytes, start, at - start - LENGTH_BYTES)
    writeInt32(bytes, start + LENGTH_BYTES, request.headerType << 24 | (at - start - PREFIX_BYTES))
    out.at = at
  }

  #encodeSlowly (out: OutboundBuffer, request: Answerable, code: number, queueId: number, queueOffset: number, physicalOffset: number, key: string, handle: string): void {
    const msgId = encodeMessageId(this.#storeHost, physicalOffset)
    const transactionId = key === '' ? undefined : key
    const recallHandle = handle === '' ? undefined : handle
    encodeResponse(out, request, { code, extFields: sendMessageResponse.encode({ MSG_REGION: this.#regionId, TRACE_ON: String(this.#traceOn), msgId, queueId, queueOffset, transactionId, recallHandle }) })
  }
}

/** A value of a field: its length, and its digits. */
function writeBinaryNumber (bytes: Uint8Array, at: number, value: number): number {
  const end = writeDecimal(bytes, at + 4, value)
  writeInt32(bytes, at, end - at - 4)
  return end
}
