import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { NodeClock, NodeSockets, type NodeSocketsOptions } from '../../lib/adapters/index.ts'
import { readPreface } from '../../lib/adapters/proxy-protocol.ts'
import { selfSignedCertificate } from '../../lib/adapters/self-signed-certificate.ts'
import { addressText, HeaderType, RemotingClient, RemotingServer, type RemotingConnection } from '../../lib/remoting/index.ts'
import { frameOf, requestBytes } from '../remoting/support.ts'

const clock = new NodeClock()
const any = { host: '127.0.0.1', port: 0 }

async function started (t: Test, options: NodeSocketsOptions = {}) {
  const connections: RemotingConnection[] = []
  const server = new RemotingServer({ clock, network: new NodeSockets(options), onConnection: (connection) => connections.push(connection) })
  server.handle(1, (request, connection) => ({ code: 0, extFields: { peer: connection.peerText, isEncrypted: connection.isEncrypted }, body: request.body }))
  const { port } = await server.listen(any)
  t.teardown(() => server.close({ graceMs: 0 }))
  const client = (clientTls?: NodeSocketsOptions['clientTls']): RemotingClient => {
    const made = new RemotingClient({ clock, network: new NodeSockets(clientTls === undefined ? {} : { clientTls }) })
    t.teardown(() => made.close())
    return made
  }
  return { server, port, address: `127.0.0.1:${port}`, connections, client }
}

/** A socket that speaks for itself: sends these pieces, and gives what came until `sizeBytes` or the end. */
async function answerTo (port: number, ...pieces: Array<string | Uint8Array>): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk)).on('error', () => {})
  const closed = once(socket, 'close')
  for (const piece of pieces) {
    if (!socket.destroyed) await new Promise((resolve) => { socket.write(piece, resolve) })
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  await Promise.race([closed, once(socket, 'data').catch(() => {})])
  socket.destroy()
  return Buffer.concat(received)
}

const request = requestBytes(HeaderType.json, { code: 1, body: Buffer.from('hello') })

t.test('requests over TCP', async (t) => {
  const { address, client, connections, port } = await started(t)
  const one = client()
  const answers = await Promise.all([0, 1, 70_000, 3_000_000].map((size) => one.invoke(address, { code: 1, body: new Uint8Array(size).fill(size) })))
  for (const [i, size] of [0, 1, 70_000, 3_000_000].entries()) t.ok(Buffer.from(answers[i]!.body).equals(new Uint8Array(size).fill(size)))
  t.equal(connections.length, 1)
  t.match(answers[0]!.extFields().get('peer'), /^127\.0\.0\.1:\d+$/)
  t.same([...connections[0]!.peerHost.subarray(0, 4)], [127, 0, 0, 1])
  t.match(frameOf(await answerTo(port, request)).extFields().get('peer'), /^127/)
})

t.test('the end of a process at the other side', async (t) => {
  const { address, client, connections, server } = await started(t)
  server.handle(2, () => undefined)
  const one = client()
  const lost = one.invoke(address, { code: 2 })
  const failed = t.rejects(lost, { code: 'MQ_CONNECTION_LOST', outcome: 'unknown' })
  while (connections[0]?.inflightRequests !== 1) await new Promise((resolve) => { setImmediate(resolve) })
  connections[0]!.close()
  await failed
  t.match(await one.invoke(address, { code: 1 }), { code: 0 })
  await server.close({ graceMs: 0 })
  while (one.connections.size > 0) await new Promise((resolve) => { setImmediate(resolve) })
  await t.rejects(one.invoke(address, { code: 1 }), { code: 'MQ_CONNECT_FAILED', outcome: 'not-applied', message: /ECONNREFUSED/ })
})

