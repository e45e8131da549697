import { EntryBody, EntryBodyWriter, LOCAL_HOST, RecordView, decodeProperties, encodeMessage, encodeProperties, tagsCodeOf, type MessageFields } from '../../lib/message/index.ts'
import type { MicroSuite } from './suite.ts'

const SLAB_BYTES = 1 << 20

/** Messages to records and back; entry bodies of many records. */
export const codecs: MicroSuite = async (add) => {
  const slab = new Uint8Array(SLAB_BYTES)
  const view = new DataView(slab.buffer)
  const topic = new TextEncoder().encode('orders')
  const message: MessageFields = {
    bodyCrc: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 1_800_000_000_000,
    bornHost: LOCAL_HOST,
    reconsumeTimes: 0,
    preparedTransactionOffset: -1,
    body: new Uint8Array(1024),
    keys: 'user-4711',
    tags: 'welcome',
    propertiesText: ''
  }
  const writer = new EntryBodyWriter()
  const writeBody = (messages: number): number => {
    writer.begin(slab, view, 0, SLAB_BYTES, 0)
    const target = writer.addTarget(topic, 3, 100)
    for (let i = 0; i < messages; i++) writer.addMessage(target, 17, message, topic, 3, 100 + i, 1_800_000_000_000, LOCAL_HOST)
    return writer.finish()
  }
  add('encode a record of 1 KiB', () => encodeMessage(slab, view, 0, message, topic, 3, 100, 0, 1_800_000_000_000, LOCAL_HOST))
  const record = slab.slice(0, encodeMessage(slab, view, 0, message, topic, 3, 100, 0, 1_800_000_000_000, LOCAL_HOST))
  add('read a record: body and properties text', () => { const read = new RecordView(record); return [read.body, read.propertiesText] })
  add('entry body of 500 records of 1 KiB', () => writeBody(500))
  const body = slab.slice(0, writeBody(500))
  add('open an entry body of 500 records', () => new EntryBody(body))
  const properties = new Map([['trace', 'a1b2c3'], ['origin', 'web'], ['tenant', '42']])
  const text = encodeProperties(properties)
  add('encode 3 properties', () => encodeProperties(properties))
  add('decode 3 properties', () => decodeProperties(text))
  add('tagsCode of a 7-letter tag', () => tagsCodeOf('welcome'))
}
