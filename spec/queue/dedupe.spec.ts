import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'

t.test('send with an id: stored once within the window; the result tells where it is', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock, topics: { mail: { dedupe: { window: '1m', count: 3 } } } })
  t.teardown(() => queue.close())
  const first = await queue.send('mail', { to: 'a' }, { dedupe: 'id 1' })
  const again = await queue.send('mail', { to: 'a' }, { dedupe: 'id 1' })
  t.same([first.isDuplicate, again.isDuplicate, again.id, again.queueOffset], [false, true, first.id, first.queueOffset])
  t.match(again.toJSON(), { isDuplicate: true })
  t.equal((await queue.send('mail', { to: 'b' }, { dedupe: 'id 1' })).isDuplicate, false)
  t.equal((await queue.send('mail', { to: 'a' })).isDuplicate, false)
  for (const dedupe of ['2', '3']) await queue.send('mail', { to: 'c' }, { dedupe })
  t.equal((await queue.send('mail', { to: 'a' }, { dedupe: 'id 1' })).isDuplicate, false, 'three are remembered')
  await clock.advance(61_000)
  t.equal((await queue.send('mail', { to: 'c' }, { dedupe: '3' })).isDuplicate, false, 'for a minute')
  const batch = await queue.sendBatch('other', [{ body: 1, dedupe: 'x' }, { body: 2 }, { body: 1, dedupe: 'x' }])
  t.same(batch.map(({ isDuplicate }) => isDuplicate), [false, false, true], 'topics that do not say remember for ten minutes')
  await queue.createTopic('mail', { dedupe: { window: '1d' } })
  await queue.send('mail', 1, { dedupe: 'y' })
  await clock.advance(120_000)
  t.equal((await queue.send('mail', 1, { dedupe: 'y' })).isDuplicate, true, 'a topic may be told later')
})

t.test('a delayed message with an id is taken back by the handle of either result, and may be sent again then', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  const first = await queue.send('mail', 'x', { delay: '10s', dedupe: 'job-1' })
  const again = await queue.send('mail', 'x', { delay: '20s', dedupe: 'job-1' })
  t.same([again.isDuplicate, again.deliverAtMs, again.recallHandle], [true, first.deliverAtMs, first.recallHandle])
  t.equal(await queue.recall(again.recallHandle!), true)
  t.equal((await queue.send('mail', 'x', { delay: '10s', dedupe: 'job-1' })).isDuplicate, false)
})

t.test('what cannot be meant', async (t) => {
  const queue = await openQueue(':memory:')
  t.teardown(() => queue.close())
  await t.rejects(queue.send('mail', 'x', { dedupe: '' }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('mail', 'x', { dedupe: 5 as never }), TypeError)
  for (const dedupe of [{ window: '8d' }, { window: 0 }, { window: '1m', count: 0 }, { window: '1m', count: 1_000_001 }]) await t.rejects(queue.createTopic('t', { dedupe } as never), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.createTopic('t', { dedupe: { count: 5 } as never }), TypeError)
})