t.test('a port that is taken', async (t) => {
  const { port } = await started(t)
  const other = new RemotingServer({ clock, network: new NodeSockets() })
  await t.rejects(other.listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
  await other.close()
})

t.test('TLS or not by the first byte', async (t) => {
  const certificate = selfSignedCertificate(new Date())
  const permissive = await started(t, { serverTls: { mode: 'permissive', certificate } })
  t.equal((await permissive.client().invoke(permissive.address, { code: 1 })).extFields().get('isEncrypted'), 'false')
  const overTls = await permissive.client({ trustAll: true }).invoke(permissive.address, { code: 1, body: new Uint8Array(200_000).fill(7) })
  t.equal(overTls.extFields().get('isEncrypted'), 'true')
  t.match(overTls.extFields().get('peer'), /^127\.0\.0\.1:\d+$/)
  t.ok(Buffer.from(overTls.body).equals(new Uint8Array(200_000).fill(7)))
  await t.rejects(permissive.client({}).invoke(permissive.address, { code: 1 }), { code: 'MQ_CONNECT_FAILED' }, 'a client that wants to know who answers')
  t.match(frameOf(await answerTo(permissive.port, request.subarray(0, 1), request.subarray(1, 3), request.subarray(3))).body, Buffer.from('hello'), 'byte by byte')

  const enforcing = await started(t, { serverTls: { mode: 'enforcing', certificate } })
  t.equal((await enforcing.client({ trustAll: true }).invoke(enforcing.address, { code: 1 })).code, 0)
  t.equal((await answerTo(enforcing.port, request)).length, 0)
  await t.rejects(enforcing.client().invoke(enforcing.address, { code: 1 }), { code: 'MQ_CONNECTION_LOST' })

  const disabled = await started(t)
  t.equal((await disabled.client().invoke(disabled.address, { code: 1 })).code, 0)
  await t.rejects(disabled.client({ trustAll: true }).invoke(disabled.address, { code: 1 }), { code: 'MQ_CONNECT_FAILED' })
})

t.test('a certificate that is made when one is needed', async (t) => {
  const { address, client, port } = await started(t, { serverTls: { mode: 'permissive' } })
  t.equal((await client({ trustAll: true }).invoke(address, { code: 1 })).extFields().get('isEncrypted'), 'true')
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  t.match(socket.getPeerCertificate().subject.CN, 'ledgermq self-signed')
  socket.destroy()
  const { cert } = selfSignedCertificate(new Date('2049-06-01T12:34:56Z'), 'test')
  const parsed = new X509Certificate(cert)
  t.ok(parsed.verify(parsed.publicKey))
  t.same([parsed.subject, parsed.validFrom, parsed.validTo], ['CN=test', 'May 31 12:34:56 2049 GMT', 'May 30 12:34:56 2059 GMT'])
})

t.test('clients that must have a certificate', async (t) => {
  const [own, other] = [selfSignedCertificate(new Date(), 'own'), selfSignedCertificate(new Date(), 'other')]
  const { address, client } = await started(t, { serverTls: { mode: 'enforcing', certificate: own, ca: own.cert, clientAuth: 'require' } })
  t.equal((await client({ trustAll: true, certificate: own }).invoke(address, { code: 1 })).code, 0)
  await t.rejects(client({ trustAll: true, certificate: other }).invoke(address, { code: 1 }), { name: 'MqError' })
  await t.rejects(client({ trustAll: true }).invoke(address, { code: 1 }), { name: 'MqError' })
})

t.test('clients that may have a certificate', async (t) => {
  const [own, other] = [selfSignedCertificate(new Date(), 'own'), selfSignedCertificate(new Date(), 'other')]
  const { address, client } = await started(t, { serverTls: { mode: 'enforcing', certificate: own, ca: own.cert, clientAuth: 'optional', verifyClients: true } })
  t.equal((await client({ trustAll: true }).invoke(address, { code: 1 })).code, 0)
  t.equal((await client({ trustAll: true, certificate: own }).invoke(address, { code: 1 })).code, 0)
  await t.rejects(client({ trustAll: true, certificate: other }).invoke(address, { code: 1 }), { name: 'MqError' })
})

t.test('a proxy says who the client is', async (t) => {
  const { port, connections } = await started(t, { serverTls: { mode: 'permissive' }, acceptProxyProtocol: true })
  const peerSeen = async (...pieces: Array<string | Uint8Array>): Promise<string | undefined> => frameOf(await answerTo(port, ...pieces)).extFields().get('peer')
  t.equal(await peerSeen('PROXY TCP4 1.2.3.4 5.6.7.8 1234 10911\r\n', request), '1.2.3.4:1234')
  t.equal(await peerSeen('PRO', 'XY TCP6 2001:db8::1 ::1 99 10911\r', '\n', request.subarray(0, 9), request.subarray(9)), '[2001:db8::1]:99')
  t.same([...connections.at(-1)!.peerHost.subarray(0, 4)], [0x20, 0x01, 0x0d, 0xb8])
  t.match(await peerSeen('PROXY UNKNOWN\r\n', request), /^127/)
  const v2 = (command: number, family: number, addresses: string) => {
    const rest = Buffer.from(addresses, 'hex')
    return Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a', 'hex'), Buffer.of(command, family, 0, rest.length), rest])
  }
  t.equal(await peerSeen(v2(0x21, 0x11, '010203040506070804d22a9f'), request), '1.2.3.4:1234')
  t.match(await peerSeen(v2(0x20, 0, ''), request), /^127/, 'a health check of the proxy itself')
  t.match(await peerSeen(request), /^127/, 'no proxy')
  for (const bad of ['PROXY TCP4 x y z\r\n', 'PROXY ' + 'x'.repeat(200), v2(0x21, 0x11, '0102'), v2(0x2f, 0x11, ''), v2(0x21, 0x11, 'ff'.repeat(200)).fill(0xff, 14, 16)]) {
    t.equal((await answerTo(port, bad, request)).length, 0)
  }
  const tls = connect(port, '127.0.0.1')
  tls.write('PROXY TCP4 9.8.7.6 5.6.7.8 4321 10911\r\n')
  const secure = connectTls({ socket: tls, rejectUnauthorized: false })
  secure.write(request)
  const [chunk] = await once(secure, 'data') as [Buffer]
  t.match(frameOf(chunk).extFields().get('peer'), '9.8.7.6:4321')
  secure.destroy()
  const plain = await started(t, { serverTls: { mode: 'permissive' } })
  t.equal((await answerTo(plain.port, 'PROXY TCP4 1.2.3.4 5.6.7.8 1234 10911\r\n', request)).length, 0, 'not where no proxy is expected')
})

t.test('a preface at every length', async (t) => {
  const v1 = Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1234 10911\r\n')
  for (let size = 1; size < v1.length; size++) t.equal(readPreface(v1.subarray(0, size)), 'incomplete')
  t.same(readPreface(Buffer.concat([v1, Buffer.of(0)])), { sizeBytes: v1.length, peer: { host: '1.2.3.4', port: 1234 } })
  t.same(readPreface(Buffer.of(0, 0, 0)), { sizeBytes: 0 })
})

t.test('connections that say nothing, and one too many', async (t) => {
  const { port } = await started(t, { serverTls: { mode: 'permissive' }, prefaceTimeoutMs: 50, maxSockets: 2 })
  const sockets: Socket[] = [1, 2, 3].map(() => connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.all(sockets.map((socket) => once(socket, 'close')))
  t.equal(frameOf(await answerTo(port, request)).code, 0)
})

t.test('a connect that takes too long is given up', async (t) => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => { silent.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => silent.close())
  const address = addressText({ host: '127.0.0.1', port: (silent.address() as { port: number }).port })
  const client = new RemotingClient({ clock, network: new NodeSockets({ clientTls: { trustAll: true } }), connectTimeoutMs: 50 })
  await t.rejects(client.invoke(address, { code: 1 }), { code: 'MQ_CONNECT_FAILED', message: /within 50 ms/ })
  await client.close()
})
