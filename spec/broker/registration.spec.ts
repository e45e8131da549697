import t from 'tap'
import { MemoryDisk, VirtualClock } from '../../lib/adapters/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { Registration, type RegistrationOptions } from '../../lib/broker/registration.ts'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { NameServer } from '../../lib/namesrv/index.ts'
import { RemotingServer, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { MemoryNetwork } from '../remoting/memory-network.ts'
import { openBroker } from './support.ts'

async function startedNameServer (clock: VirtualClock, network: MemoryNetwork, port: number) {
  const server = new RemotingServer({ clock, network })
  const nameServer = await NameServer.open({ clock, disk: new MemoryDisk(), server, config: new RunningConfig(effectiveConfig('namesrv', { files: [{ name: 'spec', content: 'kvConfigPath=/kv.json' }] }), new MemoryDisk()) })
  await server.listen({ host: '127.0.0.1', port })
  return { server, nameServer }
}

/** All that needs no time. */
async function turns (clock: VirtualClock): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await clock.settle()
}

t.test('every name server learns of the broker, of new topics at once, and of its end', async (t) => {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const [one, two] = [await startedNameServer(clock, network, 9876), await startedNameServer(clock, network, 9877)]
  const lines: string[] = []
  const log = (message: string): void => { lines.push(message) }
  const started = await openBroker({ clock, network, logger: { debug () {}, info: log, warn: log, error: log }, settings: 'namesrvAddr=127.0.0.1:9876;localhost:9877;127.0.0.1:1' })
  for (const { nameServer: { table } } of [one, two]) {
    t.match(table.brokerData('broker-a')?.brokerAddrs, new Map([[0, '127.0.0.1:10911']]))
    t.match(table.route('TBW102')?.queueDatas, [{ brokerName: 'broker-a', perm: 7, readQueueNums: 8 }])
    t.equal(table.route('orders'), undefined)
  }
  const client = started.connect()
  await client.send('orders', 'x')
  await clock.advance(10)
  for (const { nameServer: { table } } of [one, two]) t.match(table.route('orders')?.queueDatas, [{ brokerName: 'broker-a', perm: 6, readQueueNums: 4 }])
  await clock.advance(200_000)
  t.ok(one.nameServer.table.brokerData('broker-a'), 'it registers again and again')
  t.equal(lines.filter((line) => line === 'registered with a name server').length, 2)
  t.equal(lines.filter((line) => line.startsWith('a name server does not take')).length, 1, 'what cannot be reached is told once')
  await started.close()
  for (const { server, nameServer } of [one, two]) {
    t.equal(nameServer.table.brokerData('broker-a'), undefined)
    const closing = server.close({ graceMs: 0 })
    await clock.advance(1000)
    await closing
    await nameServer.close()
  }
})

t.test('a topic that was made is known to name servers when its maker is answered; those that hang or are down are waited for briefly', async (t) => {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const { server, nameServer } = await startedNameServer(clock, network, 9876)
  const started = await openBroker({ clock, network, settings: 'namesrvAddr=127.0.0.1:9876\nregisterBrokerTimeoutMills=5000' })
  const client = started.connect()
  const make = async (topic: string, { afterMs }: { readonly afterMs: number }): Promise<void> => {
    let isDone = false
    const making = client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, { topic, defaultTopic: 'TBW102', readQueueNums: 4, writeQueueNums: 4, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false })
    making.then(() => { isDone = true })
    await turns(clock)
    if (afterMs > 0) {
      await clock.advance(afterMs - 1)
      await turns(clock)
      t.notOk(isDone)
      await clock.advance(1)
      await turns(clock)
    }
    t.ok(isDone)
    t.equal((await making).code, ResponseCode.SUCCESS)
    t.match(nameServer.table.route(topic)?.queueDatas, [{ brokerName: 'broker-a', readQueueNums: 4 }], `the route of ${topic}`)
  }
  await make('first', { afterMs: 0 })
  await network.listen({ host: '127.0.0.1', port: 9877 }, () => { /* hangs */ })
  await started.config.update('namesrvAddr=127.0.0.1:9877;127.0.0.1:9876;127.0.0.1:1')
  await make('second', { afterMs: 1000 })
  // it keeps no other from hearing of the topic
  await make('third', { afterMs: 1000 })
  await clock.advance(5000)
  // it did not answer the last time
  await make('fourth', { afterMs: 0 })
  await started.close()
  const closing = server.close({ graceMs: 0 })
  await clock.advance(1000)
  await closing
  await nameServer.close()
})

