import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'
import { openBroker } from '../broker/support.ts'

t.test('what was confirmed is there after the broker was started again (flushDiskType=SYNC_FLUSH)', async (t) => {
  const first = await openBroker({ settings: 'flushDiskType=SYNC_FLUSH\ndefaultTopicQueueNums=4' })
  const client = first.connect()
  const sent: string[] = []
  for (let i = 0; i < 20; i++) {
    await client.send('TopicTest', `m${i}`)
    sent.push(`m${i}`)
  }
  await first.close()
  const second = await openBroker({ ports: first.ports, clock: first.clock })
  t.teardown(() => second.close())
  t.same((await second.connect().pull('TopicTest', 0, 0)).bodies, sent)
})

t.test('a handler that fails gets the message again; one that knows what it has done does it once', async (t) => {
  const clock = new VirtualClock()
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  for (let i = 0; i < 10; i++) await queue.send('orders', i, { key: `order-${i}` })
  const processed = new Set<string>()
  let done = 0
  const worker = queue.process('orders', async (message) => {
    if (processed.has(message.key!)) return
    done++
    processed.add(message.key!)
    // the work is done, the answer is lost
    if (message.attempts === 1) throw new Error('later')
  }, { group: 'g', concurrency: 4 })
  await clock.runUntil(() => worker.metrics.completed === 10, { maxMs: 60_000 })
  t.match(worker.metrics, { completed: 10, failed: 10 })
  t.equal(done, 10)
  await worker.close()
})
