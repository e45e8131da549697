import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'

t.test('an ordered consumer: a message that fails holds up the later ones of its order, not those of others', async (t) => {
  const clock = new VirtualClock()
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  for (let step = 0; step < 4; step++) for (const order of ['a', 'b', 'c']) await queue.send('orders', { order, step }, { key: order })
  const handled: string[] = []
  const worker = queue.process('orders', async ({ body, attempts }) => {
    if (body.order === 'b' && body.step === 1 && attempts < 3) throw new Error('not yet')
    handled.push(`${body.order}${body.step}`)
  }, { group: 'g', concurrency: 4, order: 'key' })
  await clock.runUntil(() => worker.metrics.completed === 12, { maxMs: 60_000 })
  for (const order of ['a', 'b', 'c']) t.same(handled.filter((one) => one.startsWith(order)), [0, 1, 2, 3].map((step) => `${order}${step}`))
  t.ok(handled.indexOf('c3') < handled.indexOf('b1'), 'others did not wait')
  await worker.close()
})
