import { join } from 'node:path'
import t from 'tap'
import { NodeClock, NodeRandom, NodeSockets } from '../../lib/adapters/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { GroupMember } from '../../lib/group/index.ts'
import { openQueue } from '../../lib/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { parseAddress } from '../../lib/remoting/index.ts'
import { TcpPeerNetwork } from '../../lib/transport/index.ts'

t.setTimeout(120_000)

const COUNT = 500

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => { setTimeout(resolve, 20) })
}

async function freeAddress (): Promise<string> {
  const listener = await new NodeSockets().listen({ host: '127.0.0.1', port: 0 }, () => {})
  const { port } = listener.address
  await listener.close()
  return `127.0.0.1:${port}`
}

/** A node that knows of itself and of the queue. */
function openMember (directory: string, number: number, address: string, queueAddress: string): Promise<GroupMember> {
  return GroupMember.open({
    groupName: 'ledgermq',
    number,
    peers: [{ number: 0, address: parseAddress(queueAddress) }, { number, address: parseAddress(address) }],
    engine: { ...checkOpenOptions(directory, { limits: { segmentBytes: 1024 * 1024 } }), directory },
    openNetwork: async (self) => {
      const network = new TcpPeerNetwork({ clock: new NodeClock(), random: new NodeRandom(), network: new NodeSockets(), logger: silentLogger, self })
      await network.listen(parseAddress(address))
      return network
    }
  })
}

const messagesOn = ({ engine }: GroupMember): number => [0, 1, 2, 3].reduce((sum, queueId) => sum + engine.reads.rangeOf('orders', queueId).maxOffset, 0)

t.test('a queue grows to three nodes while it is used; without it the others go on, and it comes back to lead them', { timeout: 120_000 }, async (t) => {
  const directory = t.testdir({})
  const limits = { segmentBytes: 1024 * 1024 }
  const queue = await openQueue(join(directory, 'n0'), { limits, topics: { orders: { queues: 4 } } })
  for (let i = 0; i < COUNT; i++) await queue.send('orders', { i })
  const node = await queue.serve({ listen: '127.0.0.1:0' })
  t.equal(await queue.serve(), node)
  await t.rejects(node.addPeer('n0', '127.0.0.1:1'), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(node.addPeer('host', '127.0.0.1:1'), { code: 'MQ_INVALID_ARGUMENT' })
  const members: GroupMember[] = []
  for (const number of [1, 2]) {
    const address = await freeAddress()
    await node.addPeer(`n${number}`, address)
    members.push(await openMember(join(directory, `n${number}`), number, address, node.address))
    await queue.send('orders', { while: number })
  }
  await until(() => node.members().filter(({ role }) => role === 'voter').length === 3)
  await queue.send('orders', { i: 'last' })
  await until(() => members.every((member) => messagesOn(member) === COUNT + 3))
  const [first] = members as [GroupMember]
  await first.transferLeader(first.nodeId)
  await until(() => first.engine.role.isLeader)
  await t.rejects(queue.send('orders', 'elsewhere'), { code: 'MQ_NOT_LEADER', outcome: 'not-applied', retryable: true })
  await first.transferLeader(1)
  await queue.send('orders', 'here again')
  await until(() => members.every((member) => messagesOn(member) === COUNT + 4))
  await queue.close()
  await until(() => members.some(({ engine }) => engine.role.isLeader))

  await t.rejects(openQueue(join(directory, 'n0'), { limits }), { code: 'MQ_INVALID_ARGUMENT' }, 'alone it would wait for ever')
  const again = await openQueue(join(directory, 'n0'), { limits, serve: { listen: node.address } })
  await again.send('orders', { i: 'more' })
  const [batch] = [await again.pull('orders', { group: 'g', max: 10 })]
  t.equal(batch.messages.length, 10)
  await batch.ackAll()
  await until(() => members.every((member) => messagesOn(member) === COUNT + 5))
  await (await again.serve()).removePeers('n1', 'n2')
  await until(() => again.topics().length > 0)
  await again.send('orders', { i: 'alone' })
  for (const member of members) await member.close()
  await again.close()
})

t.test('what may be asked for', async (t) => {
  const memory = await openQueue(':memory:')
  await t.rejects(memory.serve({ listen: '127.0.0.1:0' }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(memory.serve({} as never), { name: 'TypeError' })
  await t.rejects(memory.serve({ listen: 'nowhere' }), { code: 'MQ_INVALID_ARGUMENT' })
  await memory.close()
  const directory = join(t.testdir({}), 'n0')
  const unsynced = await openQueue(directory, { durability: 'memory' })
  await unsynced.send('orders', 1)
  await t.rejects(unsynced.serve({ listen: '127.0.0.1:0' }), { code: 'MQ_INVALID_ARGUMENT', message: /durability/ }, 'what it holds may not be on its disk')
  await unsynced.close()
  const served = await openQueue(directory, { durability: 'memory', serve: { listen: '127.0.0.1:0' } })
  t.equal(served.topics()[0]!.queues.reduce((sum, { maxOffset }) => sum + maxOffset, 0), 1, 'one that is alone leads')
  await served.close()
  await t.rejects(openQueue(':memory:', { serve: { listen: '127.0.0.1:0' } }), { code: 'MQ_INVALID_ARGUMENT' })
})
