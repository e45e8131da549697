import t from 'tap'
import { errorCatalogue, isMqError, openQueue, VirtualClock, type EmbeddedQueue } from '../../lib/index.ts'

async function bodiesOf (queue: EmbeddedQueue, topic: string, queueId: number): Promise<unknown[]> {
  return (await queue.read(topic, { queueId, fromOffset: 0, max: 10_000 })).map(({ body }) => body)
}

t.test('a send tells where the message is, and it is there', async (t) => {
  await using queue = await openQueue(':memory:', { clock: new VirtualClock({ wallMs: 1_700_000_000_000 }) })
  const result = await queue.send('jobs', { n: 1 }, { key: 'user-7', tag: 'welcome', properties: { from: 'here' } })
  t.match(result, { topic: 'jobs', queueId: queue.queueOf('jobs', 'user-7'), queueOffset: 0, storeTimestampMs: 1_700_000_000_000 })
  t.equal(result.id, '7F00000100000000' + result.physicalOffset.toString(16).toUpperCase().padStart(16, '0'))
  t.same(JSON.parse(JSON.stringify(result)).id, result.id)
  const [message] = await queue.read('jobs', { queueId: result.queueId, fromOffset: 0 })
  t.match(message, { topic: 'jobs', queueId: result.queueId, queueOffset: 0, id: result.id, key: 'user-7', tag: 'welcome', body: { n: 1 }, storeTimestampMs: result.storeTimestampMs })
  t.same({ ...message!.properties }, { from: 'here' })
  t.equal(Buffer.from(message!.bytes).toString(), '{"n":1}')
})

t.test('a key names its queue, no key takes turns, a queueId is obeyed', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 3 })
  const results = await Promise.all(['a', 'b', 'c', 'd'].flatMap((key) => [1, 2, 3].map((n) => queue.send('jobs', `${key}${n}`, { key }))))
  for (const key of ['a', 'b', 'c', 'd']) {
    const at = 3 * ['a', 'b', 'c', 'd'].indexOf(key)
    t.same(results.slice(at, at + 3).map(({ queueId }) => queueId), Array(3).fill(queue.queueOf('jobs', key)), key)
    const offsets = results.slice(at, at + 3).map(({ queueOffset }) => queueOffset)
    t.same(offsets, offsets.slice().sort((a, b) => a - b), `${key} in order`)
  }
  // Java: "hello".hashCode() is 99162322, "polygenelubricants".hashCode() is Integer.MIN_VALUE
  t.equal(queue.queueOf('jobs', 'hello'), 99162322 % 3)
  t.equal(queue.queueOf('jobs', 'polygenelubricants'), 2147483648 % 3)
  const turns = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => queue.send('turns', n)))
  t.same(turns.map(({ queueId }) => queueId), [0, 1, 2, 0, 1, 2])
  t.equal((await queue.send('turns', 7, { queueId: 2, key: 'whatever' })).queueId, 2)
})

t.test('a batch is stored whole: one topic or several, results in order', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 1 })
  const results = await queue.sendBatch('one', [{ body: 1 }, { body: 2, key: 'k' }, { body: 3, tag: 't', properties: { p: 'v' } }])
  t.same(results.map(({ queueOffset }) => queueOffset), [0, 1, 2])
  t.same(await bodiesOf(queue, 'one', 0), [1, 2, 3])
  const mixed = await queue.sendBatch([{ topic: 'one', body: 4 }, { topic: 'two', body: 'x' }, { topic: 'one', body: 5 }])
  t.same(mixed.map(({ topic, queueOffset }) => [topic, queueOffset]), [['one', 3], ['two', 0], ['one', 4]])
  const before = queue.stats().log.lastIndex
  await queue.sendBatch('one', Array.from({ length: 100 }, (_, body) => ({ body })))
  t.equal(queue.stats().log.lastIndex, before + 1, 'one entry')
  t.same(await queue.sendBatch('one', []), [])
  await t.rejects(queue.sendBatch('one', [{ body: 1 }, { body: undefined }]), { code: 'MQ_PAYLOAD_INVALID' })
  await t.rejects(queue.sendBatch('one', [{ body: 1 }, { body: 2, queueId: 5 }]), { code: 'MQ_QUEUE_NOT_FOUND' })
  t.equal(queue.topics().find(({ name }) => name === 'one')!.queues[0]!.maxOffset, 105, 'nothing of a refused batch is there')
})

t.test('sends to a new topic make it once, whoever comes first', async (t) => {
  await using queue = await openQueue(':memory:')
  const [first, , last] = await Promise.all([queue.send('new', 1), queue.createTopic('new', { queues: 9 }), queue.send('new', 2)])
  t.equal(first.topic, 'new')
  t.ok(last)
  t.match(queue.topics(), [{ name: 'new', queues: { length: 9 } }])
  await queue.deleteTopic('new')
  t.same(queue.topics(), [])
  const again = await queue.send('new', 3)
  t.equal(again.queueOffset, 0, 'a topic made again begins anew')
  t.same(await bodiesOf(queue, 'new', again.queueId), [3])
})

