import t from 'tap'
import { MemoryDisk, VirtualClock } from '../../lib/adapters/index.ts'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { NameServer } from '../../lib/namesrv/index.ts'
import { RemotingServer } from '../../lib/remoting/index.ts'
import { MemoryNetwork } from '../remoting/memory-network.ts'
import { openBroker } from './support.ts'

async function startedNameServer (clock: VirtualClock, network: MemoryNetwork, port: number) {
  const server = new RemotingServer({ clock, network })
  const nameServer = await NameServer.open({ clock, disk: new MemoryDisk(), server, config: new RunningConfig(effectiveConfig('namesrv', { files: [{ name: 'spec', content: 'kvConfigPath=/kv.json' }] }), new MemoryDisk()) })
  await server.listen({ host: '127.0.0.1', port })
  return { server, nameServer }
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
