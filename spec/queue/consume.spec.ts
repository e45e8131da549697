import { once } from 'node:events'
import t from 'tap'
import { openQueue, VirtualClock, type EmbeddedQueue, type Message } from '../../lib/index.ts'

/** One queue, so that the order of messages is plain. */
async function openWith (bodies: readonly unknown[], options: { clock?: VirtualClock, keys?: readonly string[] } = {}): Promise<EmbeddedQueue> {
  const queue = await openQueue(':memory:', { defaultQueues: 1, ...(options.clock === undefined ? {} : { clock: options.clock }) })
  for (const [i, body] of bodies.entries()) {
    const key = options.keys?.[i]
    await queue.send('jobs', body, key === undefined ? {} : { key })
  }
  return queue
}

t.test('pull: what is acknowledged is done, each group sees all', async (t) => {
  await using queue = await openWith([1, 2, 3])
  const batch = await queue.pull('jobs', { group: 'a', max: 2 })
  t.same(batch.messages.map(({ body, attempts, group }) => [body, attempts, group]), [[1, 1, 'a'], [2, 1, 'a']])
  t.same([...batch].length, batch.length)
  t.equal(queue.group('a').lag('jobs'), 3)
  t.match(queue.group('a').progress('jobs'), [{ topic: 'jobs', queueId: 0, minOffset: 0, maxOffset: 3, consumerOffset: 0, inFlight: 2, lag: 3 }])
  await batch.ackAll()
  await batch.ackAll()
  t.equal(queue.group('a').lag('jobs'), 1)
  t.same((await queue.pull('jobs', { group: 'a' })).messages.map(({ body }) => body), [3])
  t.equal((await queue.pull('jobs', { group: 'a' })).length, 0, 'nobody else gets what is out')
  t.same((await queue.pull('jobs', { group: 'b' })).messages.map(({ body }) => body), [1, 2, 3])
  t.same(queue.stats().groups.map(({ name, lag }) => [name, lag]), [['a', 1], ['b', 3]])
})

t.test('a message ends once: ack, retry, dead letter', async (t) => {
  await using queue = await openWith([1, 2, 3])
  const [one, two, three] = await queue.pull('jobs', { group: 'g' }) as Iterable<Message> as [Message, Message, Message]
  t.equal(one.ack(), one.ack(), 'the same again is the same')
  await one.ack()
  await t.rejects(one.retry(), { code: 'MQ_LEASE_LOST' })
  await two.retry()
  await three.deadLetter()
  t.same([one.settlement, two.settlement, three.settlement], ['ack', 'retry', 'deadLetter'])
  const [again] = await queue.pull('jobs', { group: 'g', waitMs: 1000 })
  t.match(again, { body: 2, attempts: 2, queueOffset: 1 })
  await again!.ack()
  t.equal(queue.group('g').lag('jobs'), 0)
  const [dead] = await queue.pull('%DLQ%g', { group: 'inspectors' })
  t.match(dead, { body: 3, attempts: 1 }, 'decoded as in the topic it comes from')
  t.match(dead!.properties, { DLQ_ORIGIN_TOPIC: 'jobs', DLQ_ORIGIN_MESSAGE_ID: three.id })
  await t.rejects(again!.retry({ delay: 'soon' as never }), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('a lease that ends gives the message to others, and the first comes too late', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith(['job'], { clock })
  const [first] = await queue.pull('jobs', { group: 'g', lease: '1h' })
  const { signal } = first!
  await clock.advance(3_599_000)
  t.equal((await queue.pull('jobs', { group: 'g' })).length, 0)
  await first!.renew('1h')
  await clock.advance(3_599_000)
  t.equal((await queue.pull('jobs', { group: 'g' })).length, 0, 'renewed')
  const waiting = queue.pull('jobs', { group: 'g', waitMs: 10_000 })
  await clock.advance(2_000)
  const [second] = await waiting
  t.match(second, { body: 'job', attempts: 2 })
  await t.rejects(first!.ack(), { code: 'MQ_LEASE_LOST', outcome: 'not-applied' })
  await t.rejects(first!.renew(1000), { code: 'MQ_LEASE_LOST' })
  t.ok(signal.aborted)
  await second!.ack()
})

t.test('retry later keeps the message away for the delay', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith(['job', 'other'], { clock })
  const [job] = await queue.pull('jobs', { group: 'g', max: 1 })
  await job!.retry({ delay: '2h' })
  const [other] = await queue.pull('jobs', { group: 'g' })
  t.equal(other!.body, 'other')
  await other!.ack()
  const waiting = queue.pull('jobs', { group: 'g', waitMs: Infinity })
  await clock.advance(7_199_000)
  t.equal((await queue.pull('jobs', { group: 'g' })).length, 0)
  await clock.advance(1_500)
  t.match((await waiting).messages[0], { body: 'job', attempts: 2 })
})

t.test('waiting: woken by a send, ended by time, by abort, by close', async (t) => {
  const clock = new VirtualClock()
  const queue = await openWith([], { clock })
  const woken = queue.pull('jobs', { group: 'g', waitMs: 60_000 })
  await clock.settle()
  await queue.send('jobs', 'hello')
  const batch = await woken
  t.same(batch.messages.map(({ body }) => body), ['hello'])
  await batch.ackAll()
  const timed = queue.pull('jobs', { group: 'g', waitMs: 60_000 })
  await clock.advance(60_001)
  t.equal((await timed).length, 0)
  const controller = new AbortController()
  const aborted = queue.pull('jobs', { group: 'g', waitMs: 60_000, signal: controller.signal })
  const iterator = queue.receive('jobs', { group: 'g', signal: controller.signal })
  const next = iterator.next()
  await clock.settle()
  const reason = new Error('enough')
  controller.abort(reason)
  await Promise.all([aborted, next].map((waiting: Promise<unknown>) => t.rejects(waiting, { name: 'AbortError', code: 'MQ_ABORTED', cause: reason })))
  await t.rejects(queue.pull('jobs', { group: 'g', signal: AbortSignal.abort() }), { code: 'MQ_ABORTED' })
  const closed = queue.pull('jobs', { group: 'g', waitMs: Infinity })
  const ended = queue.receive('jobs', { group: 'g' }).next()
  const refused = t.rejects(closed, { code: 'MQ_CLOSED' })
  await queue.close()
  await refused
  t.same(await ended, { done: true, value: undefined }, 'an iterator just ends')
})

t.test('many consumers wait, each message wakes one that gets it', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 4 })
  const pulls = Array.from({ length: 20 }, () => queue.pull('jobs', { group: 'g', max: 1, waitMs: 60_000 }))
  await Promise.all(Array.from({ length: 20 }, (_, n) => queue.send('jobs', n)))
  const bodies = (await Promise.all(pulls)).flatMap(({ messages }) => messages.map(({ body }) => body as number))
  t.same(bodies.sort((a, b) => a - b), Array.from({ length: 20 }, (_, n) => n))
})