t.test('a deletion overtakes nothing and leaves nothing', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 1 })
  await queue.send('jobs', 0)
  const before = queue.send('jobs', 1)
  const deleted = queue.deleteTopic('jobs')
  const after = queue.send('jobs', 2)
  t.match(await before, { queueOffset: 1 })
  await deleted
  await t.rejects(after, { code: 'MQ_TOPIC_NOT_FOUND', outcome: 'not-applied' })
  t.match(await queue.send('jobs', 3), { queueOffset: 0 })
})

t.test('bad input is refused with a code, and nothing is stored', async (t) => {
  await using queue = await openQueue(':memory:', { limits: { maxMessageBytes: 1000, maxEntryBytes: 8192 }, topics: { bytes: { codec: 'bytes' }, jobs: { queues: 2 } } })
  const wrongTypes: Array<[string, () => Promise<unknown>]> = [
    ['topic', () => queue.send(5 as unknown as string, 1)],
    ['no topic', () => queue.send(undefined as unknown as string, 1)],
    ['options', () => queue.send('jobs', 1, 5 as never)],
    ['option name', () => queue.send('jobs', 1, { kee: 'x' } as never)],
    ['key', () => queue.send('jobs', 1, { key: 5 as never })],
    ['tag', () => queue.send('jobs', 1, { tag: {} as never })],
    ['properties', () => queue.send('jobs', 1, { properties: 'x' as never })],
    ['property', () => queue.send('jobs', 1, { properties: { a: 1 as never } })],
    ['queueId', () => queue.send('jobs', 1, { queueId: '1' as never })],
    ['signal', () => queue.send('jobs', 1, { signal: {} as never })],
    ['timeoutMs', () => queue.send('jobs', 1, { timeoutMs: {} as never })],
    ['batch', () => queue.sendBatch('jobs', 5 as never)],
    ['batch item', () => queue.sendBatch('jobs', [5 as never])],
    ['batch item option', () => queue.sendBatch('jobs', [{ body: 1, nonsense: 1 } as never])]
  ]
  for (const [name, call] of wrongTypes) await t.rejects(call(), TypeError, name)
  const codes: Array<[string, keyof typeof errorCatalogue, () => Promise<unknown>]> = [
    ['empty topic', 'MQ_INVALID_ARGUMENT', () => queue.send('', 1)],
    ['topic characters', 'MQ_INVALID_ARGUMENT', () => queue.send('a b', 1)],
    ['topic length', 'MQ_INVALID_ARGUMENT', () => queue.send('x'.repeat(128), 1)],
    ['empty key', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { key: '' })],
    ['key characters', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { key: 'a\u0001b' })],
    ['tag characters', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { tag: 'a\u0002b' })],
    ['property value', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { properties: { a: 'b\u0001' } })],
    ['empty property', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { properties: { a: '' } })],
    ['property name of the engine', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { properties: { KEYS: 'x' } })],
    ['negative queueId', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { queueId: -1 })],
    ['unknown queueId', 'MQ_QUEUE_NOT_FOUND', () => queue.send('jobs', 1, { queueId: 2 })],
    ['timeoutMs', 'MQ_INVALID_ARGUMENT', () => queue.send('jobs', 1, { timeoutMs: -1 })],
    ['body', 'MQ_PAYLOAD_INVALID', () => queue.send('bytes', 'text')],
    ['large body', 'MQ_MESSAGE_TOO_LARGE', () => queue.send('jobs', 'x'.repeat(1000))],
    ['large properties', 'MQ_MESSAGE_TOO_LARGE', () => queue.send('jobs', 1, { properties: { a: 'x'.repeat(32_767) } })],
    ['large batch', 'MQ_MESSAGE_TOO_LARGE', () => queue.sendBatch('jobs', Array.from({ length: 100 }, () => ({ body: 'x'.repeat(100) })))],
    ['topic of a batch item', 'MQ_INVALID_ARGUMENT', () => queue.sendBatch('jobs', [{ body: 1, topic: 'other' } as never])],
    ['deletion of nothing', 'MQ_TOPIC_NOT_FOUND', () => queue.deleteTopic('nothing')],
    ['read of nothing', 'MQ_TOPIC_NOT_FOUND', () => queue.read('nothing', { queueId: 0, fromOffset: 0 })],
    ['read of no queue', 'MQ_QUEUE_NOT_FOUND', () => queue.read('jobs', { queueId: 2, fromOffset: 0 })],
    ['fewer queues', 'MQ_INVALID_ARGUMENT', () => queue.createTopic('jobs', { queues: 1 })],
    ['another codec', 'MQ_INVALID_ARGUMENT', () => queue.createTopic('jobs', { codec: 'bytes' })]
  ]
  for (const [name, code, call] of codes) await t.rejects(call(), { code, outcome: 'not-applied' }, name)
  t.throws(() => queue.queueOf('jobs', 5 as never), TypeError)
  t.same(queue.topics().flatMap(({ queues }) => queues).map(({ maxOffset }) => maxOffset).filter((offset) => offset > 0), [])
})

