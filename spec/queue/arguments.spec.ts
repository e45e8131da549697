import t from 'tap'
import { checkDuration, checkTime, checkTopic, checkGroup } from '../../lib/queue/arguments.ts'
import { openQueue } from '../../lib/index.ts'
import { backoffRule } from '../../lib/queue/backoff.ts'
import { checkOpenOptions, DEFAULT_QUEUES } from '../../lib/queue/options.ts'

t.test('durations', async (t) => {
  const good: Array<[unknown, number]> = [[0, 0], [1500, 1500], ['250ms', 250], ['30s', 30_000], ['1.5m', 90_000], ['2h', 7_200_000], ['7d', 604_800_000]]
  for (const [value, ms] of good) t.equal(checkDuration('delay', value), ms)
  for (const value of ['', '5', '5 s', 's', '-1s', '1w', -1, NaN, Infinity]) t.throws(() => checkDuration('delay', value), { code: 'MQ_INVALID_ARGUMENT' }, String(value))
  for (const value of [null, {}, true, 5n]) t.throws(() => checkDuration('delay', value), TypeError)
})

t.test('points in time', async (t) => {
  t.equal(checkTime('time', new Date(5)), 5)
  t.equal(checkTime('time', '2026-11-22T08:00Z'), Date.UTC(2026, 10, 22, 8))
  t.equal(checkTime('time', 17), 17)
  for (const value of ['soon', new Date(NaN), -1]) t.throws(() => checkTime('time', value), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => checkTime('time', {}), TypeError)
})

t.test('names of topics and groups', async (t) => {
  for (const name of ['a', 'TopicTest', '%RETRY%g', 'a-b_c|d', 'x'.repeat(127)]) t.equal(checkTopic(name), name)
  for (const name of ['', 'a b', 'ü', 'a/b', 'x'.repeat(128)]) t.throws(() => checkTopic(name), { code: 'MQ_INVALID_ARGUMENT' }, name)
  t.throws(() => checkGroup('x'.repeat(121)), { code: 'MQ_INVALID_ARGUMENT' })
  for (const name of [undefined, null, 5, {}]) t.throws(() => checkTopic(name), TypeError)
})

t.test('backoff', async (t) => {
  const exponential = backoffRule()
  t.same([1, 2, 3, 20].map((attempts) => exponential(attempts, undefined)), [1000, 2000, 4000, 300_000])
  t.equal(backoffRule('fixed')(9, undefined), 1000)
  t.same([1, 2, 3].map((attempts) => backoffRule(['10ms', 20])(attempts, undefined)), [10, 20, 20])
  t.equal(backoffRule((attempts, error) => attempts * (error as number))(2, 7), 14)
  t.throws(() => backoffRule([]), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => backoffRule('linear' as 'fixed'), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => backoffRule(5 as unknown as 'fixed'), TypeError)
  t.throws(() => backoffRule(() => NaN)(1, undefined), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('options of openQueue', async (t) => {
  const checked = checkOpenOptions('./data', {})
  t.equal(checked.durability, 'disk')
  t.equal(checked.defaultQueues, DEFAULT_QUEUES)
  t.equal(checked.autoCreateTopics, true)
  t.equal(checked.limits.maxMessageBytes, 4 * 1024 * 1024)
  const wrongTypes: unknown[] = [
    null, 5, [], { unknown: 1 }, { autoCreateTopics: 1 }, { defaultQueues: '8' }, { logger: 5 }, { logger: { info: 1 } }, { limits: { nonsense: 1 } },
    { limits: { maxMessageBytes: '1' } }, { flush: { timed: 1 } }, { topics: [] }, { topics: { a: { codec: 5 } } }, { topics: { a: { codec: { avro: 5 } } } },
    { topics: { a: { queue: 5 } } }, { onProgress: 5 }, { signal: {} }, { retention: 5 }, { durability: 5 }
  ]
  for (const options of wrongTypes) t.throws(() => checkOpenOptions('./data', options as object), TypeError, JSON.stringify(options))
  const outOfRange: unknown[] = [
    { durability: 'maybe' }, { defaultQueues: 0 }, { defaultQueues: 1.5 }, { limits: { segmentBytes: 1 } }, { flush: { intervalMs: 0 } }, { topics: { 'a b': {} } },
    { topics: { a: { codec: 'xml' } } }, { topics: { a: { queues: 0 } } }, { retention: { maxAgeMs: 0 } }, { retention: { maxBytes: -1 } }, { clock: {} }
  ]
  for (const options of outOfRange) t.throws(() => checkOpenOptions('./data', options as object), { code: 'MQ_INVALID_ARGUMENT' }, JSON.stringify(options))
  t.throws(() => checkOpenOptions(5 as unknown as string, {}), TypeError)
  t.throws(() => checkOpenOptions('', {}), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => checkOpenOptions('a\0b', {}), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => checkOpenOptions(':memory:', { clock: {} as never }), TypeError)
})

t.test('a logger keeps its this, and may lack methods', async (t) => {
  class Sink {
    lines: unknown[] = []
    info (message: string, facts?: object): void { this.lines.push(facts === undefined ? [message] : [message, facts]) }
  }
  const sink = new Sink()
  const { logger } = checkOpenOptions('./data', { logger: sink })
  logger.info('one')
  logger.info('two', { n: 2 })
  logger.error('nobody hears')
  t.same(sink.lines, [['one'], ['two', { n: 2 }]])
})

t.test('a duration that would leave the range of exact times is refused, and the queue goes on', async (t) => {
  await using queue = await openQueue(':memory:')
  await queue.send('jobs', 1)
  for (const lease of [Number.MAX_SAFE_INTEGER, 1e15, '36501d'] as const) {
    await t.rejects(queue.pull('jobs', { group: 'g', lease }), { code: 'MQ_INVALID_ARGUMENT' })
  }
  const [message] = await queue.pull('jobs', { group: 'g', lease: '36500d' })
  await t.rejects(message!.renew(Number.MAX_SAFE_INTEGER), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(message!.retry({ delay: Number.MAX_SAFE_INTEGER }), { code: 'MQ_INVALID_ARGUMENT' })
  await message!.retry({ delay: '36500d' })
  await queue.send('jobs', 2)
})
