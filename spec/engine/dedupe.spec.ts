import t from 'tap'
import { MemoryDisk, MemoryKv, noLock, NodeRandom, VirtualClock } from '../../lib/adapters/index.ts'
import { hash64 } from '../../lib/base/index.ts'
import { BatchPut, get, openEngine, put, topicConfig, wireMessage } from './wire.ts'

const config = topicConfig('orders', 4, { 'dedupe.time': '60000', 'dedupe.count': '1000' })
const known = (id: string) => ({ properties: Buffer.from(`UNIQ_KEY\x01${id}\x02`), dedupeHash: hash64(Buffer.from(id), 0n) })

t.test('a message that is sent again is answered as the first time, before and after a restart, and in a rebuilt state', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const ports = { disk: new MemoryDisk(), kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
  let engine = await openEngine(clock, { directory: '/data', ports })
  const [first, again] = await Promise.all([put(engine, 'orders', wireMessage('a', known('A')), config), put(engine, 'orders', wireMessage('a', { ...known('A'), queueId: 3 }), config)])
  t.same([first.isDuplicate, again.isDuplicate], [false, true])
  t.match(again, { queueId: first.queueId, queueOffset: first.queueOffset, physicalOffset: first.physicalOffset, messageId: first.messageId })
  t.equal((await put(engine, 'orders', wireMessage('b', known('A')), config)).isDuplicate, false, 'another body')
  t.equal((await put(engine, 'orders', wireMessage('a', { properties: known('A').properties }), config)).isDuplicate, false, 'nobody asked')
  for (const end of ['restart', 'rebuild']) {
    await engine.close()
    if (end === 'rebuild') await ports.kv.destroy()
    engine = await openEngine(clock, { directory: '/data', ports })
    await put(engine, 'orders', wireMessage(end, known(end)), config)
    t.match(await put(engine, 'orders', wireMessage('b', known('A')), config), { isDuplicate: true, queueOffset: 1 })
  }
  await clock.advance(61_000)
  t.equal((await put(engine, 'orders', wireMessage('b', known('A')), config)).isDuplicate, false, 'too long ago')
  await engine.close()
})

t.test('a batch is known as a whole; a delayed message too, until it is taken back', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await openEngine(clock)
  t.teardown(() => engine.close())
  const origin = { queueId: 0, sysFlag: 0, bornTimestampMs: 1, bornHost: Uint8Array.of(10, 1, 2, 3, 0, 0, 4, 210), reconsumeTimes: 0 }
  const items = ['x', 'y', 'z'].map((id) => ({ flag: 0, body: Buffer.from(id), tagsCode: 0, ...known(id) }))
  const send = async (these = items): Promise<BatchPut> => {
    const batch = new BatchPut(engine.topicPlanned(config), origin, these)
    engine.submit(batch)
    return await batch.done
  }
  const [first, again] = await Promise.all([send(), send()])
  t.same([first.isDuplicate, again.isDuplicate], [false, true])
  t.same([again.queueOffset, again.messageIds()], [first.queueOffset, first.messageIds()])
  t.equal((await send([items[0]!, items[2]!])).isDuplicate, false, 'another batch')
  t.same((await get(engine, { topic: 'orders' })).bodies, ['x', 'y', 'z', 'x', 'z'])

  const later = { ...known('L'), deliverAtMs: 1_050_000 }
  const delayed = await put(engine, 'orders', wireMessage('later', later), config)
  const { deliverAtMs } = delayed
  t.match(await put(engine, 'orders', wireMessage('later', { ...known('L'), delayMs: 5 }), config), { isDuplicate: true, deliverAtMs, queueOffset: -1, physicalOffset: delayed.physicalOffset })
  t.equal(engine.store.delays.pendingCount, 1)
  const handle = { topic: 'orders', brokerName: '', deliverAtMs, uniqueKey: 'L', physicalOffset: delayed.physicalOffset }
  t.equal(await engine.recalls.recall(handle), true)
  t.equal((await put(engine, 'orders', wireMessage('later', later), config)).isDuplicate, false)
})

t.test('a group that writes an older data format stores as ever', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await openEngine(clock, { formatVersion: 2 })
  t.teardown(() => engine.close())
  for (let i = 0; i < 2; i++) t.equal((await put(engine, 'orders', wireMessage('a', known('A')), config)).isDuplicate, false)
  await engine.deleteTopic('orders')
})
