import t from 'tap'
import { openQueue } from '../../lib/index.ts'

const schema = (...fields: string[]) => ({
  type: 'record', name: 'R', fields: ['a', ...fields].map((name) => ({ name, type: 'int', ...(name === 'a' ? {} : { default: 7 }) }))
})

t.test('a consumer that waits while the schema changes reads what is written with the new one', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 1, topics: { m: { codec: { avro: schema() } } } })
  const receiver = queue.receive('m', { group: 'r' })
  const received = receiver.next()
  const pulled = queue.pull('m', { group: 'p', waitMs: Infinity })
  await queue.pull('m', { group: 'elsewhere' })
  await queue.createTopic('m', { codec: { avro: schema('b') } })
  await queue.send('m', { a: 1, b: 2 })
  t.same((await received).value!.body, { a: 1, b: 2 })
  t.same((await pulled).messages[0]!.body, { a: 1, b: 2 })
})

t.test('two changes of a schema at once: both are kept', async (t) => {
  const directory = t.testdir()
  const queue = await openQueue(directory, { defaultQueues: 1, topics: { m: { codec: { avro: schema() } } } })
  const changes = [queue.createTopic('m', { codec: { avro: schema('b') } }), queue.createTopic('m', { codec: { avro: schema('c') } })]
  await changes[0]
  await queue.send('m', { a: 1, b: 2, c: 3 })
  await changes[1]
  await queue.send('m', { a: 1, b: 2, c: 3 })
  await queue.close()
  await using again = await openQueue(directory)
  const [first, second] = await again.read('m', { queueId: 0, fromOffset: 0 })
  t.equal((first!.body as { a: number }).a, 1)
  t.same(second!.body, { a: 1, c: 3 })
})

t.test('a topic that is deleted and made anew with another codec', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 1 })
  await queue.send('jobs', { a: 1 })
  const receiver = queue.receive('jobs', { group: 'g', prefetch: 1 })
  t.same((await receiver.next()).value!.body, { a: 1 })
  await queue.deleteTopic('jobs')
  await queue.createTopic('jobs', { codec: 'bytes', queues: 1 })
  await queue.send('jobs', new Uint8Array([49]))
  t.same(Buffer.from((await receiver.next()).value!.body as never), Buffer.from('1'))
})

t.test('making a topic: what came before counts', async (t) => {
  await using queue = await openQueue(':memory:', { autoCreateTopics: false, topics: { jobs: {} } })
  const deleted = queue.deleteTopic('jobs')
  await queue.createTopic('jobs', { codec: 'bytes' })
  await deleted
  await queue.send('jobs', new Uint8Array(1))

  await using other = await openQueue(':memory:')
  await t.rejects(other.read('asked', { queueId: 0, fromOffset: 0 }), { code: 'MQ_TOPIC_NOT_FOUND' })
  await other.createTopic('asked', { codec: 'bytes' })
  await other.send('asked', new Uint8Array(1))
  const sent = other.send('sent', { a: 1 })
  await t.rejects(other.createTopic('sent', { codec: 'bytes' }), { code: 'MQ_INVALID_ARGUMENT' }, 'a message was first, and made it JSON')
  await sent
  const made = other.createTopic('made', { codec: 'bytes' })
  await t.rejects(other.send('made', { a: 1 }), { code: 'MQ_PAYLOAD_INVALID' }, 'JSON never comes into a topic of bytes')
  await made
  const [string, bytes] = await Promise.allSettled([other.createTopic('both', { codec: 'string' }), other.createTopic('both', { codec: 'bytes' })])
  t.equal(string.status, 'fulfilled')
  t.match(bytes, { status: 'rejected', reason: { code: 'MQ_INVALID_ARGUMENT' } })
})

t.test('dead letters are readable whoever asks for their topic first, and when they are given up again', async (t) => {
  await using queue = await openQueue(':memory:', { topics: { text: { codec: 'string', queues: 1 } } })
  t.equal((await queue.pull('%DLQ%g', { group: 'inspectors' })).length, 0)
  await queue.send('text', 'no JSON')
  await (await queue.pull('text', { group: 'g' })).messages[0]!.deadLetter()
  const [dead] = await queue.pull('%DLQ%g', { group: 'inspectors' })
  t.equal(dead!.body, 'no JSON')
  await dead!.deadLetter()
  const [again] = await queue.pull('%DLQ%inspectors', { group: 'others' })
  t.equal(again!.body, 'no JSON')
})

t.test('what a group asks for while its topic is deleted leaves nothing in a topic of the same name', async (t) => {
  await using queue = await openQueue(':memory:', { defaultQueues: 1 })
  for (let i = 0; i < 10; i++) await queue.send('jobs', i)
  await queue.pull('jobs', { group: 'consumes' })
  const deleted = queue.deleteTopic('jobs')
  const asked = [
    queue.group('seeks').seek('jobs', 'last'),
    queue.group('consumes').seek('jobs', { offset: 5 }),
    queue.pull('jobs', { group: 'consumes', waitMs: 1000 }),
    queue.pull('jobs', { group: 'begins', waitMs: 1000 })
  ]
  const rejected = Promise.all(asked.map((promise: Promise<unknown>) => t.rejects(promise as Promise<void>, { code: 'MQ_TOPIC_NOT_FOUND' })))
  await deleted
  await rejected
  for (let i = 0; i < 3; i++) await queue.send('jobs', i)
  for (const group of ['seeks', 'consumes', 'begins']) {
    t.equal(queue.group(group).lag('jobs'), 3)
    t.same((await queue.pull('jobs', { group })).messages.map(({ body }) => body), [0, 1, 2], group)
  }
})
