import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'

t.test('a group goes back to the first message, on to the end, or to a time', async (t) => {
  const clock = new VirtualClock({ wallMs: Date.UTC(2023, 0, 1) })
  const queue = await openQueue(':memory:', { clock, defaultQueues: 1 })
  t.teardown(() => queue.close())
  for (let minute = 0; minute < 6; minute++) {
    await queue.send('TopicTest', minute)
    await clock.advance(60_000)
  }
  const taken = async (): Promise<number[]> => {
    const batch = await queue.pull('TopicTest', { group: 'g', max: 100 })
    await batch.ackAll()
    return batch.messages.map(({ body }) => body)
  }
  t.same(await taken(), [0, 1, 2, 3, 4, 5])
  t.same(await taken(), [])
  const group = queue.group('g')
  await group.seek('TopicTest', 'first')
  t.same(await taken(), [0, 1, 2, 3, 4, 5])
  await group.seek('TopicTest', { time: '2023-01-01T00:03:00Z' })
  t.same(await taken(), [3, 4, 5])
  await group.seek('TopicTest', 'first')
  await group.seek('TopicTest', 'last')
  t.same(await taken(), [])
})
