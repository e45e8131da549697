import { FieldReader } from '../field-reader.ts'
import type { RemotingFrame } from '../frame.ts'
import { bool, headerCodec, int, long, optional, text } from '../header-codec.ts'
import { unescapeJson } from '../text.ts'

/** What of a send is handed on with a reply, see `pushReplyMessageToClient`. */
export const handedOnFields = {
  producerGroup: text,
  topic: text,
  defaultTopic: text,
  defaultTopicQueueNums: int,
  queueId: int,
  sysFlag: int,
  bornTimestamp: long,
  flag: int,
  properties: optional(text),
  reconsumeTimes: optional(int),
  unitMode: optional(bool)
}

/**
 * 10 SEND_MESSAGE, 324 SEND_REPLY_MESSAGE (long names) · 310 SEND_MESSAGE_V2, 320 SEND_BATCH_MESSAGE, 325 SEND_REPLY_MESSAGE_V2 (short names)
 *
 *     producerGroup          a  S
 *     topic                  b  S
 *     defaultTopic           c  S   template of a topic that is made on the way: TBW102
 *     defaultTopicQueueNums  d  I
 *     queueId                e  I   below 0: the broker chooses
 *     sysFlag                f  I
 *     bornTimestamp          g  L   ms
 *     flag                   h  I   the user's
 *     properties             i  S?  name \x01 value \x02 ...
 *     reconsumeTimes         j  I?  only for retry topics
 *     unitMode               k  B?
 *     maxReconsumeTimes      l  I?  only for retry topics
 *     batch                  m  B?
 *     bname                  n  S?  broker name; not read here
 *     body: the message; for 320 and for batch=true items one after the other
 *
 * Response, for the codes that mean stored (0, 10, 11, 12): see `sendMessageResponse` and SendResponseWriter.
 * @see RocketMQ SendMessageRequestHeader, SendMessageRequestHeaderV2
 */
export const sendMessage = headerCodec({
  ...handedOnFields,
  maxReconsumeTimes: optional(int),
  batch: optional(bool),
  bname: optional(text)
})

/** The same by its short names, as 310, 320 and 325 carry it. */
export const sendMessageV2 = headerCodec({
  a: text,
  b: text,
  c: text,
  d: int,
  e: int,
  f: int,
  g: long,
  h: int,
  i: optional(text),
  j: optional(int),
  k: optional(bool),
  l: optional(int),
  m: optional(bool),
  n: optional(text)
})

/**
 *     msgId          S   offset id: upper-case hex of store host and physicalOffset; of a batch all of them, joined by commas
 *     queueId        I
 *     queueOffset    L   of a batch the first
 *     transactionId  S?  the message's UNIQ_KEY
 *     batchUniqId    S?
 *     recallHandle   S?  only for timer messages
 *     MSG_REGION     S?  Java's producer fails when the response has no extension fields at all
 *     TRACE_ON       S?
 *
 * @see RocketMQ SendMessageResponseHeader
 */
export const sendMessageResponse = headerCodec({
  msgId: text,
  queueId: int,
  queueOffset: long,
  transactionId: optional(text),
  batchUniqId: optional(text),
  recallHandle: optional(text),
  MSG_REGION: optional(text),
  TRACE_ON: optional(text)
})

const NAMES = [
  ['producerGroup', 'a'], ['topic', 'b'], ['defaultTopic', 'c'], ['defaultTopicQueueNums', 'd'], ['queueId', 'e'], ['sysFlag', 'f'], ['bornTimestamp', 'g'],
  ['flag', 'h'], ['properties', 'i'], ['reconsumeTimes', 'j'], ['unitMode', 'k'], ['maxReconsumeTimes', 'l'], ['batch', 'm']
]
const reader = new FieldReader(NAMES)
const PROPERTIES = 8
const PLAIN_BYTES = 16 * 1024
const none = new Uint8Array(0)

/**
 * The header of a send, read in place without a text or object per field (texts that come again are the same string each
 * time). One of these may serve all sends of a broker: `read` overwrites it.
 *
 * The body is at `frame.bytes` [frame.bodyStart, frame.end), the properties at `propertiesBytes` [propertiesStart,
 * propertiesEnd), both to be copied straight into the record that is stored. They stay as they are as long as they are held.
 */
export class SendMessageHeader {
  producerGroup = ''
  topic = ''
  defaultTopic = ''
  defaultTopicQueueNums = 0
  queueId = 0
  sysFlag = 0
  bornTimestampMs = 0
  flag = 0
  reconsumeTimes = 0
  unitMode = false
  /** -1 when the sender did not say. */
  maxReconsumeTimes = -1
  batch = false
  /** UTF-8 of the properties text; the frame's own bytes unless JSON had escaped them. */
  propertiesBytes: Uint8Array = none
  propertiesStart = 0
  propertiesEnd = 0
  /** Memory for properties without their escapes, of many messages side by side; never written twice. */
  #plain: Uint8Array = none
  #plainAt = 0

  /** Long and short names are taken under every code. @throws MQ_BAD_FIELD a required field is missing or malformed */
  read (frame: RemotingFrame): this {
    reader.open(frame)
    const { bytes } = frame
    this.producerGroup = reader.text(bytes, 0)
    this.topic = reader.text(bytes, 1)
    this.defaultTopic = reader.text(bytes, 2)
    this.defaultTopicQueueNums = reader.int(bytes, 3)
    this.queueId = reader.int(bytes, 4)
    this.sysFlag = reader.int(bytes, 5)
    this.bornTimestampMs = reader.long(bytes, 6)
    this.flag = reader.int(bytes, 7)
    this.#readProperties(bytes)
    this.reconsumeTimes = reader.intOr(bytes, 9, 0)
    this.unitMode = reader.boolOr(bytes, 10, false)
    this.maxReconsumeTimes = reader.intOr(bytes, 11, -1)
    this.batch = reader.boolOr(bytes, 12, false)
    return this
  }

  #readProperties (bytes: Uint8Array): void {
    if (!reader.has(PROPERTIES)) {
      this.propertiesBytes = none
      this.propertiesStart = this.propertiesEnd = 0
      return
    }
    const start = reader.start(PROPERTIES)
    const end = reader.end(PROPERTIES)
    if (!reader.isEscaped(PROPERTIES)) {
      this.propertiesBytes = bytes
      this.propertiesStart = start
      this.propertiesEnd = end
      return
    }
    // the two separators of properties are control characters, so JSON always has escapes here
    if (this.#plain.length - this.#plainAt < end - start) {
      this.#plain = new Uint8Array(Math.max(PLAIN_BYTES, end - start))
      this.#plainAt = 0
    }
    this.propertiesBytes = this.#plain
    this.propertiesStart = this.#plainAt
    this.propertiesEnd = this.#plainAt = unescapeJson(bytes, start, end, this.#plain, this.#plainAt)
  }
}
