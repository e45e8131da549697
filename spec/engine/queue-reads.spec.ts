import t, { type Test } from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { GetMessagesResult, PutProposal, type Arrival, type Engine, type PutResult } from '../../lib/engine/index.ts'
import { SqlFilter } from '../../lib/filter/index.ts'
import { bodyCrcOf, tagsCodeOf } from '../../lib/message/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, openEngine, put, topicConfig, wireMessage } from './wire.ts'

async function putAll (engine: Engine, topic: string, messages: ReadonlyArray<readonly [body: string, tags: string]>): Promise<void> {
  for (const [body, tags] of messages) await put(engine, topic, wireMessage(body, { tags }))
}

/** So that most of what is sent is read from the disk. */
async function openWithLittleMemory (t: Test): Promise<Engine> {
  const clock = new VirtualClock()
  const { limits } = checkOpenOptions(':memory:', { clock })
  const engine = await openEngine(clock, {
    limits: { ...limits, tailCacheBytes: 256 * 1024, coldCacheBytes: 16 * 1024 },
    storeSettings: { unpersistedBytes: 24 * 2000, pageCacheBytes: 1000 }
  })
  t.teardown(() => engine.close())
  return engine
}

t.test('outcomes at the edges of a queue, as RocketMQ tells them', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const outcome = async (topic: string, fromOffset: number, queueId = 0) => {
    const { result: { status, nextBeginOffset, minOffset, maxOffset } } = await get(engine, { topic, queueId, fromOffset })
    return [status, nextBeginOffset, minOffset, maxOffset]
  }
  t.same(await outcome('orders', 0), ['NO_MATCHED_LOGIC_QUEUE', 0, 0, 0])
  await putAll(engine, 'orders', [['a', ''], ['b', ''], ['c', '']])
  t.same(await outcome('orders', 0, 3), ['NO_MESSAGE_IN_QUEUE', 0, 0, 0])
  t.same(await outcome('orders', 0, 4), ['NO_MATCHED_LOGIC_QUEUE', 0, 0, 0])
  t.same(await outcome('orders', 1), ['FOUND', 3, 0, 3])
  t.same(await outcome('orders', 3), ['OFFSET_OVERFLOW_ONE', 3, 0, 3])
  t.same(await outcome('orders', 7), ['OFFSET_OVERFLOW_BADLY', 3, 0, 3])
  t.same(await outcome('orders', -1), ['OFFSET_TOO_SMALL', 0, 0, 3])
  await engine.deleteTopic('orders')
  t.same(await outcome('orders', 0), ['NO_MATCHED_LOGIC_QUEUE', 0, 0, 0])
})

t.test('bounds: by count, by bytes (at least one message), and of what is scanned for a tag', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const rare = tagsCodeOf('rare')
  const sent = Array.from({ length: 1700 }, (_, i) => put(engine, 'orders', wireMessage(`m${i}`, { tags: i === 1650 ? 'rare' : 'common' })))
  await Promise.all(sent)
  t.match((await get(engine, { topic: 'orders', maxMessages: 5 })), { bodies: ['m0', 'm1', 'm2', 'm3', 'm4'], result: { nextBeginOffset: 5 } })
  const one = (await get(engine, { topic: 'orders', maxMessages: 1 })).result.sizeBytes
  t.match(await get(engine, { topic: 'orders', maxBytes: one * 3 }), { bodies: ['m0', 'm1', 'm2'] })
  t.match(await get(engine, { topic: 'orders', maxBytes: 1 }), { bodies: ['m0'], result: { nextBeginOffset: 1 } })
  const search = async (fromOffset: number) => await get(engine, { topic: 'orders', fromOffset, tagsCodes: new Set([rare]) })
  t.match(await search(0), { bodies: [], result: { status: 'NO_MATCHED_MESSAGE', nextBeginOffset: 800 } })
  t.match(await search(800), { bodies: [], result: { status: 'NO_MATCHED_MESSAGE', nextBeginOffset: 1600 } })
  t.match(await search(1600), { bodies: ['m1650'], result: { status: 'FOUND', nextBeginOffset: 1700 } })
  t.match(await get(engine, { topic: 'orders', fromOffset: 1600, maxMessages: 1, tagsCodes: new Set([rare]) }), { result: { nextBeginOffset: 1651 } })
})