t.test('without autoCreateTopics unknown topics are refused', async (t) => {
  await using queue = await openQueue(':memory:', { autoCreateTopics: false, topics: { known: {} } })
  await queue.send('known', 1)
  await t.rejects(queue.send('unknown', 1), { code: 'MQ_TOPIC_NOT_FOUND' })
  await t.rejects(queue.pull('unknown', { group: 'g' }), { code: 'MQ_TOPIC_NOT_FOUND' })
  t.throws(() => queue.receive('unknown', { group: 'g' }), { code: 'MQ_TOPIC_NOT_FOUND' })
  t.throws(() => queue.process('unknown', () => {}, { group: 'g' }), { code: 'MQ_TOPIC_NOT_FOUND' })
  t.same(queue.topics().map(({ name }) => name), ['known'])
})

t.test('an aborted or late send says what became of it', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 1 })
  await queue.send('jobs', 0)
  const gone = AbortSignal.abort(new Error('gone'))
  await t.rejects(queue.send('jobs', 1, { signal: gone }), { name: 'AbortError', code: 'MQ_ABORTED', outcome: 'not-applied', cause: gone.reason })
  const controller = new AbortController()
  const aborted = queue.send('jobs', 2, { signal: controller.signal })
  const batch = queue.sendBatch('jobs', [{ body: 3 }, { body: 4 }], { signal: controller.signal })
  controller.abort()
  await t.rejects(aborted, { code: 'MQ_ABORTED', outcome: 'not-applied' }, 'before it was sealed')
  await t.rejects(batch, { code: 'MQ_ABORTED', outcome: 'not-applied' })
  await queue.send('jobs', 5, { signal: new AbortController().signal, timeoutMs: 60_000 })
  t.same(await bodiesOf(queue, 'jobs', 0), [0, 5])
})

t.test('more than the bounds allow is refused at once, and may be tried again', async (t) => {
  await using queue = await openQueue(':memory:', { limits: { maxPendingProposals: 10 } })
  const results = await Promise.allSettled(Array.from({ length: 15 }, (_, n) => queue.send('jobs', n)))
  const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  t.equal(refused.length, 5)
  for (const { reason } of refused) t.ok(isMqError(reason, 'MQ_BUSY') && reason.retryable && reason.outcome === 'not-applied')
  await queue.send('jobs', 'again')
})

t.test('a closed queue takes nothing', async (t) => {
  const queue = await openQueue(':memory:')
  const last = queue.send('jobs', 1)
  const closing = queue.close()
  t.equal(queue.close(), closing, 'closing twice is closing once')
  t.match(await last, { queueOffset: 0 }, 'what was sent before is finished')
  await closing
  t.ok(queue.isClosed)
  await t.rejects(queue.send('jobs', 2), { code: 'MQ_CLOSED', outcome: 'not-applied' })
  await t.rejects(queue.sendBatch('jobs', [{ body: 1 }]), { code: 'MQ_CLOSED' })
  await t.rejects(queue.pull('jobs', { group: 'g' }), { code: 'MQ_CLOSED' })
  await t.rejects(queue.read('jobs', { queueId: 0, fromOffset: 0 }), { code: 'MQ_CLOSED' })
  await t.rejects(queue.createTopic('new'), { code: 'MQ_CLOSED' })
  await t.rejects(queue.deleteTopic('jobs'), { code: 'MQ_CLOSED' })
  await t.rejects(queue.group('g').seek('jobs', 'first'), { code: 'MQ_CLOSED' })
  for (const call of [() => queue.topics(), () => queue.stats(), () => queue.receive('jobs', { group: 'g' }), () => queue.process('jobs', () => {}, { group: 'g' })]) {
    t.throws(call, { code: 'MQ_CLOSED' })
  }
})

t.test('bytes that are transferred or resized before they are stored fail their send, and nothing else', async (t) => {
  await using queue = await openQueue(':memory:', { topics: { frames: { codec: 'bytes', queues: 1 } } })
  const bytes = new Uint8Array(100)
  const sent = queue.send('frames', bytes)
  const batch = queue.sendBatch('frames', [{ body: new Uint8Array(1) }, { body: bytes }])
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  await t.rejects(sent, { code: 'MQ_INVALID_ARGUMENT', outcome: 'not-applied' })
  await t.rejects(batch, { code: 'MQ_INVALID_ARGUMENT' })
  t.equal((await queue.send('frames', new Uint8Array(0))).queueOffset, 0)
})