t.test('too many waiting consumers are refused', async (t) => {
  const queue = await openQueue(':memory:', { limits: { maxWaitingConsumers: 2 } })
  await queue.createTopic('jobs')
  const waiting = [1, 2].map(() => t.rejects(queue.pull('jobs', { group: 'g', waitMs: Infinity }), { code: 'MQ_CLOSED' }))
  await t.rejects(queue.pull('jobs', { group: 'g', waitMs: Infinity }), { code: 'MQ_BUSY', retryable: true })
  await queue.close()
  await Promise.all(waiting)
})

t.test('receive: in order, and leaving the loop gives back what was fetched ahead', async (t) => {
  await using queue = await openWith([1, 2, 3, 4, 5])
  const seen: unknown[] = []
  for await (const message of queue.receive('jobs', { group: 'g', prefetch: 4 })) {
    seen.push(message.body)
    await message.ack()
    if (seen.length === 2) break
  }
  t.same(seen, [1, 2])
  t.same((await queue.pull('jobs', { group: 'g' })).messages.map(({ body, attempts }) => [body, attempts]), [[3, 1], [4, 1], [5, 1]], 'not counted as a delivery')
})

t.test('receive: the lease of the message at hand and of those ahead is renewed', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith([1, 2], { clock })
  const iterator = queue.receive('jobs', { group: 'g', lease: '30s' })
  const { value: one } = await iterator.next()
  await clock.advance(300_000)
  t.notOk(one!.signal.aborted)
  await one!.ack()
  const { value: two } = await iterator.next()
  t.match(two, { body: 2, attempts: 1 })
  await two!.ack()
  await iterator.return()
  t.same(await iterator.next(), { done: true, value: undefined })
})

t.test('process: concurrency, acknowledgement, metrics, close', async (t) => {
  await using queue = await openWith(Array.from({ length: 40 }, (_, n) => n))
  let running = 0
  let most = 0
  const seen: number[] = []
  const worker = queue.process('jobs', async (message) => {
    most = Math.max(most, ++running)
    seen.push(message.body as number)
    await new Promise((resolve) => setImmediate(resolve))
    running--
  }, { group: 'g', concurrency: 4 })
  while (worker.metrics.completed < 40) await once(worker, 'completed')
  t.equal(most, 4)
  t.same(seen, Array.from({ length: 40 }, (_, n) => n), 'begun in order')
  t.match(worker.metrics, { running: 0, waiting: 0, completed: 40, failed: 0, deadLettered: 0, leasesLost: 0 })
  t.equal(queue.group('g').lag('jobs'), 0)
  t.equal(worker.close(), worker.close())
  await worker.close()
})