t.test('many topics are told compressed, so that a frame has room for them', async (t) => {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const { server, nameServer } = await startedNameServer(clock, network, 9876)
  const started = await openBroker({ clock, network, settings: 'namesrvAddr=127.0.0.1:9876' })
  const client = started.connect()
  const COUNT = 12_000
  for (let from = 0; from < COUNT; from += 3000) {
    const topicConfigList = Array.from({ length: 3000 }, (_, i) => ({ topicName: `topic-${from + i}`, readQueueNums: 2, writeQueueNums: 2, perm: 6 }))
    const answer = await client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC_LIST, {}, { body: { topicConfigList } })
    t.equal(answer.code, ResponseCode.SUCCESS)
  }
  await clock.advance(60_000)
  await turns(clock)
  for (const topic of ['TBW102', 'topic-0', `topic-${COUNT - 1}`]) t.match(nameServer.table.route(topic)?.queueDatas, [{ brokerName: 'broker-a' }], topic)
  await started.close()
  const closing = server.close({ graceMs: 0 })
  await clock.advance(1000)
  await closing
  await nameServer.close()
})

t.test('while a registration takes long to make, changes of topics are told together; a new leader is told at once', async (t) => {
  const clock = new VirtualClock()
  let spentMs = 0
  let isLeader = false
  let term = 1
  let counter = 0
  const told: number[] = []
  const engine = { config: { version: () => ({ counter, timestampMs: 0 }) }, get role () { return { isLeader, leaderId: 1 } }, status: () => ({ nodeId: 2 }), get term () { return term }, readBarrier: async () => {} }
  const options = {
    clock: { wallMs: () => clock.wallMs(), nowMs: () => clock.nowMs() + spentMs, defer: (fn: () => void) => { clock.defer(fn) }, setTimer: (delayMs: number, fn: () => void) => clock.setTimer(delayMs, fn) },
    logger: silentLogger,
    node: { engine, group: { brokerId: 2 } },
    config: { values: { namesrvAddr: [{ host: '127.0.0.1', port: 9876 }], registerNameServerPeriod: 600_000, registerBrokerTimeoutMills: 1000 } },
    client: { invoke: async () => { told.push(counter); return { code: ResponseCode.SUCCESS } } },
    names: { brokerName: 'a', clusterName: 'c' },
    address: '127.0.0.1:1',
    haAddress: '127.0.0.1:2',
    topics: () => ({ system: options, all: () => { spentMs += 100; return new Map() } })
  }
  const registration = new Registration(options as unknown as RegistrationOptions)
  await registration.start()
  t.same(told, [0])
  const change = async (): Promise<void> => {
    counter++
    registration.topicsChanged()
    await turns(clock)
  }
  for (let n = 0; n < 5; n++) await change()
  t.same(told, [0], 'it took 100 ms: the next may come 2 s later')
  await clock.advance(2000)
  t.same(told, [0, 5])
  await change()
  t.same(told, [0, 5])
  isLeader = true
  term = 2
  registration.roleChanged()
  await turns(clock)
  t.equal(told.at(-1), 6)
  t.ok(told.length > 2, 'a new leader does not wait')
  const stopping = registration.stop()
  await clock.advance(1000)
  await stopping
})
