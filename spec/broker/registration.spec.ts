import t from 'tap'
import { MemoryDisk, VirtualClock } from '../../lib/adapters/index.ts'
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
