import t, { type Test } from 'tap'
import { holdProcess, NodeClock, NodeRandom, NodeSockets, SharedSecret } from '../../lib/adapters/index.ts'
import { loadChecksum, silentLogger } from '../../lib/base/index.ts'
import type { NodeId } from '../../lib/raft/index.ts'
import { Replica } from '../../lib/replica/index.ts'
import { addressText, type Address, type ByteConnection, type Network } from '../../lib/remoting/index.ts'
import { TcpPeerNetwork } from '../../lib/transport/index.ts'
import { CounterMachine } from '../replica/counter-machine.ts'
import { DIRECTORY, GROUP_ID } from '../replica/members.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { ANY, linked, member, until } from './peer-network-conformance.ts'

const FOUNDERS: readonly NodeId[] = [1, 2, 3]
const clock = new NodeClock()

/** Sockets that can be broken from outside, in the order they were made. */
class BreakableSockets implements Network {
  readonly #sockets = new NodeSockets()
  readonly connections: ByteConnection[] = []

  async listen (address: Address, onConnection: (connection: ByteConnection) => void) { return await this.#sockets.listen(address, onConnection) }

  async connect (address: Address, options: { readonly signal: AbortSignal }): Promise<ByteConnection> {
    const connection = await this.#sockets.connect(address, options)
    this.connections.push(connection)
    return connection
  }

  breakAll (): void {
    for (const { stream } of this.connections.splice(0)) stream.destroy()
  }
}

interface Node { readonly id: NodeId, readonly peers: TcpPeerNetwork, readonly network: BreakableSockets, readonly replica: Replica, readonly machine: CounterMachine, readonly disk: FaultyDisk }

async function group (t: Test): Promise<{ nodes: Node[], start: (id: NodeId, disk?: FaultyDisk) => Promise<Node>, addresses: Map<NodeId, Address> }> {
  await loadChecksum()
  const hold = holdProcess()
  const addresses = new Map<NodeId, Address>()
  const links = async (id: NodeId) => {
    const network = new BreakableSockets()
    const peers = new TcpPeerNetwork({ clock, random: new NodeRandom(), network, self: () => member(id, { groupId: GROUP_ID }), secret: new SharedSecret('three') })
    addresses.set(id, await peers.listen(addresses.get(id) ?? ANY))
    return { network, peers }
  }
  const open = async (id: NodeId, { network, peers }: { network: BreakableSockets, peers: TcpPeerNetwork }, disk: FaultyDisk): Promise<Node> => {
    peers.setPeers(addresses)
    let machine: CounterMachine | undefined
    const replica = await Replica.open({
      clock,
      random: new NodeRandom(),
      disk,
      logger: silentLogger,
      directory: DIRECTORY,
      nodeId: id,
      founding: { groupId: GROUP_ID, founders: FOUNDERS },
      transport: peers.transport(),
      openStateMachine: async () => (machine = await CounterMachine.open({ disk, directory: DIRECTORY, checkpointEntries: Infinity })),
      logSettings: { segmentBytes: 4 * 1024 * 1024, preallocate: false }
    })
    const node = { id, peers, network, replica, machine: machine!, disk }
    nodes.push(node)
    return node
  }
  const nodes: Node[] = []
  t.teardown(async () => {
    await Promise.all(nodes.map(({ replica }) => replica.close().catch(() => {})))
    await Promise.all(nodes.map(({ peers }) => peers.close()))
    hold.cancel()
  })
  const made = new Map<NodeId, Awaited<ReturnType<typeof links>>>()
  for (const id of FOUNDERS) made.set(id, await links(id))
  for (const id of FOUNDERS) await open(id, made.get(id)!, new FaultyDisk())
  return { nodes, addresses, start: async (id, disk = new FaultyDisk()) => await open(id, await links(id), disk) }
}

const leaderOf = (nodes: readonly Node[]): Node | undefined => nodes.find(({ replica }) => replica.status().isLeading)

async function leader (nodes: readonly Node[]): Promise<Node> {
  await until(() => leaderOf(nodes) !== undefined)
  return leaderOf(nodes)!
}

const add = async ({ replica, machine }: Node, id: number, payloadBytes = 0): Promise<unknown> =>
  await new Promise((resolve) => { replica.submit(machine.add(id, payloadBytes, resolve)) })

/** Proposes at whoever leads until it is applied; a refusal or an unknown outcome is no reason to lose it. */
async function addSurely (nodes: readonly Node[], id: number, payloadBytes = 0): Promise<void> {
  for (;;) {
    const outcome = await add(await leader(nodes), id, payloadBytes)
    if (outcome === undefined) return
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}

const caughtUp = (nodes: readonly Node[]): boolean => new Set(nodes.map(({ replica }) => replica.status().appliedIndex)).size === 1

t.test('three nodes over sockets elect a leader, replicate, and are none the worse for broken connections', async (t) => {
  const { nodes } = await group(t)
  const first = await leader(nodes)
  const outcomes = await Promise.all(Array.from({ length: 500 }, async (_, i) => await add(first, i, 1000)))
  t.ok(outcomes.every((outcome) => outcome === undefined))
  t.equal(await add(first, 500, 3_000_000), undefined, 'an entry larger than any frame of ordinary size')
  await until(() => caughtUp(nodes))
  t.same(nodes.map(({ machine }) => machine.hash), nodes.map(() => first.machine.hash))

  for (let round = 0; round < 10; round++) {
    const work = Promise.all(Array.from({ length: 50 }, async (_, i) => await addSurely(nodes, 1000 + round * 50 + i, 2000)))
    nodes[round % 3]!.network.breakAll()
    await work
  }
  await until(() => nodes.every(({ peers, id }) => FOUNDERS.every((to) => to === id || linked(peers, to))))
  await until(() => caughtUp(nodes))
  t.same(nodes.map(({ machine }) => machine.hash), nodes.map(() => nodes[0]!.machine.hash))
})

t.test('a leader that goes is replaced, and comes back as a follower that has everything', async (t) => {
  const { nodes, start } = await group(t)
  const first = await leader(nodes)
  for (let i = 0; i < 20; i++) await addSurely(nodes, i)
  const rest = nodes.filter((node) => node !== first)
  await first.peers.close()
  await first.replica.close().catch(() => {})
  nodes.splice(nodes.indexOf(first), 1)
  for (let i = 20; i < 40; i++) await addSurely(rest, i)
  const back = await start(first.id, first.disk)
  await until(() => caughtUp([...rest, back]))
  t.same(back.machine.hash, rest[0]!.machine.hash)
  t.match(back.peers.linkStats().map(({ address, isConnected }) => address !== undefined && `${addressText(address)} ${isConnected}`), [/true$/, /true$/])
})
