import t, { type Test } from 'tap'
import { holdProcess, MemoryDisk, NodeClock, NodeSockets } from '../../lib/adapters/index.ts'
import { Broker } from '../../lib/broker/index.ts'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { memoryPorts, type EnginePorts } from '../../lib/engine/index.ts'
import { NameServer } from '../../lib/namesrv/index.ts'
import { addressText, RemotingClient, RemotingServer, ResponseCode } from '../../lib/remoting/index.ts'
import { textOf } from '../rules/sources.ts'
import { Client } from './support.ts'

const clock = new NodeClock()
const network = new NodeSockets()
// the machine may stand still for a while
t.setTimeout(240_000)

const ANY = { host: '127.0.0.1', port: 0 }
const hold = holdProcess()
t.teardown(() => { hold.cancel() })

interface World { readonly nameServer: NameServer, readonly namesrvAddr: string, readonly open: (content: string, ports?: EnginePorts) => Promise<Broker>, readonly client: (address: string) => Client }

/** A name server over sockets, and brokers that keep their data in memory. */
async function world (t: Test): Promise<World> {
  const server = new RemotingServer({ clock, network })
  const nameServer = await NameServer.open({ clock, disk: new MemoryDisk(), server, config: new RunningConfig(effectiveConfig('namesrv', { files: [{ name: 'spec', content: 'kvConfigPath=/kv.json' }] }), new MemoryDisk()) })
  const namesrvAddr = addressText(await server.listen(ANY))
  t.teardown(async () => {
    await server.close({ graceMs: 0 })
    await nameServer.close()
  })
  const open = async (content: string, ports: EnginePorts = memoryPorts(clock)): Promise<Broker> => {
    const files = [{ name: 'spec', content: `namesrvAddr=${namesrvAddr}\nstorePathRootDir=/data\nmappedFileSizeCommitLog=4194304\n${content}` }]
    const broker = await Broker.open({ config: new RunningConfig(effectiveConfig('broker', { files }), new MemoryDisk()), network, ports })
    t.teardown(() => broker.close())
    await broker.start()
    return broker
  }
  const client = (address: string): Client => {
    const client = new Client(new RemotingClient({ clock, network }), address)
    t.teardown(() => client.close())
    return client
  }
  return { nameServer, namesrvAddr, open, client }
}

async function until<T> (found: () => T | undefined | false): Promise<T> {
  for (;;) {
    const value = found()
    if (value !== undefined && value !== false) return value
    await new Promise<void>((resolve) => { clock.setTimer(5, resolve) })
  }
}

async function freePorts (count: number): Promise<number[]> {
  const listeners = await Promise.all(Array.from({ length: count }, () => network.listen(ANY, ({ stream }) => { stream.destroy() })))
  for (const listener of listeners) await listener.close()
  return listeners.map(({ address }) => address.port)
}

const addressesOf = ({ nameServer }: World, brokerName: string): Map<number, string> => new Map(nameServer.table.brokerData(brokerName)?.brokerAddrs ?? [])

t.test('the nodes of the article meet on the ports for clients, elect, and serve', async (t) => {
  const all = await world(t)
  const ports = await freePorts(6)
  const article = (node: number): string => [10_911, 10_921, 10_931].reduce((text, port, i) => text.replace(String(port), String(ports[i])), textOf('spec/config/article/15-dledger.properties'))
    .replace('PeerId=n0', `PeerId=n${node}`).replace('ListenPort=10912', `ListenPort=${ports[3 + node]}`) + `\nlistenPort=${ports[node]}\nbrokerName=article\n`
  const opening = [0, 1].map((node) => all.open(article(node)))
  const early = all.client(`127.0.0.1:${ports[0]}`)
  let answer = await early.trySend('orders', 'x').catch(() => undefined)
  while (answer === undefined) answer = await early.trySend('orders', 'x').catch(() => undefined)
  t.equal(answer.code, ResponseCode.SERVICE_NOT_AVAILABLE, 'the group is not there while one is missing')
  const brokers = await Promise.all([...opening, all.open(article(2))])
  // a machine that stands still for a moment may cost one its leadership
  const known = (others: readonly Broker[]): Broker | undefined => others.find(({ engine, address }) => engine.role.isLeader && addressesOf(all, 'article').get(0) === address)
  const leader = await until(() => addressesOf(all, 'article').size === 3 && known(brokers))
  const other = brokers.find((broker) => broker !== leader)!
  t.match(await all.client(leader.address).send('orders', 'one'), { queueOffset: 0 })
  t.match(await all.client(other.address).send('orders', 'two'), { queueOffset: 1 })
  await until(() => other.engine.reads.rangeOf('orders', 0).maxOffset === 2)
  t.same((await all.client(other.address).pull('orders', 0, 0)).bodies, ['one', 'two'])
  await leader.close()
  const next = await until(() => known(brokers.filter((broker) => broker !== leader)))
  t.match(await all.client(next.address).send('orders', 'three'), { queueOffset: 2 })
})

