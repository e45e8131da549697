import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'

t.test('a message is handed out up to its time to live, and not from then on; it is counted', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  const pulled = async (group: string): Promise<unknown[]> => {
    const batch = await queue.pull('news', { group, max: 100 })
    await batch.ackAll()
    return batch.messages.map(({ body }) => body).sort()
  }
  const { storeTimestampMs } = await queue.send('news', 'short', { ttl: '1s' })
  await queue.sendBatch('news', [{ body: 'long', ttl: '1h' }, { body: 'ever' }])
  await queue.send('news', 'later', { delay: '10s', ttl: 500 })
  while (clock.wallMs() < storeTimestampMs + 999) await clock.advance(storeTimestampMs + 999 - clock.wallMs())
  t.same(await pulled('early'), ['ever', 'long', 'short'])
  await clock.advance(1)
  t.same(await pulled('late'), ['ever', 'long'])
  t.equal(queue.stats().expiredMessages, 1)
  t.equal(queue.group('late').lag('news'), 0, 'what has expired is done')
  await clock.advance(9200)
  t.same(await pulled('early'), ['later'], 'the time begins when it is delivered')
  await clock.advance(600)
  t.same(await pulled('late'), [])
  t.equal(queue.stats().expiredMessages, 2)
})

t.test('one that a consumer has in hand stays with it; given back, it is not handed out again; a dead letter does not expire', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  for (const body of ['kept', 'returned', 'dead']) await queue.send('news', body, { ttl: '1s', key: 'one' })
  const [kept, returned, dead] = (await queue.pull('news', { group: 'g' })).messages
  await clock.advance(2000)
  await kept!.ack()
  await returned!.retry()
  await dead!.deadLetter()
  t.equal((await queue.pull('news', { group: 'g' })).length, 0)
  t.equal(queue.stats().expiredMessages, 1)
  t.equal((await queue.pull('%DLQ%g', { group: 'i' })).messages[0]?.body, 'dead')
  await t.rejects(queue.send('news', 'x', { ttl: 0 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('news', 'x', { ttl: 'soon' as never }), { code: 'MQ_INVALID_ARGUMENT' })
})
