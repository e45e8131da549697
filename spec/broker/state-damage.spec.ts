import t from 'tap'
import { ResponseCode } from '../../lib/remoting/index.ts'
import { openBroker, startedBroker } from './support.ts'

t.test('a broker alone that finds its state damaged makes it anew by itself, and serves on', async (t) => {
  const before = await openBroker()
  const producer = before.connect()
  for (let n = 0; n < 20; n++) await producer.send('orders', String(n), {}, { e: 1 })
  await before.close()
  const { broker, clock, connect, ports } = await startedBroker(t, { ports: before.ports, clock: before.clock })
  const { engine } = broker
  const db = await ports.kv.open()
  for (const [key, value] of await db.iterator().all()) {
    value[value.length - 1]! ^= 1
    await db.put(key, value)
  }
  const consumer = connect()
  t.equal((await consumer.pull('orders', 1, 0)).code, ResponseCode.SYSTEM_ERROR)
  t.ok(await clock.runUntil(() => broker.engine !== engine, { maxMs: 10_000 }))
  t.same((await consumer.pull('orders', 1, 0)).bodies, Array.from({ length: 20 }, (_, n) => String(n)))
  await connect().send('orders', '20', {}, { e: 1 })
  t.same((await consumer.pull('orders', 1, 20)).bodies, ['20'])
})
