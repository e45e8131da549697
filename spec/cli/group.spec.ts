import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { NodeDisk } from '../../lib/adapters/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { ClusterClient } from '../../lib/cli/cluster-client.ts'
import { nodeStatuses, statusJson } from '../../lib/cli/status.ts'
import { installReceived } from '../../lib/replica/index.ts'
import { CommandChild, ended, folderOf } from './command-child.ts'
import { freeGroupPorts } from './group-ports.ts'

// processes start slowly where much else runs
t.setTimeout(240_000)

/** A node's data directory within its folder. */
async function onlyDirectory (folder: string): Promise<string> {
  const directories = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  return join(folder, directories[0]!.name)
}

/** As a catch-up leaves a node that is stopped when the new log has come and the old one is still there: both are the same here. */
async function stopInSwitch (data: string): Promise<void> {
  const disk = new NodeDisk()
  const incoming = join(data, 'incoming')
  const [logFiles, baseFiles] = [(await readdir(join(data, 'log'))).filter((name) => name !== 'next'), await readdir(join(data, 'base'))]
  await cp(join(data, 'log'), join(incoming, 'log'), { recursive: true })
  await cp(join(data, 'base'), join(incoming, 'base'), { recursive: true })
  disk.rename = async (from, to) => {
    if (to.endsWith('.seg')) throw new Error('stopped')
    await NodeDisk.prototype.rename.call(disk, from, to)
  }
  await installReceived({ disk, directory: data, logger: silentLogger }, { index: 1, term: 1, logFiles, baseFiles }).catch(() => {})
}

interface Row { readonly brokerId: number, readonly node: string, readonly role: string, readonly term: number }

/** As `status --json` prints it. */
async function rowsOf (client: ClusterClient, nameServer: string): Promise<Row[]> {
  return JSON.parse(statusJson(await nodeStatuses(client, nameServer).catch(() => []))) as Row[]
}

t.test('a group on this machine: elected, told to change hands, stopped', async (t) => {
  const { first, nameServer: port } = await freeGroupPorts()
  const nameServer = `127.0.0.1:${port}`
  const folder = join(folderOf(t), 'group')
  const group = new CommandChild(t, ['group', '--data', folder, '--port', String(first), '--namesrv-port', String(port)])
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
  const added = await ended(t, 'add-node', 'n3', '127.0.0.1:1', '-n', nameServer)
  t.match(added.stdout, /^n3 may join broker-a: start it with a dLegerPeers that names it, at 127\.0\.0\.1:1, and a node of the group\n$/)
  const unknown = await ended(t, 'remove-node', leader.node, 'n7', '-n', nameServer)
  t.same([unknown.status, unknown.stderr], [1, 'ledgermq: n7 is not of the group of broker-a\n'])
  const removed = await ended(t, 'remove-node', leader.node, '-n', nameServer)
  t.equal(removed.stdout, `${leader.node} is not of broker-a any more\n`)
  const table = await ended(t, 'status', '-n', nameServer)
  t.match(table.stdout, /^broker +id +address +node +role +term +last +durable +committed +applied +lag +flush\nbroker-a +0 .* SYNC_FLUSH\n/)
  const { status, stdout } = await group.stop('SIGTERM')
  t.equal(status, 0)
  t.match(stdout, new RegExp(`^${next} .* leader +\\d+$`, 'm'), 'the table has shown it')

  const data = await onlyDirectory(join(folder, 'n0'))
  const looked = await ended(t, 'stats', data)
  const others = ['n1', 'n2'].filter((node) => node !== leader.node).join(', ')
  t.match(looked.stdout, new RegExp(`^node +n0 of a group, with ${others}; .*\\nlog +entries through \\d+, applied through \\d+, `), looked.stderr)
  await stopInSwitch(data)
  const verified = await ended(t, 'verify', data)
  t.match(verified.stdout, /^log and state that another node has sent were put in place\n\d+ entries with 0 messages are sound/, verified.stderr)
  t.match((await ended(t, 'repair', data)).stdout, 'nothing to repair: the log opens')
  const [segment] = (await readdir(join(data, 'log'))).filter((name) => name.endsWith('.seg'))
  const bytes = await readFile(join(data, 'log', segment!))
  bytes[300]! ^= 1
  await writeFile(join(data, 'log', segment!), bytes)
  const damaged = await ended(t, 'repair', '--yes', data)
  t.equal(damaged.status, 1)
  t.match(damaged.stdout, /^damaged: .*\nthis is a node of a group: nothing was removed/)
  t.same(await readFile(join(data, 'log', segment!)), bytes)
})

t.test('what is asked for wrongly', async (t) => {
  t.match((await ended(t, 'group', '--nodes', '0', '--data', folderOf(t))).stderr, /--nodes 0: expected a whole number from 1 to 9/)
  t.match((await ended(t, 'transfer', 'leader')).stderr, /leader: expected a node such as n1/)
  t.match((await ended(t, 'status', '-n', '127.0.0.1:1')).stderr, /the name server 127\.0\.0\.1:1 does not answer/)
})
