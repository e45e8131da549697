import type { Host } from '../message/index.ts'
import { encodeResponse } from './encode-command.ts'
import type { Answerable } from './frame.ts'
import { sendMessageResponse } from './headers/send-message.ts'
import { encodeMessageId, messageIdHead, writeOffsetHex } from './message-id.ts'
import type { OutboundBuffer } from './outbound-buffer.ts'
import { FieldName, isPlainAscii, ResponseWriter } from './response-writer.ts'
import { textOf } from './text.ts'

const MSG_REGION = new FieldName('MSG_REGION')
const TRACE_ON = new FieldName('TRACE_ON')
const MSG_ID = new FieldName('msgId')
const QUEUE_ID = new FieldName('queueId')
const QUEUE_OFFSET = new FieldName('queueOffset')
const TRANSACTION_ID = new FieldName('transactionId')
const utf8 = new TextEncoder()

export interface SendResponseOptions {
  /** The address that records are stored under, the head of their message ids. */
  readonly storeHost: Host
  readonly regionId?: string
  readonly traceOn?: boolean
}

/** Writes the answers to single sends, one per message. Answers to batches and failures go through `connection.respond`. */
export class SendResponseEncoder {
  readonly #writer = new ResponseWriter()
  readonly #storeHost: Host
  readonly #regionId: string
  readonly #region: Uint8Array
  readonly #traceOn: Uint8Array
  readonly #messageId: Uint8Array
  readonly #maxFieldBytes: number

  constructor ({ storeHost, regionId = 'DefaultRegion', traceOn = true }: SendResponseOptions) {
    const head = messageIdHead(storeHost)
    this.#storeHost = storeHost
    this.#regionId = regionId
    this.#region = utf8.encode(regionId)
    this.#traceOn = utf8.encode(String(traceOn))
    this.#messageId = new Uint8Array(head.length + 16)
    this.#messageId.set(head)
    this.#maxFieldBytes = 6 * 24 + this.#region.length + this.#messageId.length + 5 + 11 + 20
  }

  /**
   * Appends the answer of a send that was stored: code 0, 10, 11 or 12. The message's UNIQ_KEY is at `uniqueKeyBytes`
   * [uniqueKeyStart, uniqueKeyEnd); left out when that is empty.
   */
  encode (
    out: OutboundBuffer, request: Answerable, code: number, queueId: number, queueOffset: number, physicalOffset: number,
    uniqueKeyBytes: Uint8Array, uniqueKeyStart: number, uniqueKeyEnd: number
  ): void {
    if (!isPlainAscii(uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd)) {
      this.#encodeSlowly(out, request, code, queueId, queueOffset, physicalOffset, textOf(uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd))
      return
    }
    const writer = this.#writer
    const messageId = this.#messageId
    writeOffsetHex(messageId, messageId.length - 16, physicalOffset)
    writer.begin(out, request, code, undefined, this.#maxFieldBytes + uniqueKeyEnd - uniqueKeyStart, undefined)
    writer.text(MSG_REGION, this.#region)
    writer.text(TRACE_ON, this.#traceOn)
    writer.text(MSG_ID, messageId)
    writer.number(QUEUE_ID, queueId)
    writer.number(QUEUE_OFFSET, queueOffset)
    if (uniqueKeyEnd > uniqueKeyStart) writer.text(TRANSACTION_ID, uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd)
    writer.end()
  }

  #encodeSlowly (out: OutboundBuffer, request: Answerable, code: number, queueId: number, queueOffset: number, physicalOffset: number, transactionId: string): void {
    const msgId = encodeMessageId(this.#storeHost, physicalOffset)
    const TRACE_ON = new TextDecoder().decode(this.#traceOn)
    encodeResponse(out, request, { code, extFields: sendMessageResponse.encode({ MSG_REGION: this.#regionId, TRACE_ON, msgId, queueId, queueOffset, transactionId }) })
  }
}
