import t from 'tap'
import { PullSysFlag, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { openBroker, pullFields, startedBroker } from './support.ts'

const WAIT = PullSysFlag.subscription | PullSysFlag.suspend

t.test('thousands of pulls wait at once, each gets what arrives in its queue, and nothing of them stays', async (t) => {
  const { connect, broker, clock } = await startedBroker(t)
  const client = connect()
  await client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: 'wide', defaultTopic: 'TBW102', readQueueNums: 2000, writeQueueNums: 2000, perm: 6, topicFilterType: 'SINGLE_TAG', order: false })
  await client.pull('wide', 0, 0)
  const pulls = Array.from({ length: 4000 }, (_, i) => client.pull('wide', i % 2000, 0, { sysFlag: WAIT }))
  await clock.settle()
  await client.ask(RequestCode.GET_MAX_OFFSET, { topic: 'wide', queueId: 0 })
  const waiting = async (): Promise<string | undefined> => (await client.json(RequestCode.GET_BROKER_RUNTIME_INFO) as Map<string, Map<string, string>>).get('table')?.get('pullThreadPoolQueueSize')
  t.equal(await waiting(), '4000')
  t.equal([...broker.server.connections].reduce((sum, { inflightRequests }) => sum + inflightRequests, 0), 0, 'they do not count as under way')
  await client.send('wide', 'hello', {}, { e: 7 })
  t.same((await pulls[7]!).bodies, ['hello'])
  t.same((await pulls[2007]!).bodies, ['hello'])
  t.equal(await waiting(), '3998')
  await clock.advance(15_500)
  const answers = await Promise.all(pulls)
  t.equal(answers.filter(({ code }) => code === ResponseCode.PULL_NOT_FOUND).length, 3998)
  t.equal(await waiting(), '0')
})

t.test('beyond their bound, pulls are told to come again later', async (t) => {
  const { connect, clock } = await startedBroker(t, { settings: 'pullThreadPoolQueueCapacity=2' })
  const client = connect()
  await client.send('orders', 'x')
  await client.pull('orders', 0, 0)
  const waiting = [client.pull('orders', 0, 1, { sysFlag: WAIT }), client.pull('orders', 1, 0, { sysFlag: WAIT })]
  const refused = await client.pull('orders', 2, 0, { sysFlag: WAIT })
  t.equal(refused.code, ResponseCode.SYSTEM_BUSY)
  t.match(refused.remark, /pullThreadPoolQueueCapacity/)
  await clock.advance(16_000)
  t.same((await Promise.all(waiting)).map(({ code }) => code), [ResponseCode.PULL_NOT_FOUND, ResponseCode.PULL_NOT_FOUND])
})

t.test('a client that vanishes while its pulls wait leaves nothing behind', async (t) => {
  const { connect, broker, clock } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'x')
  const other = connect()
  await other.pull('orders', 0, 0)
  for (let queueId = 0; queueId < 4; queueId++) other.ask(RequestCode.PULL_MESSAGE, { ...pullFields('orders', queueId, queueId === 0 ? 1 : 0), sysFlag: WAIT }).catch(() => {})
  await clock.settle()
  await client.ask(RequestCode.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
  await other.close()
  await clock.advance(10)
  const table = (await client.json(RequestCode.GET_BROKER_RUNTIME_INFO) as Map<string, Map<string, string>>).get('table')
  t.equal(table?.get('pullThreadPoolQueueSize'), '0')
  t.equal(broker.server.connections.size, 1)
})

t.test('without long polling a pull looks once more, a little later', async (t) => {
  const { connect, clock } = await startedBroker(t, { settings: 'longPollingEnable=false' })
  const client = connect()
  await client.send('orders', 'x')
  await client.pull('orders', 0, 0)
  const startMs = clock.nowMs()
  const pulling = client.pull('orders', 0, 1, { sysFlag: WAIT }).then((pulled) => ({ ...pulled, atMs: clock.nowMs() }))
  await clock.advance(2000)
  const { code, atMs } = await pulling
  t.equal(code, ResponseCode.PULL_NOT_FOUND)
  t.ok(atMs - startMs >= 1000 && atMs - startMs <= 1500)
})

t.test('messages of a pull are bounded in number and bytes, one at least', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  for (let i = 0; i < 40; i++) await client.send('orders', 'x'.repeat(20_000))
  t.equal((await client.pull('orders', 0, 0)).records.length, 12, '256 KiB')
  t.equal((await client.pull('orders', 0, 0, { maxMsgBytes: 1 })).records.length, 1)
  t.equal((await client.pull('orders', 0, 0, { maxMsgNums: 3 })).records.length, 3)
  for (let i = 0; i < 40; i++) await client.send('small', 'x')
  t.equal((await client.pull('small', 0, 0, { maxMsgNums: 1000 })).records.length, 32)
})

t.test('who is served while the broker closes is answered, who comes then is sent away', async (t) => {
  const { connect, broker, clock, close } = await openBroker()
  const client = connect()
  await client.send('orders', 'x')
  await client.pull('orders', 0, 0)
  const waiting = client.pull('orders', 0, 1, { sysFlag: WAIT })
  const sending = client.trySend('orders', 'y')
  await client.ask(RequestCode.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
  const closing = broker.close()
  t.equal((await sending).code, ResponseCode.SUCCESS)
  await clock.advance(10)
  t.match([ResponseCode.SUCCESS, ResponseCode.PULL_NOT_FOUND].includes((await waiting).code as never), true)
  t.equal((await client.trySend('orders', 'z')).code, ResponseCode.GO_AWAY)
  t.equal((await client.trySend('orders', 'z', {}, { version: 317 })).code, ResponseCode.SYSTEM_BUSY)
  await clock.advance(6000)
  await closing
  await close()
})
