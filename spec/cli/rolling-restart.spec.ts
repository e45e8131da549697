import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { NodeClock, NodeSockets } from '../../lib/adapters/index.ts'
import { ClusterClient } from '../../lib/cli/cluster-client.ts'
import { rollingRestart } from '../../lib/cli/rolling-restart.ts'
import { nodeStatuses, type NodeStatus } from '../../lib/cli/status.ts'
import { encodeRequest, HeaderType, OutboundBuffer, RemotingClient, RemotingFrame, SlabPool } from '../../lib/remoting/index.ts'
import type { RouteBroker } from '../cluster/cluster.ts'
import { NumberedProducer } from '../cluster/numbered-producer.ts'
import { readBack } from '../cluster/read-back.ts'
import { CommandChild, ended, fileWith, folderOf } from './command-child.ts'
import { freeGroupPorts } from './group-ports.ts'

// processes start slowly where much else runs
t.setTimeout(240_000)

const QUEUES = 2

t.test('a group is restarted node by node while messages are sent: none fails, and all are there', async (t) => {
  const { first, nameServer: port } = await freeGroupPorts()
  const nameServer = `127.0.0.1:${port}`
  const folder = join(folderOf(t), 'group')
  const group = new CommandChild(t, ['group', '--data', folder, '--port', String(first), '--namesrv-port', String(port)])
  await group.ready()
  const asking = new ClusterClient()
  const client = new RemotingClient({ clock: new NodeClock(), network: new NodeSockets() })
  t.teardown(() => Promise.all([asking.close(), client.close()]))
  const statuses = async (): Promise<NodeStatus[]> => await nodeStatuses(asking, nameServer).catch(() => [])
  const brokers = async (): Promise<ReadonlyMap<string, RouteBroker>> => new Map([['broker-a', { brokerName: 'broker-a', brokerAddrs: Object.fromEntries((await asking.brokers(nameServer).catch(() => [])).map(({ brokerId, address }) => [brokerId, address])) }]])
  const startedAt = async (): Promise<Map<string, string>> => new Map((await statuses()).map(({ address, info }) => [address, info?.get('bootTimestamp') ?? '']))
  let rows: NodeStatus[] = []
  while (rows.length < 3 || !rows.some(({ brokerId, info }) => brokerId === 0 && info?.get('groupRole') === 'leader')) rows = await statuses()
  const leader = rows.find(({ brokerId }) => brokerId === 0)!.info!.get('groupNode')!
  const before = await startedAt()
  const command = `kill $(cat ${folder}/$LEDGERMQ_NODE/data/lock.pid)`
  const options = { namesrv: nameServer, command, timeout: '60', pause: '0' }
  const told = t.capture(console, 'log')
  await rollingRestart({ ...options, dryRun: true })
  t.match(told().map(({ args }) => args[0]), [new RegExp(`^broker-a: n\\d \\(127\\.0\\.0\\.1:\\d+\\), then n\\d \\(.*\\), then ${leader} \\(.*\\), which leads and hands over before$`)])
  await t.rejects(rollingRestart({ ...options, command: 'exit 7' }), { message: /^the command for n\d ended with status 7; nothing was restarted$/ })
  await t.rejects(rollingRestart({ ...options, command: 'true', timeout: '0.5' }), { message: /^n\d has not come back after 0\.5 s: it runs, and was not started anew since .*; nothing was restarted$/ })
  await t.rejects(rollingRestart({ ...options, broker: 'other' }), { message: /knows no broker other/ })
  told.restore()
  t.same(await startedAt(), before)

  const producer = new NumberedProducer({ cluster: { client, brokers }, group: { name: 'broker-a' }, topic: 'rolled', queues: QUEUES, lanes: 4, bodyBytes: 200, maxRate: 200 })
  await producer.acks(100)
  producer.longestGapMs = 0
  const done = await ended(t, 'rolling-restart', '-n', nameServer, '--command', command, '--pause', '2.5')
  t.equal(done.status, 0, done.stderr)
  t.match(done.stdout, new RegExp(`n\\d leads in place of ${leader}, [\\s\\S]*\n${leader} is restarted\n${leader} is back[\\s\\S]*\nall 3 nodes were restarted, in `))
  await producer.acks(100)
  await producer.stop()
  t.notOk([...await startedAt()].some(([address, at]) => before.get(address) === at), 'every one of them')
  const { storedCount, notStoredCount, unknownCount } = producer.history
  t.same({ notStoredCount, unknownCount }, { notStoredCount: 0, unknownCount: 0 }, [...producer.answers].join('; '))
  t.comment(`${storedCount} confirmed; the longest time between two was ${Math.round(producer.longestGapMs)} ms`)
  t.same(producer.history.check(await readBack({ client }, (await brokers()).get('broker-a')!.brokerAddrs['0']!, 'rolled', QUEUES)), [])
  t.equal((await group.stop('SIGTERM')).status, 0)
})

/** Three nodes of which the first is preferred as the leader; a node is started anew by writing its name to a file. */
class PreferringGroup {
  readonly #started: string
  #leader = 'n0'

  constructor (started: string) {
    this.#started = started
  }

  #addressOf (node: string): string { return `127.0.0.1:${node.slice(1)}` }

  async brokers (): Promise<unknown> {
    return ['n0', 'n1', 'n2'].map((node, i) => ({ cluster: 'c', brokerName: 'broker-a', brokerId: node === this.#leader ? 0 : i + 1, address: this.#addressOf(node) }))
  }

  async runtimeInfo (address: string): Promise<ReadonlyMap<string, string>> {
    const node = `n${address.split(':')[1]}`
    const members = ['n0', 'n1', 'n2'].map((one) => ({ node: one, role: 'voter', matchIndex: 7 }))
    return new Map([
      ['groupNode', node],
      ['groupRole', node === this.#leader ? 'leader' : 'follower'],
      ['groupCommitIndex', '7'],
      ['groupMembers', JSON.stringify(members)],
      ['bootTimestamp', String(readFileSync(this.#started, 'utf8').split(node).length)]
    ])
  }

  async ask (_: string, { extFields }: { readonly extFields: { readonly brokerId: string } }): Promise<unknown> {
    this.#leader = `n${Number(extFields.brokerId) - 1}`
    setTimeout(() => { this.#leader = 'n0' }, 20)
    const out = new OutboundBuffer(new SlabPool())
    encodeRequest(out, HeaderType.json, { code: 0, extFields: {} }, 0, false)
    return new RemotingFrame(out.bytes, 0, out.at)
  }

  async close (): Promise<void> {}
}

t.test('a preferred leader that takes leadership back is restarted all the same', { timeout: 20_000 }, async (t) => {
  const started = fileWith(t, 'started', '')
  const told = t.capture(console, 'log')
  const client = new PreferringGroup(started) as unknown as ClusterClient
  await rollingRestart({ namesrv: '', command: `printf %s $LEDGERMQ_NODE >> ${started}`, timeout: '5', pause: '0.1' }, client)
  t.equal(readFileSync(started, 'utf8'), 'n1n2n0')
  t.match(told().map(({ args }) => args[0]).join('\n'), /n0 leads again, [^]*all 3 nodes were restarted/)
})
