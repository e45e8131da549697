import t from 'tap'
import type { Delivery, Engine } from '../../lib/engine/index.ts'
import { Batch, Message, MqError, openQueue } from '../../lib/index.ts'
import { makeCodec } from '../../lib/queue/codec.ts'

t.test('consumers go on while producers are refused', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 1, limits: { maxPendingProposals: 100 } })
  const failures: unknown[] = []
  const worker = queue.process('jobs', () => {}, { group: 'workers', concurrency: 8 })
  worker.on('failure', (error) => { failures.push(error) })
  const received: unknown[] = []
  const receiving = (async () => {
    for await (const message of queue.receive('jobs', { group: 'receivers' })) {
      received.push(message.body)
      await message.ack()
    }
  })()
  let stored = 0
  for (let round = 0; round < 10; round++) {
    const results = await Promise.allSettled(Array.from({ length: 300 }, () => queue.send('jobs', round)))
    const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    t.ok(refused.length > 0 && refused.every(({ reason }) => reason.code === 'MQ_BUSY'), 'more were sent than may wait')
    stored += results.length - refused.length
  }
  while (queue.group('workers').lag() + queue.group('receivers').lag() > 0) await new Promise((resolve) => setImmediate(resolve))
  t.same(failures, [])
  t.equal(received.length, stored)
  await queue.close()
  await receiving
})

t.test('with the smallest bounds everything still works', async (t) => {
  await using queue = await openQueue(':memory:', {
    topics: { jobs: { codec: 'bytes', queues: 64 } },
    limits: { maxPendingProposals: 1, maxPendingBytes: 65_536, maxEntryBytes: 4096, segmentBytes: 65_536, tailCacheBytes: 1 << 20, coldCacheBytes: 1 << 20, maxWaitingConsumers: 1 }
  })
  for (let i = 0; i < 300; i++) await queue.send('jobs', new Uint8Array(1000))
  await queue.group('g').seek('jobs', 'first')
  const batch = await queue.pull('jobs', { group: 'g', max: 10_000 })
  t.equal(batch.length, 300)
  await Promise.all([...batch].slice(0, 150).map((message) => message.ack()))
  await batch.ackAll()
  t.equal(queue.group('g').lag(), 0)
})

t.test('an acknowledgement that was refused for the moment can be asked for again', async (t) => {
  const message = new Message({ ack: async () => { throw busy() } } as unknown as Engine, { topic: 'jobs' } as Delivery, { codec: makeCodec({ codec: 'json' }) })
  await t.rejects(message.ack(), { code: 'MQ_BUSY' })
  t.equal(message.settlement, undefined)
  await t.rejects(message.ack(), { code: 'MQ_BUSY' })
  const engine = { ackAll: async () => { throw busy() }, ack: async () => {} } as unknown as Engine
  const batch = new Batch(engine, [new Message(engine, { topic: 'jobs' } as Delivery, { codec: makeCodec({ codec: 'json' }) })])
  await t.rejects(batch.ackAll(), { code: 'MQ_BUSY' })
  await batch.messages[0]!.ack()
  t.equal(batch.messages[0]!.settlement, 'ack')
})

function busy (): MqError { return new MqError('MQ_BUSY', 'later') }
