import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isMqError, openQueue, VirtualClock, type Tx } from '../../lib/index.ts'

type Wanted = TypeErrorConstructor | Readonly<Record<string, unknown>>

t.test('acknowledgements, messages and values at once, in one entry', async (t) => {
  const queue = await openQueue(':memory:')
  t.teardown(() => queue.close())
  await queue.sendBatch('orders', [{ body: 1 }, { body: 2 }])
  const messages = [...await queue.pull('orders', { group: 'g', max: 2 })]
  const { lastIndex } = queue.stats().log
  const sent = await queue.tx((t) => {
    for (const message of messages) t.ack(message)
    t.send('mail', { of: 1 }, { key: 'k', tag: 'a', properties: { p: 'q' } })
    t.send('bills', { of: 2 })
    t.put(['done', messages[0]!.id], { at: 5 })
    t.put('bytes', Uint8Array.of(1, 2, 3))
  })
  t.equal(queue.stats().log.lastIndex, lastIndex + 1)
  t.same(sent.map(({ topic, queueOffset }) => [topic, queueOffset]), [['mail', 0], ['bills', 0]])
  const [mail] = await queue.pull('mail', { group: 'g' })
  t.match(mail, { body: { of: 1 }, key: 'k', tag: 'a', properties: { p: 'q' }, id: sent[0]!.id })
  t.equal(messages[0]!.settlement, 'ack')
  await messages[0]!.ack()
  t.equal(await queue.group('g').lag('orders'), 0)
  t.same(await queue.get(['done', messages[0]!.id]), { at: 5 })
  t.same(await queue.get('bytes'), Uint8Array.of(1, 2, 3))
  t.same(await queue.get(['bytes']), Uint8Array.of(1, 2, 3), 'a text is a key of one part')
  t.equal(await queue.get('other'), undefined)
  await queue.tx((t) => {
    t.delete('bytes')
    t.put('n', null)
    t.put('n', 0)
  })
  t.same([await queue.get('bytes'), await queue.get('n')], [undefined, 0], 'the last word on a key counts')
  t.same(await queue.tx(() => {}), [])
})

t.test('a lease that is gone: nothing is done, and what is still held can go into the next one', async (t) => {
  const clock = new VirtualClock()
  const queue = await openQueue(':memory:', { clock, topics: { orders: { queues: 1 } } })
  t.teardown(() => queue.close())
  await queue.sendBatch('orders', [{ body: 1 }, { body: 2 }])
  const [old] = await queue.pull('orders', { group: 'g', max: 1, lease: '1s' })
  const [young] = await queue.pull('orders', { group: 'g', max: 1, lease: '1h' })
  await clock.advance(2000)
  const fill = (t: Tx) => {
    t.ack(young!)
    t.send('mail', 1)
    t.put('x', 1)
  }
  const refused = queue.tx((t) => { t.ack(old!); fill(t) })
  await t.rejects(refused, { code: 'MQ_LEASE_LOST', outcome: 'not-applied', lost: 1 })
  t.equal(await queue.get('x'), undefined)
  t.equal(queue.topics().find(({ name }) => name === 'mail'), undefined)
  t.same([young!.settlement, old!.settlement], [undefined, 'ack'])
  await t.rejects(old!.ack(), { code: 'MQ_LEASE_LOST' })
  await queue.tx(fill)
  t.equal(await queue.get('x'), 1)
  const [again] = await queue.pull('orders', { group: 'g', max: 2 })
  t.same([again!.body, again!.attempts], [1, 2])
})

t.test('a message that is acknowledged twice, by this or by a transaction beside it', async (t) => {
  const queue = await openQueue(':memory:')
  t.teardown(() => queue.close())
  for (let i = 0; i < 2; i++) await queue.send('orders', i)
  const [a, b] = await queue.pull('orders', { group: 'g' })
  const [first, second] = await Promise.allSettled([
    queue.tx((t) => { t.ack(a!); t.ack(a!); t.put('first', 1) }),
    queue.tx((t) => { t.ack(b!); t.ack(a!); t.put('second', 1) })
  ])
  t.equal(first.status, 'fulfilled')
  t.match(second, { status: 'rejected', reason: { code: 'MQ_LEASE_LOST' } })
  t.same([await queue.get('first'), await queue.get('second'), b!.settlement], [1, undefined, undefined])
  await b!.ack()
})

