import t, { type Test } from 'tap'
import { holdProcess, NodeClock, NodeRandom, NodeSockets, SharedSecret, type NodeSocketsOptions } from '../../lib/adapters/index.ts'
import { selfSignedCertificate } from '../../lib/adapters/self-signed-certificate.ts'
import { addressText, RemotingClient, RemotingServer, type Address } from '../../lib/remoting/index.ts'
import { PEER_MAGIC, TcpPeerNetwork, type PeerNetwork } from '../../lib/transport/index.ts'
import { ANY, linked, member, until } from './peer-network-conformance.ts'

const clock = new NodeClock()
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const hold = holdProcess()
t.teardown(() => hold.cancel())

interface Node { readonly peers: PeerNetwork, readonly server: RemotingServer, readonly address: Address }

/** A node whose peers and clients share one port. */
async function node (t: Test, nodeId: number, options: NodeSocketsOptions): Promise<Node> {
  const network = new NodeSockets(options)
  const peers = new TcpPeerNetwork({ clock, random: new NodeRandom(), network, self: () => member(nodeId), secret: new SharedSecret('between us') })
  const server = new RemotingServer({ clock, network, otherProtocol: { firstByte: PEER_MAGIC[0]!, take: (connection) => peers.take(connection) } })
  server.handle(1, (request) => ({ code: 0, body: request.body }))
  peers.onCall('who', () => Buffer.from(`node ${nodeId}`))
  const address = await server.listen(ANY)
  t.teardown(async () => {
    await peers.close()
    await server.close({ graceMs: 0 })
  })
  return { peers, server, address }
}

async function bothServed (t: Test, options: NodeSocketsOptions, clientOptions: NodeSocketsOptions): Promise<void> {
  const [one, two] = await Promise.all([node(t, 1, options), node(t, 2, options)])
  const addresses = new Map([[1, one.address], [2, two.address]])
  one.peers.setPeers(addresses)
  two.peers.setPeers(addresses)
  const client = new RemotingClient({ clock, network: new NodeSockets(clientOptions) })
  t.teardown(() => client.close())
  t.equal(text((await client.invoke(addressText(two.address), { code: 1, body: Buffer.from('a client') })).body), 'a client')
  await until(() => linked(one.peers, 2) && linked(two.peers, 1))
  t.equal(text(await one.peers.call(2, 'who', new Uint8Array(0), { timeoutMs: 5000 })), 'node 2')
  const large = new Uint8Array(3_000_000).fill(9)
  two.peers.onCall('echo', (body) => body)
  t.ok(Buffer.from(await one.peers.call(2, 'echo', large, { timeoutMs: 5000 })).equals(large))
  t.equal(text((await client.invoke(addressText(two.address), { code: 1, body: Buffer.from('still') })).body), 'still')
  t.equal(two.server.connections.size, 1, 'the links are none of the server\'s connections')
}

t.test('clients and the other nodes on one port', async (t) => await bothServed(t, {}, {}))

t.test('both with TLS, where TLS is a must', async (t) => {
  const certificate = selfSignedCertificate(new Date())
  await bothServed(t, { serverTls: { mode: 'enforcing', certificate }, clientTls: { ca: certificate.cert, certificate, trustAll: true } }, { clientTls: { trustAll: true } })
})

t.test('nodes with TLS, clients without, where either may be', async (t) => {
  const certificate = selfSignedCertificate(new Date())
  await bothServed(t, { serverTls: { mode: 'permissive', certificate }, clientTls: { trustAll: true } }, {})
})

t.test('nodes without TLS, where either may be', async (t) => await bothServed(t, { serverTls: { mode: 'permissive' } }, { clientTls: { trustAll: true } }))

t.test('nodes that must show a certificate', async (t) => {
  const [own, other] = [selfSignedCertificate(new Date(), 'own'), selfSignedCertificate(new Date(), 'other')]
  const serverTls = { mode: 'enforcing', certificate: own, ca: own.cert, clientAuth: 'require' } as const
  const two = await node(t, 2, { serverTls, clientTls: { trustAll: true, certificate: own } })
  const one = await node(t, 1, { serverTls, clientTls: { trustAll: true, certificate: own } })
  const stranger = await node(t, 3, { serverTls, clientTls: { trustAll: true, certificate: other } })
  const bare = await node(t, 4, {})
  for (const { peers } of [one, stranger, bare]) peers.setPeers(new Map([[2, two.address]]))
  await until(() => linked(one.peers, 2))
  for (const { peers } of [stranger, bare]) await t.rejects(peers.call(2, 'who', new Uint8Array(0), { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', outcome: 'not-applied' })
  t.same(two.peers.linkStats().map(({ nodeId }) => nodeId), [1])
})
