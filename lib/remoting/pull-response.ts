import type { Body } from './command.ts'
import type { Answerable } from './frame.ts'
import type { OutboundBuffer } from './outbound-buffer.ts'
import { FieldName, ResponseWriter } from './response-writer.ts'

const MAX_OFFSET = new FieldName('maxOffset')
const MIN_OFFSET = new FieldName('minOffset')
const NEXT_BEGIN_OFFSET = new FieldName('nextBeginOffset')
const SUGGEST_WHICH_BROKER_ID = new FieldName('suggestWhichBrokerId')
const MAX_FIELD_BYTES = 4 * (24 + 8 + 20)

const utf8 = new TextEncoder()
const writer = new ResponseWriter()

/** What the store found, as the remark of a pull's answer; for people. @see RocketMQ GetMessageStatus */
export const PullStatus = {
  FOUND: utf8.encode('FOUND'),
  NO_MATCHED_MESSAGE: utf8.encode('NO_MATCHED_MESSAGE'),
  MESSAGE_WAS_REMOVING: utf8.encode('MESSAGE_WAS_REMOVING'),
  OFFSET_FOUND_NULL: utf8.encode('OFFSET_FOUND_NULL'),
  OFFSET_OVERFLOW_BADLY: utf8.encode('OFFSET_OVERFLOW_BADLY'),
  OFFSET_OVERFLOW_ONE: utf8.encode('OFFSET_OVERFLOW_ONE'),
  OFFSET_TOO_SMALL: utf8.encode('OFFSET_TOO_SMALL'),
  NO_MATCHED_LOGIC_QUEUE: utf8.encode('NO_MATCHED_LOGIC_QUEUE'),
  NO_MESSAGE_IN_QUEUE: utf8.encode('NO_MESSAGE_IN_QUEUE'),
  OFFSET_RESET: utf8.encode('OFFSET_RESET')
} as const

/**
 * Appends the answer of a pull: code 0, 19, 20 or 21. The body is given as it lies in the log, in pieces, and copied once,
 * into the outgoing buffer, before this returns; the pieces stay the caller's.
 */
export function encodePullResponse (
  out: OutboundBuffer, request: Answerable, code: number, status: Uint8Array,
  suggestWhichBrokerId: number, nextBeginOffset: number, minOffset: number, maxOffset: number, body: Body | undefined
): void {
  writer.begin(out, request, code, status, MAX_FIELD_BYTES, body)
  writer.number(MAX_OFFSET, maxOffset)
  writer.number(MIN_OFFSET, minOffset)
  writer.number(NEXT_BEGIN_OFFSET, nextBeginOffset)
  writer.number(SUGGEST_WHICH_BROKER_ID, suggestWhichBrokerId)
  writer.end()
}