t.test('process: failures are tried again after the backoff, then become dead letters', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith(['bad', 'good'], { clock })
  const attempts: Array<[unknown, number, number]> = []
  const failures: Array<number | undefined> = []
  const worker = queue.process('jobs', (message) => {
    attempts.push([message.body, message.attempts, clock.nowMs()])
    if (message.body === 'bad') throw new Error('no')
  }, { group: 'g', attempts: 3, backoff: ['1s', '10s'] })
  worker.on('failed', (_message, error, retryDelayMs) => {
    t.equal((error as Error).message, 'no')
    failures.push(retryDelayMs)
  })
  const dead = once(worker, 'deadLettered')
  t.ok(await clock.runUntil(() => worker.metrics.deadLettered === 1, { maxMs: 60_000 }))
  await dead
  t.same(failures, [1000, 10_000, undefined])
  t.same(attempts.map(([body, attempt]) => [body, attempt]), [['bad', 1], ['good', 1], ['bad', 2], ['bad', 3]])
  t.ok(attempts[2]![2] - attempts[0]![2] >= 1000 && attempts[3]![2] - attempts[2]![2] >= 10_000)
  t.equal(queue.group('g').lag('jobs'), 0)
  t.match((await queue.pull('%DLQ%g', { group: 'i' })).messages[0], { body: 'bad' })
})

t.test('process: attempts that ended without a word count too', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith(['poison'], { clock })
  for (let attempt = 1; attempt <= 16; attempt++) {
    const [message] = await queue.pull('jobs', { group: 'g', lease: 1000 })
    t.equal(message!.attempts, attempt)
    await clock.advance(1100)
  }
  t.equal((await queue.pull('jobs', { group: 'g' })).length, 0)
  t.match((await queue.pull('%DLQ%g', { group: 'i' })).messages[0], { body: 'poison' })
})

t.test('process: a message that ends its process each time is given up after `attempts`', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith(['poison', 'good'], { clock })
  for (let attempt = 1; attempt <= 2; attempt++) {
    await queue.pull('jobs', { group: 'g', lease: 1000, max: 1 })
    await clock.advance(1100)
  }
  const seen: unknown[] = []
  const worker = queue.process('jobs', ({ body }) => { seen.push(body) }, { group: 'g', attempts: 2 })
  t.ok(await clock.runUntil(() => worker.metrics.completed === 1, { maxMs: 60_000 }))
  t.same(seen, ['good'])
  t.match((await queue.pull('%DLQ%g', { group: 'i' })).messages[0], { body: 'poison' })
})

t.test('process, order \'key\': a key waits for its failed message, others pass', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith([1, 2, 3, 4], { clock, keys: ['a', 'b', 'a', 'b'] })
  const seen: Array<[unknown, number]> = []
  const worker = queue.process('jobs', async (message) => {
    seen.push([message.body, message.attempts])
    await clock.settle()
    if (message.body === 1 && message.attempts < 3) throw new Error('again')
  }, { group: 'g', concurrency: 4, order: 'key', backoff: ['5s'] })
  t.ok(await clock.runUntil(() => worker.metrics.completed === 4, { maxMs: 60_000 }))
  t.same(seen, [[1, 1], [2, 1], [4, 1], [1, 2], [1, 3], [3, 1]])
})

t.test('process, order \'key\': a retry asked for by the handler is not overtaken', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith([1, 2, 3], { clock, keys: ['a', 'a', 'b'] })
  const seen: unknown[] = []
  const worker = queue.process('jobs', async (message) => {
    seen.push(message.body)
    if (message.body === 1 && message.attempts === 1) await message.retry({ delay: '1h' })
  }, { group: 'g', concurrency: 2, order: 'key' })
  t.ok(await clock.runUntil(() => worker.metrics.completed === 3, { maxMs: 4_000_000 }))
  t.same(seen, [1, 3, 1, 2])
})