t.test('delayed messages and ids: what is sent again with the same id is not stored again, all else is done', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  const work = (n: number) => queue.tx((t) => {
    t.send('mail', 'x', { delay: '10s', dedupe: 'job-1' })
    t.send('log', n)
    t.put('n', n)
  })
  const [first] = await work(1)
  const [again, other] = await work(2)
  t.match(first, { isDuplicate: false, deliverAtMs: first!.storeTimestampMs + 10_000 })
  t.match(again, { isDuplicate: true, recallHandle: first!.recallHandle })
  t.same([other!.isDuplicate, await queue.get('n')], [false, 2])
  await clock.advance(11_000)
  t.equal((await queue.pull('mail', { group: 'g' })).length, 1)
  t.equal((await queue.pull('log', { group: 'g' })).length, 2)
})

t.test('in a handler: returning acknowledges nothing more; what is refused is tried again as a whole', async (t) => {
  const queue = await openQueue(':memory:', { limits: { maxKeyedBytes: 0 } })
  const wide = await openQueue(':memory:')
  t.teardown(() => Promise.all([queue.close(), wide.close()]))
  for (const { of, isRefused } of [{ of: wide, isRefused: false }, { of: queue, isRefused: true }]) {
    await of.send('orders', 1)
    const seen: unknown[] = []
    const worker = of.process('orders', async (message) => {
      seen.push(message.attempts)
      await of.tx((t) => {
        t.ack(message)
        t.send('mail', message.body)
        if (message.attempts === 1) t.put('x', 1)
      })
    }, { group: 'g', backoff: [1] })
    await new Promise((resolve) => { worker.once('completed', resolve) })
    t.same(seen, isRefused ? [1, 2] : [1])
    t.match(worker.metrics, { completed: 1, failed: isRefused ? 1 : 0, leasesLost: 0 })
    t.equal((await of.pull('mail', { group: 'g' })).length, 1)
    await worker.close()
  }
})

