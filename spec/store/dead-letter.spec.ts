import t from 'tap'
import { LOCAL_HOST, RecordView, decodeProperties, encodeProperties, encodeRecord, recordSizeBytes, tagsCodeOf, type RecordFields } from '../../lib/message/index.ts'
import { viewOf } from '../../lib/base/index.ts'
import { ConsumeQueue } from '../../lib/store/consume-queue.ts'
import { DeadLetterProposal, deadLetterOf, deadLetterTopicOf } from '../../lib/store/pop.ts'
import { PopGroup } from './pop-group.ts'

const utf8 = new TextEncoder()

function stored (properties: Array<[string, string]>, fields: Partial<RecordFields> = {}): RecordView {
  const record: RecordFields = {
    bodyCrc: 77,
    queueId: 0,
    flag: 5,
    queueOffset: 0,
    physicalOffset: 0x1234,
    sysFlag: 0x1 | 0x8,
    bornTimestampMs: 900,
    bornHost: LOCAL_HOST,
    storeTimestampMs: 950,
    storeHost: Uint8Array.of(10, 0, 0, 1, 0, 0, 0x2a, 0x9f),
    reconsumeTimes: 0,
    preparedTransactionOffset: 44,
    body: utf8.encode('a body'),
    topic: utf8.encode('t'),
    properties: utf8.encode(encodeProperties(properties)),
    ...fields
  }
  const bytes = new Uint8Array(recordSizeBytes(record.body.length, record.topic.length, record.properties.length) + 24)
  return new RecordView(bytes.subarray(0, encodeRecord(bytes, viewOf(bytes), 0, record)))
}

function deadLetterQueue (): ConsumeQueue {
  const topic = deadLetterTopicOf('g')
  return new ConsumeQueue({ topic, topicBytes: utf8.encode(topic), queues: [] }, 0, { generation: 0 })
}

t.test('a dead letter and the end of its lease are one entry', async (t) => {
  const group = new PopGroup(1, 3)
  await group.open()
  const { messages: [range] } = await group.pop()
  const record = stored([['KEYS', 'k1 k2'], ['TAGS', 'red'], ['UNIQ_KEY', 'U1'], ['colour', 'blue'], ['DELAY', '3']])
  const proposal = new DeadLetterProposal(group.machine, { ...range!, first: 1 }, record, deadLetterQueue(), { attempts: 16, reason: 'gave\u0001up' })
  group.seal(proposal)
  const { body, bytes } = group.sealed[0]!
  t.same(body.targets, [{ topic: '%DLQ%g', queueId: 0, firstQueueOffset: 0 }])
  t.equal(body.messageCount, 1)
  t.equal(body.commands.length, 1)
  t.equal(body.tagsCodeOf(0), tagsCodeOf('red'))
  const dead = new RecordView(bytes.slice(0, body.sizeOf(0)))
  t.equal(Buffer.from(dead.body).toString(), 'a body')
  t.match(dead, { topic: '%DLQ%g', bodyCrc: 77, flag: 5, sysFlag: 1, bornTimestampMs: 900, storeTimestampMs: 1000, reconsumeTimes: 16, preparedTransactionOffset: 0 })
  t.same(Object.fromEntries(decodeProperties(dead.propertiesText)), {
    KEYS: 'k1 k2',
    TAGS: 'red',
    UNIQ_KEY: 'U1',
    colour: 'blue',
    DLQ_ORIGIN_TOPIC: 't',
    DLQ_ORIGIN_MESSAGE_ID: 'U1',
    RECONSUME_TIME: '16',
    DLQ_REASON: 'gave up',
    RETRY_TOPIC: 't',
    ORIGIN_MESSAGE_ID: 'U1'
  })
  group.apply()
  t.same(await proposal.done, { moved: true, hasTarget: true, queueOffset: 0 })
  t.match(group.machine.progressOf('g', 't', 0), { leasedCount: 2 })

  const again = await group.run(new DeadLetterProposal(group.machine, { ...range!, first: 1 }, record, deadLetterQueue(), { attempts: 16 }))
  t.same(again, { moved: false, hasTarget: true, queueOffset: -1 }, 'its lease has ended: nothing is stored twice')
})

t.test('a dead letter topic that was deleted meanwhile is asked for again', async (t) => {
  const group = new PopGroup(1, 3)
  await group.open()
  const { messages: [range] } = await group.pop()
  const target = deadLetterQueue()
  const proposal = new DeadLetterProposal(group.machine, range!, stored([]), target, { attempts: 1 })
  target.isRetired = true
  t.same(await group.run(proposal), { moved: false, hasTarget: false, queueOffset: -1 })
  t.match(group.machine.progressOf('g', 't', 0), { leasedCount: 3 }, 'the message is still leased')
})

t.test('a message that failed elsewhere before keeps its first origin', (t) => {
  const message = deadLetterOf(stored([['RETRY_TOPIC', 'first'], ['ORIGIN_MESSAGE_ID', 'ID0'], ['RECONSUME_TIME', '3']]), { attempts: 4 })
  const properties = decodeProperties(message.propertiesText)
  t.equal(properties.get('RETRY_TOPIC'), 'first')
  t.equal(properties.get('ORIGIN_MESSAGE_ID'), 'ID0')
  t.equal(properties.get('RECONSUME_TIME'), '4')
  t.equal(properties.get('DLQ_ORIGIN_MESSAGE_ID'), '0A00000100002A9F0000000000001234', 'without UNIQ_KEY: store host and position')
  t.notOk(properties.has('DLQ_REASON'))
  t.end()
})

t.test('properties that fill all the room leave out what does not fit', (t) => {
  const value = 'x'.repeat(32767 - 'big'.length - 2 - 30)
  const message = deadLetterOf(stored([['big', value]]), { attempts: 16, reason: 'r' })
  const properties = decodeProperties(message.propertiesText)
  t.equal(properties.get('big'), value)
  t.equal(properties.get('DLQ_ORIGIN_TOPIC'), 't')
  t.notOk(properties.has('DLQ_ORIGIN_MESSAGE_ID'))
  t.ok(message.propertiesText.length <= 32767)
  t.end()
})

t.test('long bodies and IPv6 hosts stay within what the proposal said it costs', async (t) => {
  const group = new PopGroup(1, 1)
  await group.open()
  const { messages: [range] } = await group.pop()
  const record = stored([['KEYS', 'ключ'], ['name', '名前']], { body: new Uint8Array(100_000).fill(7), bornHost: new Uint8Array(20).fill(1), storeHost: new Uint8Array(20).fill(2) })
  const { moved } = await group.run(new DeadLetterProposal(group.machine, range!, record, deadLetterQueue(), { attempts: 2, reason: '理由'.repeat(400) }))
  t.equal(moved, true)
})