t.test('process: leases are renewed; a lost one fires the signal', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith(['long'], { clock })
  let message!: Message
  let finish!: () => void
  const worker = queue.process('jobs', (handed) => {
    message = handed
    return new Promise<void>((resolve) => { finish = resolve })
  }, { group: 'g', lease: '30s' })
  t.ok(await clock.runUntil(() => message !== undefined))
  const { signal } = message
  await clock.advance(600_000)
  t.notOk(signal.aborted, 'ten minutes under a lease of half a minute')
  await queue.group('g').seek('jobs', 'last')
  await clock.advance(15_000)
  t.ok(signal.aborted, 'seek has ended it')
  t.match(signal.reason, { code: 'MQ_LEASE_LOST' })
  t.equal(worker.metrics.leasesLost, 1)
  finish()
  await worker.close()
})

t.test('close: running handlers finish, what was fetched ahead is given back', async (t) => {
  const queue = await openWith([1, 2, 3])
  const begun: unknown[] = []
  let finish!: () => void
  const worker = queue.process('jobs', (message) => {
    begun.push(message.body)
    return new Promise<void>((resolve) => { finish = resolve })
  }, { group: 'g', prefetch: 5 })
  const closed = once(worker, 'closed')
  while (begun.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const closing = worker.close()
  finish()
  await closing
  await closed
  t.same(begun, [1])
  t.same((await queue.pull('jobs', { group: 'g' })).messages.map(({ body, attempts }) => [body, attempts]), [[2, 1], [3, 1]])
  await queue.close()
})

t.test('close with a timeout: handlers that take too long are told, their messages given back', async (t) => {
  const clock = new VirtualClock()
  const queue = await openWith(['slow'], { clock })
  let signal: AbortSignal | undefined
  queue.process('jobs', (message) => {
    signal = message.signal
    return new Promise(() => {})
  }, { group: 'g' })
  t.ok(await clock.runUntil(() => signal !== undefined))
  const closing = queue.close({ timeout: '10s' })
  await clock.advance(9_000)
  t.notOk(signal!.aborted)
  await clock.advance(1_001)
  t.match(signal!.reason, { code: 'MQ_CLOSED' })
  await closing
})

t.test('an aborted worker closes', async (t) => {
  await using queue = await openWith([])
  const controller = new AbortController()
  const worker = queue.process('jobs', () => {}, { group: 'g', signal: controller.signal })
  const closed = once(worker, 'closed')
  controller.abort()
  await closed
  const late = queue.process('jobs', () => {}, { group: 'g', signal: controller.signal })
  await late.close()
})

t.test('seek: first, last, offset, time', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith([1, 2], { clock })
  await clock.advance(3_600_000)
  const timeMs = clock.wallMs()
  for (const body of [3, 4]) await queue.send('jobs', body)
  const group = queue.group('g')
  const bodies = async () => {
    const batch = await queue.pull('jobs', { group: 'g' })
    await batch.ackAll()
    return batch.messages.map(({ body }) => body)
  }
  t.same(await bodies(), [1, 2, 3, 4])
  await group.seek('jobs', 'first')
  t.equal(group.lag(), 4)
  t.same(await bodies(), [1, 2, 3, 4])
  await group.seek('jobs', { time: timeMs })
  t.same(await bodies(), [3, 4])
  await group.seek('jobs', { offset: 1, queueId: 0 })
  t.same(await bodies(), [2, 3, 4])
  await group.seek('jobs', 'first')
  await group.seek('jobs', 'last')
  t.same(await bodies(), [])
  await t.rejects(group.seek('jobs', 'middle' as never), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(group.seek('jobs', 5 as never), TypeError)
  await t.rejects(group.seek('jobs', { offset: -1 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(group.seek('jobs', { offset: 0, queueId: 9 }), { code: 'MQ_QUEUE_NOT_FOUND' })
  await t.rejects(group.seek('nothing', 'first'), { code: 'MQ_TOPIC_NOT_FOUND' })
  t.throws(() => queue.group('a b'), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('bad options of consumers', async (t) => {
  await using queue = await openWith([])
  const types: unknown[] = [undefined, 5, {}, { group: 5 }, { group: 'g', nonsense: 1 }, { group: 'g', lease: {} }, { group: 'g', signal: 5 }]
  for (const options of types) {
    await t.rejects(queue.pull('jobs', options as never), TypeError)
    t.throws(() => queue.receive('jobs', options as never), TypeError)
    t.throws(() => queue.process('jobs', () => {}, options as never), TypeError)
  }
  t.throws(() => queue.process('jobs', 5 as never, { group: 'g' }), TypeError)
  const ranges: unknown[] = [{ group: '' }, { group: 'g', lease: 0 }, { group: 'g', lease: '5 s' }, { group: 'g', order: 'random' }]
  for (const options of ranges) {
    await t.rejects(queue.pull('jobs', options as never), { code: 'MQ_INVALID_ARGUMENT' })
    t.throws(() => queue.process('jobs', () => {}, options as never), { code: 'MQ_INVALID_ARGUMENT' })
  }
  for (const extra of [{ concurrency: 0 }, { attempts: 0 }, { prefetch: -1 }, { backoff: [] }]) {
    t.throws(() => queue.process('jobs', () => {}, { group: 'g', ...extra }), { code: 'MQ_INVALID_ARGUMENT' })
  }
  await t.rejects(queue.pull('jobs', { group: 'g', max: 0 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.pull('jobs', { group: 'g', waitMs: -1 }), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('renewing one message never shortens the lease of those fetched with it', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith([1, 2], { clock })
  const [one, two] = await queue.pull('jobs', { group: 'g', lease: '30s' })
  await one!.renew('1s')
  await clock.advance(20_000)
  t.equal((await queue.pull('jobs', { group: 'g' })).length, 0)
  await one!.ack()
  await two!.ack()
})

t.test('a handler runs whenever one of `concurrency` is free', async (t) => {
  await using queue = await openWith([])
  const begun: Array<() => void> = []
  const beginning = Array.from({ length: 10 }, () => new Promise<void>((resolve) => { begun.push(resolve) }))
  queue.process('jobs', async ({ body }) => {
    begun[body]!()
    await new Promise(() => {})
  }, { group: 'g', concurrency: 10, prefetch: 0 })
  for (const [i, isBegun] of beginning.entries()) {
    await queue.send('jobs', i)
    await isBegun
  }
  await queue.close({ timeout: 0 })
})

t.test('what a handler has begun on counts as an attempt, also when the worker closes', async (t) => {
  for (const [order, ends] of [['none', 'hangs'], ['key', 'hangs'], ['key', 'fails']] as const) {
    await using queue = await openWith([1])
    const attempts: number[] = []
    for (let i = 0; i < 3; i++) {
      let begun: () => void
      const beginning = new Promise<void>((resolve) => { begun = resolve })
      const worker = queue.process('jobs', async (message) => {
        attempts.push(message.attempts)
        begun()
        if (ends === 'fails') throw new Error('fails')
        await new Promise(() => {})
      }, { group: 'g', order, backoff: ['1h'] })
      await beginning
      await worker.close({ timeoutMs: 0 })
    }
    t.same(attempts, [1, 2, 3], `${order}, ${ends}`)
  }
})

t.test('whatever a handler returns ends once', async (t) => {
  await using queue = await openWith(['getter', 'both', 'throws', 'plain'])
  const thenables: Record<string, unknown> = {
    getter: { get then () { throw new Error('getter') } },
    both: { then (resolve: () => void, reject: (error: Error) => void) { resolve(); resolve(); reject(new Error('late')) } },
    throws: { then () { throw new Error('then') } }
  }
  const worker = queue.process('jobs', ({ body }) => thenables[body], { group: 'g', attempts: 1 })
  while (queue.group('g').lag('jobs') > 0) await new Promise((resolve) => setImmediate(resolve))
  t.match(worker.metrics, { completed: 2, failed: 2, deadLettered: 2 })
})

t.test('a seek while messages without attempts left are on their way to the dead letters', async (t) => {
  const clock = new VirtualClock()
  await using queue = await openWith([1], { clock })
  await queue.pull('jobs', { group: 'g', lease: '1s' })
  await clock.advance(2000)
  const failures: unknown[] = []
  const handled = new Promise<Message>((resolve) => {
    queue.process('jobs', resolve, { group: 'g', attempts: 1 }).on('failure', (error) => { failures.push(error) })
  })
  await new Promise((resolve) => setImmediate(resolve))
  await queue.group('g').seek('jobs', 'first')
  t.equal((await handled).attempts, 1)
  t.same(failures, [])
})

t.test('a handler that asks for retries without end gets as many as there are attempts, in any order', async (t) => {
  for (const order of ['none', 'key'] as const) {
    await using queue = await openWith([1, 2])
    const attempts: number[] = []
    const worker = queue.process('jobs', async (message) => {
      if (message.body !== 1) return
      attempts.push(message.attempts)
      await message.retry()
    }, { group: 'g', order, attempts: 3 })
    while (queue.group('g').lag('jobs') > 0) await new Promise((resolve) => setImmediate(resolve))
    await worker.close()
    t.same(attempts, [1, 2, 3], order)
    t.same((await queue.pull('%DLQ%g', { group: 'inspectors' })).messages.map(({ body }) => body), [1])
  }
})
