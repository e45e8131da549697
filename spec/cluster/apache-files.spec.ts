import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NodeClock, NodeSockets } from '../../lib/adapters/index.ts'
import { RemotingClient, RequestCode, ResponseCode, sendMessageV2, type RemotingFrame } from '../../lib/remoting/index.ts'
import { freePorts, jsonOf, until, type RouteBroker } from './cluster.ts'
import { ServerProcess } from './server-process.ts'

/** The example configurations that RocketMQ 5 ships (conf/dledger, conf/2m-2s-sync, 2m-2s-async, 2m-noslave), as processes. */
t.setTimeout(150_000)

const TOPIC = 'orders'

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-apache-files-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

/** What the three files say; they differ in n, the port for clients and the directory. */
const dledger = (n: number): string => `
brokerClusterName = RaftCluster
brokerName=RaftNode00
listenPort=309${n + 1}1
namesrvAddr=127.0.0.1:9876
storePathRootDir=/tmp/rmqstore/node0${n}
storePathCommitLog=/tmp/rmqstore/node0${n}/commitlog
enableDLegerCommitLog=true
dLegerGroup=RaftNode00
dLegerPeers=n0-127.0.0.1:40911;n1-127.0.0.1:40912;n2-127.0.0.1:40913
## must be unique
dLegerSelfId=n${n}
sendMessageThreadPoolNums=16
`

const classic = (brokerName: string, brokerId: number, brokerRole: string): string => `
brokerClusterName=DefaultCluster
brokerName=${brokerName}
brokerId=${brokerId}
deleteWhen=04
fileReservedTime=48
brokerRole=${brokerRole}
flushDiskType=ASYNC_FLUSH
`

/** Processes with a name server, and a client. */
class World {
  readonly client = new RemotingClient({ clock: new NodeClock(), network: new NodeSockets() })
  readonly nameServer: string
  readonly #t: Test

  private constructor (t: Test, port: number) {
    this.#t = t
    this.nameServer = `127.0.0.1:${port}`
    t.teardown(() => this.client.close())
  }

  static async open (t: Test): Promise<World> {
    const [port] = await freePorts(1)
    const world = new World(t, port!)
    await world.run('namesrv', `listenPort=${port}\nkvConfigPath=${join(folder, `kv-${port}.json`)}\n`, 'namesrv')
    return world
  }

  async run (name: string, content: string, ...args: readonly string[]): Promise<ServerProcess> {
    const home = await mkdtemp(join(folder, `${name}-`))
    await writeFile(join(home, 'broker.conf'), content)
    const server = new ServerProcess('source', [...args, '-c', 'broker.conf'], home)
    this.#t.teardown(() => server.kill())
    return server
  }

  /** As `mqbroker -n ... -c FILE`, which is all that the classic files need on machines of their own. */
  async broker (name: string, content: string, port: number): Promise<ServerProcess> {
    const data = join(folder, `data-${name}-${port}`)
    await mkdir(data)
    return await this.run(name, `${content}listenPort=${port}\n`, 'broker', '-n', this.nameServer, '--data', data)
  }

  async brokers (): Promise<Readonly<Record<string, RouteBroker>>> {
    const { body } = await this.client.invoke(this.nameServer, { code: RequestCode.GET_BROKER_CLUSTER_INFO }, { timeoutMs: 2000 })
    return (jsonOf(body) as { brokerAddrTable: Record<string, RouteBroker> }).brokerAddrTable
  }

  async untilKnown (servers: readonly ServerProcess[], brokerName: string, ids: readonly string[]): Promise<Readonly<Record<string, string>>> {
    let addresses: Readonly<Record<string, string>> = {}
    await until(`${brokerName} is known as ${ids.join()}`, async () => {
      const ended = servers.find(({ exit }) => exit !== undefined)
      if (ended !== undefined) throw new Error(`ended with ${ended.exit}: ${ended.output}`)
      addresses = (await this.brokers())[brokerName]?.brokerAddrs ?? {}
      return ids.every((id) => addresses[id] !== undefined)
    })
    return addresses
  }

