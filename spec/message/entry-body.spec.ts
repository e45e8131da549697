import fc from 'fast-check'
import t from 'tap'
import { viewOf } from '../../lib/base/index.ts'
import { EntryBody, EntryBodyWriter, LOCAL_HOST, RecordView, recordSizeBytes, type MessageFields } from '../../lib/message/index.ts'

const utf8 = new TextEncoder()
const START = 88
const BODY_OFFSET = 5000

const message = (body: Uint8Array, tags = ''): MessageFields => ({
  body, keys: '', tags, propertiesText: '', bodyCrc: 0, flag: 0, sysFlag: 0, bornTimestampMs: 1, bornHost: LOCAL_HOST, reconsumeTimes: 0, preparedTransactionOffset: 0
})

const itemArbitrary = fc.oneof(
  fc.record({ kind: fc.constant('message' as const), topic: fc.constantFrom('a', 'topic', '中文'), queueId: fc.nat(3), body: fc.uint8Array({ maxLength: 200 }), tagsCode: fc.integer() }),
  fc.record({ kind: fc.constant('command' as const), type: fc.nat(0xffff), payload: fc.uint8Array({ maxLength: 50 }) }),
  fc.record({ kind: fc.constant('replace' as const), payload: fc.uint8Array({ maxLength: 50 }) })
)
type Item = typeof itemArbitrary extends fc.Arbitrary<infer T> ? T : never

interface Written {
  readonly body: Uint8Array
  readonly sizes: number[]
  readonly records: Array<{ topic: string, queueId: number, queueOffset: number, tagsCode: number, body: Uint8Array }>
  readonly commands: Array<{ recordsBefore: number, type: number, payload: Uint8Array }>
}

function write (writer: EntryBodyWriter, items: readonly Item[]): Written {
  const slab = new Uint8Array(128 * 1024)
  writer.begin(slab, viewOf(slab), START, 100 * 1024, BODY_OFFSET)
  const targets = new Map<string, { ordinal: number, next: number }>()
  const written: Written = { body: slab, sizes: [], records: [], commands: [] }
  for (const item of items) {
    if (item.kind === 'message') {
      const { topic, queueId, tagsCode, body } = item
      const key = `${topic}/${queueId}`
      let target = targets.get(key)
      if (target === undefined) targets.set(key, target = { ordinal: writer.addTarget(utf8.encode(topic), queueId, 2 ** 40), next: 2 ** 40 })
      written.sizes.push(writer.addMessage(target.ordinal, tagsCode, message(body), utf8.encode(topic), queueId, target.next, 1, LOCAL_HOST))
      written.records.push({ topic, queueId, queueOffset: target.next++, tagsCode, body })
    } else if (item.kind === 'command') {
      writer.addCommand(item.type, item.payload)
      written.commands.push({ recordsBefore: written.records.length, type: item.type, payload: item.payload })
    } else if (written.commands.length > 0) {
      const ordinal = written.commands.length >> 1
      writer.replaceCommand(ordinal, item.payload)
      written.commands[ordinal] = { ...written.commands[ordinal]!, payload: item.payload }
    }
  }
  const expected = writer.sizeBytes
  const sizeBytes = writer.finish()
  if (sizeBytes !== expected) throw new Error(`size ${sizeBytes}, foretold ${expected}`)
  return { ...written, body: slab.subarray(START, START + sizeBytes) }
}

t.test('round trip: what was written is what apply sees, at the positions it was told', async (t) => {
  const writer = new EntryBodyWriter()
  fc.assert(fc.property(fc.array(itemArbitrary, { maxLength: 60 }), (items) => {
    const { body, records, commands } = write(writer, items)
    const read = new EntryBody(body)
    if (read.messageCount !== records.length) throw new Error('count')
    const next = read.targets.map(({ firstQueueOffset }) => firstQueueOffset)
    let at = 0
    records.forEach((record, i) => {
      const target = read.targets[read.targetOf(i)]!
      const view = new RecordView(body.subarray(at, at + read.sizeOf(i)))
      const same = target.topic === record.topic && target.queueId === record.queueId && next[read.targetOf(i)]!++ === record.queueOffset && view.queueOffset === record.queueOffset &&
        read.tagsCodeOf(i) === record.tagsCode && view.physicalOffset === BODY_OFFSET + at && view.topic === record.topic && Buffer.compare(view.body, record.body) === 0
      if (!same) throw new Error(`record ${i}`)
      at += read.sizeOf(i)
    })
    const plain = (list: ReadonlyArray<{ recordsBefore: number, type: number, payload: Uint8Array }>) => JSON.stringify(list.map(({ recordsBefore, type, payload }) => [recordsBefore, type, [...payload]]))
    if (plain(read.commands) !== plain(commands)) throw new Error('commands')
  }), { numRuns: 400 })
  t.pass()
})