t.test('a slave finds its master through the name server, follows it, serves reads, and outlives it', async (t) => {
  const all = await world(t)
  const [masterPort, slavePort] = await freePorts(2)
  const master = await all.open(`brokerName=broker-a\nbrokerId=0\nbrokerRole=SYNC_MASTER\nlistenPort=${masterPort}`)
  const atMaster = all.client(master.address)
  t.equal((await atMaster.trySend('orders', 'alone')).code, ResponseCode.SLAVE_NOT_AVAILABLE)
  const slave = await all.open(`brokerName=broker-a\nbrokerId=1\nbrokerRole=SLAVE\nlistenPort=${slavePort}`)
  await until(() => addressesOf(all, 'broker-a').get(1) === slave.address)
  t.equal(addressesOf(all, 'broker-a').get(0), master.address)
  await until(() => slave.engine.reads.rangeOf('orders', 0).maxOffset === 1)
  let code = -1
  for (let i = 0; i < 100 && code !== ResponseCode.SUCCESS; i++) code = (await atMaster.trySend('orders', 'with a replica')).code
  t.equal(code, ResponseCode.SUCCESS)
  const atSlave = all.client(slave.address)
  t.equal((await atSlave.trySend('orders', 'through the replica')).code, ResponseCode.SUCCESS)
  const { maxOffset } = master.engine.reads.rangeOf('orders', 0)
  await until(() => slave.engine.reads.rangeOf('orders', 0).maxOffset === maxOffset)
  await atSlave.pull('orders', 0, maxOffset - 1)
  await until(() => slave.engine.store.metadata.group('group') !== undefined)
  await master.close()
  const found = await atSlave.pull('orders', 0, maxOffset - 2)
  t.same(found.bodies, ['with a replica', 'through the replica'])
  t.equal((await atSlave.trySend('orders', 'to nobody')).code, ResponseCode.SERVICE_NOT_AVAILABLE, 'it never leads')
})

t.test('a master whose configuration does not name its role any more goes on as the master of those that follow it', async (t) => {
  const all = await world(t)
  const [masterPort, slavePort, nodePort] = await freePorts(3)
  const ports = memoryPorts(clock)
  const settings = `brokerName=broker-d\nlistenPort=${masterPort}\n`
  const first = await all.open(`${settings}brokerRole=ASYNC_MASTER`, ports)
  const slave = await all.open(`brokerName=broker-d\nbrokerId=1\nbrokerRole=SLAVE\nlistenPort=${slavePort}`)
  t.equal((await all.client(first.address).trySend('orders', 'one')).code, ResponseCode.SUCCESS)
  await until(() => slave.engine.reads.rangeOf('orders', 0).maxOffset === 1)
  await first.close()
  const again = await all.open(settings, ports)
  t.equal((await all.client(again.address).trySend('orders', 'two')).code, ResponseCode.SUCCESS)
  await until(() => slave.engine.reads.rangeOf('orders', 0).maxOffset === 2)
  await again.close()

  // one of several that elect who leads cannot go on alone
  const node = memoryPorts(clock)
  const group = `brokerName=broker-e\nlistenPort=${nodePort}\n`
  const alone = await all.open(`${group}enableDLegerCommitLog=true\ndLegerSelfId=n0\ndLegerPeers=n0@127.0.0.1:${nodePort}`, node)
  await alone.close()
  await t.rejects(all.open(group, node), { code: 'MQ_INVALID_ARGUMENT', message: /node of a group: the configuration needs enableDLegerCommitLog/ })
})

t.test('a role may be named and left out again, as long as nobody follows', async (t) => {
  const all = await world(t)
  const [listenPort] = await freePorts(1)
  const ports = memoryPorts(clock)
  let messages = 0
  for (const role of ['brokerRole=ASYNC_MASTER', '', 'brokerRole=SYNC_MASTER', '']) {
    const broker = await all.open(`brokerName=broker-c\nlistenPort=${listenPort}\n${role}`, ports)
    const client = all.client(broker.address)
    t.match(await client.ask(310, { a: 'p', b: 'orders', c: 'TBW102', d: 4, e: 0, f: 0, g: 1, h: 0, i: '', j: 0, k: false, m: false }, { body: 'x' }), { code: role.includes('SYNC_M') && !role.includes('ASYNC') ? ResponseCode.SLAVE_NOT_AVAILABLE : ResponseCode.SUCCESS })
    t.equal(broker.engine.reads.rangeOf('orders', 0).maxOffset, ++messages, role)
    await client.close()
    await broker.close()
  }
})

t.test('a broker that names no role, or has another secret, takes no replica', async (t) => {
  const all = await world(t)
  const [masterPort, slavePort] = await freePorts(2)
  await all.open(`brokerName=broker-b\nbrokerRole=ASYNC_MASTER\ngroupSecret=right\nlistenPort=${masterPort}`)
  const files = [{ name: 'spec', content: `namesrvAddr=${all.namesrvAddr}\nstorePathRootDir=/data\nbrokerName=broker-b\nbrokerRole=SLAVE\nbrokerId=1\ngroupSecret=wrong\nlistenPort=${slavePort}` }]
  const warnings: string[] = []
  const logger = { debug () {}, info () {}, warn (message: string) { warnings.push(message) }, error () {} }
  const end = new AbortController()
  const opening = Broker.open({ config: new RunningConfig(effectiveConfig('broker', { files }), new MemoryDisk()), network, logger, ports: memoryPorts(clock), signal: end.signal })
  const refused = t.rejects(opening, { code: 'MQ_ABORTED' })
  await new Promise<void>((resolve) => { clock.setTimer(600, resolve) })
  end.abort()
  await refused
  t.notMatch(warnings.join('\n'), /right|wrong/)
})