t.test('what its function throws, and what cannot be meant, does nothing', async (t) => {
  const queue = await openQueue(':memory:', { limits: { maxKeyedBytes: 1000, maxEntryBytes: 4096 } })
  const foreign = await openQueue(':memory:')
  t.teardown(() => Promise.all([queue.close(), foreign.close()]))
  await foreign.send('orders', 1)
  await queue.send('orders', 1)
  const [message] = await queue.pull('orders', { group: 'g' })
  const [another] = await foreign.pull('orders', { group: 'g' })
  const refused = async (build: (t: Tx) => unknown, wanted: Wanted) => {
    await t.rejects(queue.tx((t) => {
      t.put('x', 1)
      t.ack(message!)
      return build(t) as undefined
    }), wanted as never)
    t.same([await queue.get('x'), message!.settlement], [undefined, undefined])
  }
  await refused(() => { throw new Error('mine') }, { message: 'mine' })
  await refused(async () => {}, TypeError)
  await refused(async () => { throw new Error('mine') }, TypeError)
  await refused((t) => { t.ack({} as never) }, TypeError)
  await refused((t) => { t.ack(another!) }, { code: 'MQ_INVALID_ARGUMENT' })
  await refused((t) => { t.send('no such name!', 1) }, { code: 'MQ_INVALID_ARGUMENT' })
  await refused((t) => { t.send('mail', undefined) }, { code: 'MQ_PAYLOAD_INVALID' })
  await refused((t) => { t.send('mail', 1, { queueId: 99 }) }, { code: 'MQ_QUEUE_NOT_FOUND' })
  await refused((t) => { t.send('mail', 1, { signal: AbortSignal.abort() } as never) }, TypeError)
  await refused((t) => { t.put('k', undefined) }, { code: 'MQ_PAYLOAD_INVALID' })
  await refused((t) => { t.put('k', () => {}) }, { code: 'MQ_PAYLOAD_INVALID' })
  await refused((t) => { t.put('k', 'x'.repeat(65_535)) }, { code: 'MQ_MESSAGE_TOO_LARGE', limitBytes: 65_536 })
  await refused((t) => { t.put('k'.repeat(1021), 1) }, { code: 'MQ_MESSAGE_TOO_LARGE', limitBytes: 1024 })
  for (const key of ['\ud800', [], ['a', NaN]]) await refused((t) => { t.put(key as never, 1) }, { code: 'MQ_INVALID_ARGUMENT' })
  for (const key of [5, ['a', true], {}, undefined]) await refused((t) => { t.put(key as never, 1) }, TypeError)
  await refused((t) => { for (let i = 0; i < 999; i++) t.put(['k', i], 1) }, { code: 'MQ_MESSAGE_TOO_LARGE', limit: 1000 })
  await refused((t) => { for (let i = 0; i < 100; i++) t.delete(['k'.repeat(40), i]) }, { code: 'MQ_MESSAGE_TOO_LARGE', setting: 'maxEntryBytes' })
  await refused((t) => { t.put('k', 'x'.repeat(900)) }, { code: 'MQ_BUSY', setting: 'maxKeyedBytes', retryable: false })
  await t.rejects(queue.tx('no' as never), TypeError)
  await t.rejects(queue.tx(() => {}, { delay: 1 } as never), TypeError)
  await t.rejects(queue.get(5 as never), TypeError)
  let kept: Tx | undefined
  await queue.tx((t) => { kept = t })
  t.throws(() => { kept!.put('x', 1) }, { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('given up before it was decided it is not applied, and the message is still its consumer\'s; later nobody knows', async (t) => {
  const queue = await openQueue(t.testdir())
  t.teardown(() => queue.close())
  await queue.send('orders', 1)
  const [message] = await queue.pull('orders', { group: 'g' })
  const early = new AbortController()
  const given = queue.tx((t) => { t.ack(message!); t.put('x', 1) }, { signal: early.signal })
  early.abort()
  await t.rejects(given, { code: 'MQ_ABORTED', outcome: 'not-applied' })
  t.same([await queue.get('x'), message!.settlement], [undefined, undefined])
  const late = new AbortController()
  const abandoned = queue.tx((t) => { t.ack(message!); t.put('x', 2) }, { signal: late.signal })
  await Promise.resolve().then(() => new Promise(setImmediate))
  late.abort()
  const outcome = await abandoned.then(() => 'applied', (error) => isMqError(error) ? error.outcome : String(error))
  t.ok(['applied', 'unknown'].includes(outcome), outcome)
  t.equal(await queue.get('x'), 2)
  t.equal(await queue.group('g').lag('orders'), 0)
})

t.test('values are there after a restart, with the state database and without it', async (t) => {
  const directory = t.testdir()
  let queue = await openQueue(directory)
  for (let i = 0; i < 50; i++) await queue.tx((t) => { t.put(['n', i % 10], i); t.delete(['n', i % 7]) })
  const all = async () => await Promise.all(Array.from({ length: 10 }, (_, i) => queue.get(['n', i])))
  const before = await all()
  t.ok(before.some((value) => value !== undefined) && before.includes(undefined))
  t.teardown(() => queue.close())
  for (const isStateLost of [false, true]) {
    await queue.close()
    if (isStateLost) rmSync(join(directory, 'state'), { recursive: true })
    queue = await openQueue(directory)
    t.same(await all(), before)
  }
  await queue.close()
  await t.rejects(queue.get('x'), { code: 'MQ_CLOSED' })
  await t.rejects(queue.tx((t) => { t.put('x', 1) }), { code: 'MQ_CLOSED' })
})

t.test('options that cannot be meant: nothing was done, and its messages are still out', async (t) => {
  const queue = await openQueue(':memory:')
  t.teardown(() => queue.close())
  await queue.send('orders', 1)
  const [message] = await queue.pull('orders', { group: 'g' })
  for (const options of [{ timeoutMs: true }, { signal: 'soon' }, { timeoutMs: -1 }, { signal: AbortSignal.abort() }]) {
    await t.rejects(queue.tx((t) => { t.ack(message!) }, options as never))
    t.equal(message!.settlement, undefined, JSON.stringify(options))
  }
  await message!.retry()
  const [again] = await queue.pull('orders', { group: 'g' })
  t.equal(again!.attempts, 2)
})

t.test('a handler that gives up waiting for its transaction, of which nobody knows then, does not end its worker', async (t) => {
  const queue = await openQueue(t.testdir(), { limits: { maxEntryBytes: 16 * 1024 * 1024 } })
  t.teardown(() => queue.close())
  await queue.createTopic('large', { codec: 'bytes', queues: 1 })
  const failures: unknown[] = []
  const worker = queue.process('orders', async (message) => {
    await queue.tx((t) => {
      t.ack(message)
      if (message.body === 1) for (let i = 0; i < 2; i++) t.send('large', new Uint8Array(4_000_000))
    }, message.body === 1 ? { timeoutMs: 1 } : {})
  }, { group: 'g' })
  worker.on('failure', (error) => failures.push(error))
  await queue.send('orders', 1)
  await new Promise((resolve) => { for (const event of ['leaseLost', 'completed', 'failed'] as const) worker.once(event, resolve); worker.once('failure', resolve) })
  const done = new Promise((resolve) => { worker.on('completed', ({ body }) => { if (body === 2) resolve(undefined) }); worker.once('failure', resolve) })
  await queue.send('orders', 2)
  if (failures.length === 0) await done
  t.same(failures, [])
})