t.test('what is in memory comes without a promise; what is not comes later, a queue at a time or several at once', async (t) => {
  const engine = await openWithLittleMemory(t)
  for (let i = 0; i < 6; i++) await Promise.all(Array.from({ length: 500 }, (_, k) => put(engine, 'orders', wireMessage(`${i * 500 + k}`.padStart(200, '.'), { tags: k % 2 === 0 ? 'even' : 'odd' }))))
  const body = (i: number) => `${i}`.padStart(200, '.')
  const tail = engine.reads.getMessages({ topic: 'orders', queueId: 0, fromOffset: 2990, maxMessages: 32, maxBytes: 1 << 20 })
  t.ok(tail instanceof GetMessagesResult)
  const head = engine.reads.getMessages({ topic: 'orders', queueId: 0, fromOffset: 0, maxMessages: 32, maxBytes: 1 << 20 })
  t.ok(head instanceof Promise)
  await head
  const wanted = [0, 1500, 40, 2000, 700]
  const found = await Promise.all(wanted.map((fromOffset) => get(engine, { topic: 'orders', fromOffset })))
  for (const [i, { bodies }] of found.entries()) t.same(bodies, Array.from({ length: 32 }, (_, k) => body(wanted[i]! + k)))
  for (let fromOffset = 0, seen = 0; fromOffset < 3000;) {
    const { result, bodies } = await get(engine, { topic: 'orders', fromOffset, tagsCodes: new Set([tagsCodeOf('odd')]), maxMessages: 60 })
    for (const found of bodies) t.equal(found, body(2 * seen++ + 1))
    fromOffset = result.nextBeginOffset
    if (fromOffset >= 3000) t.equal(seen, 1500)
  }
})

t.test('messages far apart in the log, more of them than fit the memory for reads', async (t) => {
  const clock = new VirtualClock()
  const { limits } = checkOpenOptions(':memory:', { clock })
  const engine = await openEngine(clock, { limits: { ...limits, tailCacheBytes: 256 * 1024, coldCacheBytes: 16 * 1024 } })
  t.teardown(() => engine.close())
  const sent = Array.from({ length: 20 }, (_, i) => `message ${i}`)
  for (const body of sent) {
    await put(engine, 'rare', wireMessage(body))
    for (let i = 0; i < 3; i++) await put(engine, 'common', wireMessage('.'.repeat(90_000)))
  }
  const [once, again] = await Promise.all([get(engine, { topic: 'rare' }), get(engine, { topic: 'rare', maxMessages: 12 })])
  t.same(once.bodies, sent)
  t.same(again.bodies, sent.slice(0, 12))
})

t.test('a message of the embedded queue has its checksum when it leaves over the wire', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const topic = engine.topicToBe({ name: 'jobs', queueCount: 1, attributes: {} })
  await new Promise<PutResult>((resolve, reject) => { engine.submit(new PutProposal(topic, 0, Buffer.from('embedded'), '', '', 0, '', resolve, reject)) })
  const { records: [record] } = await get(engine, { topic: 'jobs' })
  t.equal(record!.bodyCrc, bodyCrcOf(Buffer.from('embedded')))
  const [stored] = await engine.read({ topic: 'jobs', queueId: 0, fromOffset: 0, maxMessages: 1 })
  t.equal(stored!.record.bodyCrc, 0)
  const viewed = await engine.reads.viewMessage(record!.physicalOffset)
  t.match(viewed, { topic: 'jobs', queueId: 0, queueOffset: 0, record: { bodyCrc: record!.bodyCrc } })
})

t.test('search by time, store times, units, and view by position', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await openEngine(clock)
  t.teardown(() => engine.close())
  const search = async (timeMs: number) => [await engine.reads.searchOffset('orders', 0, timeMs), await engine.reads.searchOffset('orders', 0, timeMs, 'upper')]
  t.same(await search(5), [0, 0], 'no queue')
  // stamps 1_000_000, 1_000_000, 1_000_100, 1_000_200
  await putAll(engine, 'orders', [['a', ''], ['b', 'T']])
  await clock.advance(100)
  await putAll(engine, 'orders', [['c', '']])
  await clock.advance(100)
  await putAll(engine, 'orders', [['d', '']])
  t.same(await search(999_999), [0, 0])
  t.same(await search(1_000_000), [0, 1])
  t.same(await search(1_000_050), [2, 1])
  t.same(await search(1_000_100), [2, 2])
  t.same(await search(1_000_200), [3, 3])
  t.same(await search(2_000_000), [4, 3])
  t.equal(await engine.reads.earliestStoreTimestamp('orders', 0), 1_000_000)
  t.equal(await engine.reads.earliestStoreTimestamp('orders', 1), -1)
  t.equal(await engine.reads.storeTimestampAt('orders', 0, 2), 1_000_100)
  t.equal(await engine.reads.storeTimestampAt('orders', 0, 4), -1)
  t.same(engine.reads.rangeOf('orders', 0), { minOffset: 0, maxOffset: 4 })
  const units = await engine.reads.units('orders', 0, 1, 2)
  t.match(units, [{ queueOffset: 1, tagsCode: tagsCodeOf('T'), storeTimestampMs: 1_000_000 }, { queueOffset: 2, storeTimestampMs: 1_000_100 }])
  t.match(await engine.reads.viewMessage(units[1]!.physicalOffset), { queueOffset: 2 })
  t.equal(await engine.reads.viewMessage(units[1]!.physicalOffset + 1), undefined, 'no record begins there')
})

