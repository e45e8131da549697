import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NodeClock, NodeSockets } from '../../lib/adapters/index.ts'
import { RemotingClient, RequestCode, sendMessageV2, type ExtFields, type RemotingFrame } from '../../lib/remoting/index.ts'
import { CommandChild, ended, fileWith, folderOf } from './command-child.ts'

const TOPIC = 'orders'

interface Route {
  readonly brokerDatas: ReadonlyArray<{ readonly brokerAddrs: Readonly<Record<string, string>>, readonly brokerName: string, readonly cluster: string }>
}

class Client {
  readonly #client = new RemotingClient({ clock: new NodeClock(), network: new NodeSockets() })

  constructor (t: Test) { t.teardown(() => this.#client.close()) }

  async ask (address: string, code: number, extFields: ExtFields, body = ''): Promise<RemotingFrame> {
    const answer = await this.#client.invoke(address, { code, extFields, body: Buffer.from(body), version: 479 })
    if (answer.code !== 0) throw new Error(`${answer.code}: ${answer.remark}`)
    return answer
  }

  async send (address: string, body: string): Promise<void> {
    const header = { a: 'shop', b: TOPIC, c: 'TBW102', d: 4, e: 0, f: 0, g: 0, h: 0 }
    await this.ask(address, RequestCode.SEND_MESSAGE_V2, sendMessageV2.encode(header), body)
  }

  async maxOffset (address: string): Promise<string> {
    return (await this.ask(address, RequestCode.GET_MAX_OFFSET, { topic: TOPIC, queueId: 0 })).extFields().get('offset')!
  }

  async route (address: string, topic: string): Promise<Route> {
    const { body } = await this.ask(address, RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic, acceptStandardJsonOnly: 'true' })
    return JSON.parse(Buffer.from(body).toString()) as Route
  }
}

/** Ports that the system chooses. */
function anyPorts (t: Test, more = ''): string[] {
  return ['-c', fileWith(t, 'broker.conf', `listenPort=0\nbrokerName=broker-a\nmappedFileSizeCommitLog=4194304\n${more}`), '--namesrv-conf', fileWith(t, 'namesrv.conf', 'listenPort=0\n')]
}

t.test('one command serves clients: the route is there when it says ready, and what was stored is there after the next start', async (t) => {
  const args = ['start', ...anyPorts(t)]
  const client = new Client(t)
  const first = new CommandChild(t, args)
  const [nameServer, broker] = [await first.address('name server'), (await first.address('broker')).replace(',', '')]
  t.match(await first.ready(), `data         ${join(folderOf(t), 'ledgermq-data')}, SYNC_FLUSH\n`)
  t.match(await client.route(nameServer, 'TBW102'), { brokerDatas: [{ cluster: 'DefaultCluster', brokerName: 'broker-a', brokerAddrs: { 0: broker } }] })
  await client.send(broker, 'one')
  await client.ask(nameServer, RequestCode.PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: TOPIC, value: 'broker-a:4' })
  const { status, stderr } = await first.stop('SIGTERM')
  t.equal(status, 0, stderr)
  t.match(stderr, /INFO {2}stopped\n$/)

  const second = new CommandChild(t, args)
  const again = (await second.address('broker')).replace(',', '')
  t.equal(await client.maxOffset(again), '1')
  const kept = await client.ask(await second.address('name server'), RequestCode.GET_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: TOPIC })
  t.equal(kept.extFields().get('value'), 'broker-a:4')
  t.equal((await second.stop('SIGINT')).status, 0)
})

t.test('a kill takes nothing that was answered', async (t) => {
  const args = ['start', ...anyPorts(t)]
  const client = new Client(t)
  const first = new CommandChild(t, args)
  await client.send((await first.address('broker')).replace(',', ''), 'one')
  t.equal((await first.stop('SIGKILL')).signal, 'SIGKILL')
  const second = new CommandChild(t, args)
  t.equal(await client.maxOffset((await second.address('broker')).replace(',', '')), '1')
})

t.test('--advertise is what clients are told', async (t) => {
  const child = new CommandChild(t, ['start', ...anyPorts(t), '--advertise', 'mq.example:4711'])
  t.match(await child.ready(), /broker +mq\.example:4711, broker-a in DefaultCluster, listening on 127\.0\.0\.1:/)
  const { brokerDatas } = await new Client(t).route(await child.address('name server'), 'TBW102')
  t.same(brokerDatas[0]!.brokerAddrs, { 0: 'mq.example:4711' })
})

