import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'

t.test('a backlog is worked off by ten consumers of one group, each with a pool of twenty; some are there only for a while', async (t) => {
  const clock = new VirtualClock()
  const queue = await openQueue(':memory:', { clock, defaultQueues: 4 })
  t.teardown(() => queue.close())
  const count = 2000
  await queue.sendBatch('TopicTest', Array.from({ length: count }, (_, i) => ({ body: i })))
  const seen = new Map<number, number>()
  const takenBy = new Array<number>(10).fill(0)
  const workers = takenBy.map((_, i) => queue.process('TopicTest', async (message) => {
    await new Promise<void>((resolve) => { clock.setTimer(5, resolve) })
    seen.set(message.body, (seen.get(message.body) ?? 0) + 1)
    takenBy[i]!++
  }, { group: 'ConsumerGroup', concurrency: 20 }))
  await clock.runUntil(() => seen.size >= count / 2, { maxMs: 60_000 })
  const closing = Promise.all(workers.splice(5).map((worker) => worker.close()))
  await clock.runUntil(() => seen.size === count, { maxMs: 60_000 })
  await closing
  t.equal(seen.size, count)
  t.ok([...seen.values()].every((times) => times === 1), 'each once')
  t.ok(takenBy.every((taken) => taken > 0), 'ten consumers share four queues')
  await Promise.all(workers.map((worker) => worker.close()))
  t.equal(queue.group('ConsumerGroup').lag(), 0)
})
