import { viewOf } from '../base/index.ts'
import { decodeProperties, encodeProperties, MAX_PROPERTIES_BYTES, notePrepared, patchCommitted, Property, RecordView, SysFlag, type Host, type RecordFields } from '../message/index.ts'
import type { HalfUnit } from './half-page.ts'

/** Where messages go whose producers did not say in time what became of the transaction. */
export const DISCARD_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC'

const ADDED = [Property.realTopic, Property.realQueueId, Property.transactionCheckTimes, Property.preparedQueueOffset]
const utf8 = new TextEncoder()

/** A copy of a half message's record that remembers where it was stored first, for when it is stored anew. */
export function movedRecord (record: Uint8Array, { preparedPosition }: HalfUnit): Uint8Array {
  const copy = record.slice()
  notePrepared(viewOf(copy), 0, preparedPosition)
  return copy
}

/** The same as a message that was committed. */
export function committedRecord (record: Uint8Array, { preparedPosition }: HalfUnit): Uint8Array {
  const copy = record.slice()
  patchCommitted(viewOf(copy), 0, preparedPosition)
  return copy
}

/** What tells that the half message was given up: for `DISCARD_TOPIC`. Body and properties are views on the record. */
export function discardedFields (record: RecordView, unit: HalfUnit, storeHost: Host): RecordFields {
  const { topic, queueId, checkTimes, halfOffset, preparedPosition } = unit
  const properties = decodeProperties(record.propertiesText)
  const own = encodeProperties(properties)
  const added = [topic, String(queueId), String(checkTimes), String(halfOffset)]
  ADDED.forEach((name, i) => properties.set(name, added[i]!))
  const all = utf8.encode(encodeProperties(properties))
  return {
    ...fieldsOf(record, storeHost),
    queueId: 0,
    sysFlag: record.sysFlag & ~SysFlag.transactionMask,
    preparedTransactionOffset: preparedPosition,
    topic: utf8.encode(DISCARD_TOPIC),
    // they are for people; what counts is in the unit
    properties: all.length <= MAX_PROPERTIES_BYTES ? all : utf8.encode(own)
  }
}

/** The half message again, from what told that it was given up; `asCommitted`: as one that was committed. */
export function revivedFields (record: RecordView, { topic, queueId, preparedPosition }: HalfUnit, storeHost: Host, asCommitted: boolean): RecordFields {
  const properties = decodeProperties(record.propertiesText)
  for (const name of ADDED) properties.delete(name)
  return {
    ...fieldsOf(record, storeHost),
    queueId,
    sysFlag: (record.sysFlag & ~SysFlag.transactionMask) | (asCommitted ? SysFlag.commit : SysFlag.prepared),
    preparedTransactionOffset: preparedPosition,
    topic: utf8.encode(topic),
    properties: utf8.encode(encodeProperties(properties))
  }
}

/** For its producer: as it was sent, with the number of the check. Its place is that of the half message. */
export function checkedFields (record: RecordView, { halfOffset, preparedPosition, checkTimes }: HalfUnit): RecordFields {
  const properties = decodeProperties(record.propertiesText)
  properties.set(Property.transactionCheckTimes, String(checkTimes))
  return {
    ...fieldsOf(record, record.storeHost),
    queueId: record.queueId,
    queueOffset: halfOffset,
    physicalOffset: preparedPosition,
    storeTimestampMs: record.storeTimestampMs,
    sysFlag: record.sysFlag & ~SysFlag.transactionMask,
    preparedTransactionOffset: 0,
    topic: utf8.encode(record.topic),
    properties: utf8.encode(encodeProperties(properties))
  }
}

function fieldsOf (record: RecordView, storeHost: Host) {
  const { bodyCrc, flag, bornTimestampMs, bornHost, reconsumeTimes, body } = record
  return { bodyCrc, flag, bornTimestampMs, bornHost, reconsumeTimes, body, storeHost, queueOffset: -1, physicalOffset: -1, storeTimestampMs: 0 }
}