t.test('two starts on one directory: one line that names the holder', async (t) => {
  const args = ['start', ...anyPorts(t), '--data', join(folderOf(t), 'data')]
  const first = new CommandChild(t, args)
  await first.ready()
  const second = await ended(t, ...args)
  t.equal(second.status, 1)
  t.equal(second.stderr, `ledgermq: MQ_LOCKED: ${join(folderOf(t), 'data')} is open in process ${first.pid}; one process at a time can open it\n`)
  t.equal((await first.stop('SIGTERM')).status, 0)
})

t.test('a directory that cannot be had: one line that names it', async (t) => {
  const file = fileWith(t, 'file', '')
  const below = await ended(t, 'start', ...anyPorts(t), '--data', join(file, 'data'))
  t.equal(below.status, 1)
  t.match(below.stderr, new RegExp(`^ledgermq: [^\\n]*${file}/data[^\\n]+\\n$`))
  writeFileSync(join(folderOf(t), 'letter.txt'), 'dear')
  const foreign = await ended(t, 'start', ...anyPorts(t), '--data', folderOf(t))
  t.match(foreign.stderr, /^ledgermq: MQ_NOT_A_DATA_DIRECTORY: .*letter\.txt[^\n]+\n$/)
  t.notOk(existsSync(join(folderOf(t), 'identity')))
})

t.test('a broker registers with a name server that runs elsewhere, and leaves it when it stops', async (t) => {
  const nameServer = new CommandChild(t, ['namesrv', '-c', fileWith(t, 'namesrv.conf', 'listenPort=0\n')])
  const address = await nameServer.address('name server')
  const broker = new CommandChild(t, ['broker', ...anyPorts(t).slice(0, 2), '-n', address])
  const at = (await broker.address('broker')).replace(',', '')
  const client = new Client(t)
  t.match(await client.route(address, 'TBW102'), { brokerDatas: [{ brokerAddrs: { 0: at } }] })
  await client.send(at, 'one')
  t.equal((await broker.stop('SIGTERM')).status, 0)
  await t.rejects(client.route(address, 'TBW102'), /^17: /)
  t.match(broker.stderr, `registered with a name server nameServer=${address}`)
})

t.test('a broker without a name server says so, and one whose port is taken names it', async (t) => {
  const first = new CommandChild(t, ['broker', ...anyPorts(t).slice(0, 2), '--data', join(folderOf(t), 'one')])
  const port = /:(\d+),/.exec(await first.address('broker'))![1]!
  t.match(first.stderr, 'WARN  no name server is set')
  const second = await ended(t, 'broker', '-c', fileWith(t, 'second.conf', `listenPort=${port}\n`), '--data', join(folderOf(t), 'two'))
  t.equal(second.status, 1)
  t.match(second.stderr.trimEnd().split('\n').at(-1), new RegExp(`^ledgermq: the broker cannot listen on 127\\.0\\.0\\.1:${port}: port ${port} is in use by `))
})

t.test('-p: flags before the environment, the environment before the file, the file before what this machine is', async (t) => {
  const file = fileWith(t, 'broker.conf', 'storePathRootDir=/from/file\nnamesrvAddr=file:1\nflushDiskType=ASYNC_FLUSH\nhaListenPort=1\n')
  const { stdout, status } = await new CommandChild(t, ['start', '-c', file, '--data', '/from/flag', '--bind', '127.0.0.2', '-p'], { env: { NAMESRV_ADDR: 'environment:2' } }).ended()
  t.equal(status, 0)
  const broker = stdout.slice(stdout.indexOf('\nbroker\n')).split('\n')
  const row = (key: string): string | undefined => broker.find((line) => line.startsWith(`${key} `))
  t.match(row('storePathRootDir'), /\/from\/flag +flag --data$/)
  t.match(row('namesrvAddr'), /environment:2 +environment NAMESRV_ADDR$/)
  t.match(row('flushDiskType'), /ASYNC_FLUSH +\S+broker\.conf:3$/)
  t.match(row('brokerIP1'), /127\.0\.0\.2 +default$/)
  t.match(row('haListenPort'), /no effect: /)
  t.match(stdout, /^name server\nkey +value/)
  t.notOk(existsSync('/from/flag'))

  const bad = await ended(t, 'start', '--advertise', 'two words', '-p')
  t.equal(bad.stderr, 'ledgermq: --advertise two words: expected HOST or HOST:PORT\n')
})

t.test('help shows how, for each command', async (t) => {
  for (const command of ['start', 'broker', 'namesrv']) {
    const { status, stdout } = await ended(t, command, '--help')
    t.equal(status, 0)
    t.match(stdout, `Examples:\n  $ ledgermq ${command}`)
  }
})