  async send (address: string, body: string): Promise<RemotingFrame> {
    const extFields = sendMessageV2.encode({ a: 'shop', b: TOPIC, c: 'TBW102', d: 1, e: 0, f: 0, g: Date.now(), h: 0, i: '', j: 0, k: false, m: false })
    return await this.client.invoke(address, { code: RequestCode.SEND_MESSAGE_V2, extFields, body: Buffer.from(body) }, { timeoutMs: 10_000 })
  }

  async untilSent (address: string, body: string): Promise<void> {
    await until(`${address} takes a message`, async () => (await this.send(address, body)).code === ResponseCode.SUCCESS)
  }
}

t.test('conf/dledger: the three nodes start, elect a leader and serve; another one leads when it is killed', async (t) => {
  const world = await World.open(t)
  const ports = await freePorts(6)
  const onFreePorts = (text: string): string => [30911, 30921, 30931, 40911, 40912, 40913].reduce((changed, port, i) => changed.replaceAll(`${port}`, `${ports[i]}`), text)
    .replace('127.0.0.1:9876', world.nameServer).replaceAll('/tmp/rmqstore', join(folder, 'rmqstore'))
  const nodes = await Promise.all([0, 1, 2].map((n) => world.run(`n${n}`, onFreePorts(dledger(n)), 'broker')))
  const known = await world.untilKnown(nodes, 'RaftNode00', ['0'])
  await until('three brokers are known', async () => Object.keys((await world.brokers())['RaftNode00']!.brokerAddrs).length === 3)
  const addresses = ports.slice(0, 3).map((port) => `127.0.0.1:${port}`)
  t.ok(addresses.includes(known['0']!))
  for (const address of addresses) await world.untilSent(address, `by ${address}`)
  const leader = addresses.indexOf((await world.untilKnown(nodes, 'RaftNode00', ['0']))['0']!)
  await nodes[leader]!.kill()
  const left = nodes.filter((node) => node !== nodes[leader])
  await until('another one leads', async () => (await world.untilKnown(left, 'RaftNode00', ['0']))['0'] !== addresses[leader])
  for (const address of addresses.filter((_, i) => i !== leader)) await world.untilSent(address, `later by ${address}`)
})

t.test('conf/2m-2s-sync, 2m-2s-async, 2m-noslave: masters serve, slaves follow them', async (t) => {
  const world = await World.open(t)
  const ports = await freePorts(5)
  const files = [
    ['sync-a', classic('broker-a', 0, 'SYNC_MASTER')], ['sync-a-s', classic('broker-a', 1, 'SLAVE')],
    ['async-b', classic('broker-b', 0, 'ASYNC_MASTER')], ['async-b-s', classic('broker-b', 1, 'SLAVE')],
    ['noslave-trace', `${classic('broker-trace', 0, 'ASYNC_MASTER')}autoTraceBrokerEnable=true\n`]
  ] as const
  const servers = await Promise.all(files.map(([name, content], i) => world.broker(name, content, ports[i]!)))
  const [a, b, trace] = await Promise.all([
    world.untilKnown(servers, 'broker-a', ['0', '1']), world.untilKnown(servers, 'broker-b', ['0', '1']), world.untilKnown(servers, 'broker-trace', ['0'])
  ])
  t.same([a, b, trace], [
    { 0: `127.0.0.1:${ports[0]}`, 1: `127.0.0.1:${ports[1]}` }, { 0: `127.0.0.1:${ports[2]}`, 1: `127.0.0.1:${ports[3]}` }, { 0: `127.0.0.1:${ports[4]}` }
  ])
  for (const address of [a!['0']!, b!['0']!, trace!['0']!]) await world.untilSent(address, 'to the master')
  // SYNC_MASTER answers SUCCESS only when its slave has it; a slave passes sends on
  for (const address of [a!['1']!, b!['1']!]) await world.untilSent(address, 'to the slave')
  t.match(servers[4]!.output, /autoTraceBrokerEnable/, 'what nobody knows is said')
})
