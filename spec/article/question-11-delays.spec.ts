import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'
import { letPass } from './time.ts'
import { startedBroker } from '../broker/support.ts'

const LEVELS_S = [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200]

t.test('each of the eighteen levels comes at its time', async (t) => {
  const { connect, clock, broker } = await startedBroker(t)
  const client = connect()
  await client.send('TopicTest', 'at once')
  const startMs = clock.wallMs()
  for (let level = 1; level <= LEVELS_S.length; level++) await client.send('TopicTest', String(level), { DELAY: String(level) })
  await letPass(clock, 2000)
  await clock.runUntil(() => broker.engine.reads.rangeOf('TopicTest', 0).maxOffset === 19, { maxMs: 7_300_000 })
  const { records } = await client.pull('TopicTest', 0, 1)
  t.same(records.map(({ body }) => Buffer.from(body).toString()), LEVELS_S.map((_, i) => String(i + 1)))
  for (const [i, { storeTimestampMs }] of records.entries()) {
    const lateMs = storeTimestampMs - startMs - LEVELS_S[i]! * 1000
    t.ok(lateMs >= 0 && lateMs <= 100, `level ${i + 1} was ${lateMs} ms late`)
  }
})

t.test('what the article misses: any delay, to the millisecond', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock, defaultQueues: 1 })
  t.teardown(() => queue.close())
  const { deliverAtMs } = await queue.send('TopicTest', 'Hello', { delay: 7321 })
  await letPass(clock, 7320, 20)
  t.equal((await queue.pull('TopicTest', { group: 'g' })).length, 0)
  await letPass(clock, 20, 1)
  const [message] = (await queue.pull('TopicTest', { group: 'g' })).messages
  t.equal(message!.body, 'Hello')
  t.ok(message!.storeTimestampMs >= deliverAtMs! && message!.storeTimestampMs < deliverAtMs! + 20)
})