t.test('room is never promised that is not there', async (t) => {
  const writer = new EntryBodyWriter()
  const slab = new Uint8Array(4096)
  const topic = utf8.encode('topic')
  fc.assert(fc.property(fc.integer({ min: 200, max: 3000 }), fc.array(fc.nat(300), { maxLength: 40 }), (limit, sizes) => {
    writer.begin(slab, viewOf(slab), 0, limit, 0)
    let queueId = 0
    for (const size of sizes) {
      if (EntryBodyWriter.recordCostBytes(recordSizeBytes(size, topic.length, 0), topic.length) > writer.remainingBytes) break
      writer.addMessage(writer.addTarget(topic, queueId, 0), 0, message(new Uint8Array(size)), topic, queueId++, 0, 1, LOCAL_HOST)
      if (EntryBodyWriter.commandCostBytes(7) <= writer.remainingBytes) writer.addCommand(1, new Uint8Array(7))
    }
    return writer.finish() <= limit
  }), { numRuns: 300 })
  t.pass()
})

t.test('a generation is never met twice, whichever writer', async (t) => {
  const slab = new Uint8Array(1024)
  const writers = [new EntryBodyWriter(), new EntryBodyWriter()]
  const seen = new Set<number>()
  for (let i = 0; i < 10; i++) {
    for (const writer of writers) {
      writer.begin(slab, viewOf(slab), 0, 1024, 0)
      seen.add(writer.generation)
    }
  }
  t.equal(seen.size, 20)
})

/** Reads all there is to read; whatever comes of malformed bytes is MQ_CORRUPT, in bounded time. */
function readAll (bytes: Uint8Array): boolean {
  try {
    const body = new EntryBody(bytes)
    let total = 0
    for (let i = 0; i < body.messageCount; i++) total += body.sizeOf(i) + body.tagsCodeOf(i) * 0 + body.targets[body.targetOf(i)]!.queueId * 0
    return total <= bytes.length && body.commands.every(({ recordsBefore }) => recordsBefore <= body.messageCount)
  } catch (error) {
    return (error as { code?: string }).code === 'MQ_CORRUPT'
  }
}

t.test('malformed bodies are refused: any byte changed, any length cut', async (t) => {
  const sample = write(new EntryBodyWriter(), [
    { kind: 'message', topic: 'a', queueId: 1, body: new Uint8Array(10), tagsCode: 5 },
    { kind: 'command', type: 7, payload: new Uint8Array(5) },
    { kind: 'message', topic: 'topic', queueId: 2, body: new Uint8Array(0), tagsCode: 6 },
    { kind: 'command', type: 8, payload: new Uint8Array(0) }
  ]).body
  for (let length = 0; length < sample.length; length++) t.throws(() => new EntryBody(sample.subarray(0, length)), { code: 'MQ_CORRUPT' })
  let survived = 0
  for (let at = 0; at < sample.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = sample.slice()
      flipped[at]! ^= 1 << bit
      if (!readAll(flipped)) t.fail(`byte ${at}, bit ${bit}`)
      else survived++
    }
  }
  t.equal(survived, sample.length * 8)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), readAll), { numRuns: 3000 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.array(fc.nat(300), { minLength: 4, maxLength: 4 }), (bytes, trailer) => {
    const body = new Uint8Array(bytes.length + 16)
    body.set(bytes)
    trailer.forEach((value, i) => viewOf(body).setUint32(bytes.length + 4 * i, value))
    return readAll(body)
  }), { numRuns: 5000 })
})
