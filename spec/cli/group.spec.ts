import { join } from 'node:path'
import t from 'tap'
import { NodeSockets } from '../../lib/adapters/index.ts'
import { ClusterClient } from '../../lib/cli/cluster-client.ts'
import { nodeStatuses, statusJson } from '../../lib/cli/status.ts'
import { CommandChild, ended, folderOf } from './command-child.ts'

/** The first of four ports in a row, ten apart, as far as can be told now, and one more. */
async function freePorts (): Promise<{ readonly first: number, readonly nameServer: number }> {
  const network = new NodeSockets()
  const listen = (port: number) => network.listen({ host: '127.0.0.1', port }, ({ stream }) => { stream.destroy() })
  for (;;) {
    const nameServer = await listen(0)
    const first = nameServer.address.port + 1
    const listeners = await Promise.all([0, 10, 20].map((step) => listen(first + step).catch(() => undefined)))
    for (const listener of [nameServer, ...listeners]) await listener?.close()
    if (!listeners.includes(undefined)) return { first, nameServer: nameServer.address.port }
  }
}

// processes start slowly where much else runs
t.setTimeout(240_000)

interface Row { readonly brokerId: number, readonly node: string, readonly role: string, readonly term: number }

/** As `status --json` prints it. */
async function rowsOf (client: ClusterClient, nameServer: string): Promise<Row[]> {
  return JSON.parse(statusJson(await nodeStatuses(client, nameServer).catch(() => []))) as Row[]
}

t.test('a group on this machine: elected, told to change hands, stopped', async (t) => {
  const { first, nameServer: port } = await freePorts()
  const nameServer = `127.0.0.1:${port}`
  const group = new CommandChild(t, ['group', '--data', join(folderOf(t), 'group'), '--port', String(first), '--namesrv-port', String(port)])
  t.match(await group.ready(), new RegExp(`n2 +127\\.0\\.0\\.1:${first + 20}, .*/group/n2`))
  const client = new ClusterClient()
  t.teardown(() => client.close())
  let rows: Row[] = []
  while (rows.length < 3 || !rows.some(({ role, brokerId }) => role === 'leader' && brokerId === 0)) rows = await rowsOf(client, nameServer)
  const leader = rows.find(({ role }) => role === 'leader')!
  t.same(rows.map(({ node, role }) => [node, role === 'leader']).sort(), ['n0', 'n1', 'n2'].map((node) => [node, node === leader.node]))
  const next = leader.node === 'n1' ? 'n2' : 'n1'
  const transferred = await ended(t, 'transfer', next, '-n', nameServer)
  t.match(transferred.stdout, new RegExp(`^${next} leads broker-a since \\d+ ms after it was asked to, in term ${leader.term + 1}\n$`))
  while (!rows.some(({ brokerId, node }) => brokerId === 0 && node === next)) rows = await rowsOf(client, nameServer)
  const refused = await ended(t, 'transfer', 'n7', '-n', nameServer)
  t.same([refused.status, refused.stderr], [1, 'ledgermq: no node n7 has a vote in the group of broker-a\n'])
  const table = await ended(t, 'status', '-n', nameServer)
  t.match(table.stdout, /^broker +id +address +node +role +term +last +durable +committed +applied +lag\nbroker-a +0 /)
  const { status, stdout } = await group.stop('SIGTERM')
  t.equal(status, 0)
  t.match(stdout, new RegExp(`^${next} .* leader +\\d+$`, 'm'), 'the table has shown it')
})

t.test('what is asked for wrongly', async (t) => {
  t.match((await ended(t, 'group', '--nodes', '0', '--data', folderOf(t))).stderr, /--nodes 0: expected a whole number from 1 to 9/)
  t.match((await ended(t, 'transfer', 'leader')).stderr, /leader: expected a node such as n1/)
  t.match((await ended(t, 'status', '-n', '127.0.0.1:1')).stderr, /the name server 127\.0\.0\.1:1 does not answer/)
})