t.test('arrivals: one per queue and entry, with what lies in between', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const arrivals: Arrival[] = []
  engine.onArrival((arrival) => { arrivals.push(arrival) })
  await Promise.all([['a', 'x'], ['b', 'y'], ['c', 'x']].map(([body, tags], i) => put(engine, 'orders', wireMessage(body!, { tags: tags!, queueId: i === 2 ? 1 : 0 }), topicConfig('orders'))))
  t.match(arrivals, [{ topic: 'orders', queueId: 0, fromOffset: 0, toOffset: 2 }, { topic: 'orders', queueId: 1, fromOffset: 0, toOffset: 1 }])
  t.same(['x', 'y', 'z'].map((tag) => arrivals[0]!.matches(new Set([tagsCodeOf(tag)]))), [true, true, false])
  t.same(['x', 'y', 'z'].map((tag) => arrivals[1]!.matches(new Set([tagsCodeOf(tag)]))), [true, false, false])
})

t.test('messages that retention has removed', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  for (let i = 0; i < 6; i++) await put(engine, 'orders', wireMessage(`m${i}`))
  const units = await engine.reads.units('orders', 0, 0, 6)
  // an entry of one message begins its header before the record
  const { ENTRY_HEADER_BYTES } = await import('../../lib/log/index.ts')
  await engine.raiseFloor(units[3]!.physicalOffset - ENTRY_HEADER_BYTES)
  const { result, bodies } = await get(engine, { topic: 'orders', fromOffset: 0, maxMessages: 3 })
  if (result.status === 'OFFSET_TOO_SMALL') t.match(result, { nextBeginOffset: 3, minOffset: 3 })
  else t.same([bodies, result.nextBeginOffset], [['m3', 'm4', 'm5'], 6], 'the queue does not know yet; the messages are gone all the same')
  t.match(await get(engine, { topic: 'orders', fromOffset: 3 }), { bodies: ['m3', 'm4', 'm5'] })
})

t.test('a filter passes over what it does not match, in memory or not, and finds the rest once and in order', async (t) => {
  const engine = await openWithLittleMemory(t)
  const MESSAGES = 3000
  for (let i = 0; i < MESSAGES; i += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, k) => put(engine, 'orders', wireMessage(`${i + k}`, { body: Buffer.from(`${i + k}`.padEnd(300, '.')), properties: Buffer.from(`n\u0001${i + k}\u0002kind\u0001${(i + k) % 7}\u0002`) }))))
  }
  const wanted = (matches: (i: number) => boolean): number[] => Array.from({ length: MESSAGES }, (_, i) => i).filter(matches)
  for (const [expression, matches] of [
    ['kind = 3', (i: number) => i % 7 === 3],
    ['n BETWEEN 100 AND 102 OR n > 2990', (i: number) => (i >= 100 && i <= 102) || i > 2990],
    ['kind IN (\'1\', \'2\', \'5\') AND n < 1500', (i: number) => [1, 2, 5].includes(i % 7) && i < 1500],
    ['n < 0', () => false]
  ] as const) {
    const filter = new SqlFilter(expression)
    for (const maxMessages of [1, 32]) {
      const found: number[] = []
      let offset = 0
      for (let pulls = 0; offset < MESSAGES; pulls++) {
        const { result, bodies } = await get(engine, { topic: 'orders', fromOffset: offset, maxMessages, filter })
        if (result.nextBeginOffset <= offset || pulls > 2 * MESSAGES) throw new Error(`stuck at ${offset}`)
        t.equal(result.status, bodies.length > 0 ? 'FOUND' : 'NO_MATCHED_MESSAGE')
        found.push(...bodies.map((body) => parseInt(body)))
        offset = result.nextBeginOffset
        if (maxMessages === 1 && found.length > 60) break
      }
      const expected = wanted(matches)
      t.same(found, maxMessages === 1 ? expected.slice(0, found.length) : expected, `${expression}, ${maxMessages} at a time`)
    }
  }
})
