import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'

const KIB = 1024
const limits = { segmentBytes: 64 * KIB, maxEntryBytes: 16 * KIB }
const padding = 'x'.repeat(KIB)

/** Lets retention look, and what follows from that come to its end. */
async function passMinutes (clock: VirtualClock, minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    await clock.advance(60_001)
    for (let turn = 0; turn < 50; turn++) await clock.settle()
  }
}

t.test('more than maxBytes: the oldest go, their offsets are refused, groups go on behind them', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openQueue(':memory:', { clock, limits, defaultQueues: 1, retention: { maxBytes: 256 * KIB } })
  const early = await queue.pull('jobs', { group: 'early', max: 1 })
  t.equal(early.length, 0)
  for (let n = 0; n < 1000; n++) await queue.send('jobs', { n, padding })
  t.ok(queue.stats().log.minPosition > 0, 'it is looked whenever so much was written, not only by the minute')
  await passMinutes(clock, 2)
  const { log, topics } = queue.stats()
  t.ok(log.maxPosition - log.minPosition <= 256 * KIB + limits.segmentBytes + limits.maxEntryBytes, `${log.maxPosition - log.minPosition} bytes are kept`)
  const { minOffset, maxOffset } = topics[0]!.queues[0]!
  t.equal(maxOffset, 1000)
  await t.rejects(queue.read('jobs', { queueId: 0, fromOffset: minOffset - 1 }), { code: 'MQ_OFFSET_TOO_SMALL', minOffset })
  t.equal((await queue.read('jobs', { queueId: 0, fromOffset: minOffset, max: 1 }))[0]!.body.n, minOffset)
  t.equal(queue.group('early').lag('jobs'), maxOffset - minOffset)
  const [next] = await queue.pull('jobs', { group: 'early', max: 1 })
  t.equal(next!.body.n, minOffset)
})

t.test('older than maxAgeMs: whole segments go, what is younger stays', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openQueue(':memory:', { clock, limits, defaultQueues: 1, retention: { maxAgeMs: 3_600_000 } })
  for (let n = 0; n < 300; n++) await queue.send('jobs', { n, padding })
  await clock.advance(3_000_000)
  for (let n = 300; n < 400; n++) await queue.send('jobs', { n, padding })
  t.equal(queue.stats().log.minPosition, 0, 'nothing is too old')
  await passMinutes(clock, 12)
  const { minOffset } = queue.topics()[0]!.queues[0]!
  t.ok(minOffset > 200 && minOffset <= 300, `begins at ${minOffset}`)
  await passMinutes(clock, 5)
  t.ok(queue.topics()[0]!.queues[0]!.minOffset <= 300, 'the younger ones are there')
})

t.test('without bounds nothing goes', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openQueue(':memory:', { clock, limits, defaultQueues: 1, retention: { maxAgeMs: Infinity } })
  for (let n = 0; n < 300; n++) await queue.send('jobs', { n, padding })
  await clock.advance(365 * 86_400_000)
  t.equal(queue.stats().log.minPosition, 0)
})
