import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { NodeClock } from '../../lib/adapters/index.ts'
import {
  getConsumerListByGroup, getMaxOffset, HeaderType, RemotingClient, RemotingServer, RequestCode, ResponseCode, Version,
  type Answerable, type ByteConnection, type RemotingConnection, type RemotingFrame, type RemotingServerOptions
} from '../../lib/remoting/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { MemoryNetwork } from './memory-network.ts'
import { RawPeer } from './raw-peer.ts'
import { rawFrame, requestBytes, responseBytes } from './support.ts'

const PORT = 10_911
const ADDRESS = `127.0.0.1:${PORT}`

async function started (t: Test, options: Partial<RemotingServerOptions> = {}) {
  const clock = (options.clock ?? new NodeClock()) as VirtualClock
  const network = new MemoryNetwork()
  const connections: RemotingConnection[] = []
  const server = new RemotingServer({ clock, network, onConnection: (connection) => connections.push(connection), ...options })
  await server.listen({ host: '127.0.0.1', port: PORT })
  const client = new RemotingClient({ clock, network })
  t.teardown(async () => {
    await client.close()
    const closing = server.close({ graceMs: 0 })
    if (clock instanceof VirtualClock) await clock.advance(1000)
    await closing
  })
  return { clock, network, server, client, connections }
}

t.test('requests are answered in the header type they came in', async (t) => {
  const { network, server } = await started(t)
  server.handle(RequestCode.GET_MAX_OFFSET, (request) => {
    const { topic, queueId } = getMaxOffset.request.decode(request)
    return { code: ResponseCode.SUCCESS, extFields: getMaxOffset.response.encode({ offset: topic.length * 100 + queueId }) }
  })
  for (const type of [HeaderType.json, HeaderType.binary]) {
    const peer = new RawPeer(network.open(PORT))
    peer.send(requestBytes(type, { code: 30, extFields: { topic: 'abc', queueId: 4 } }, { opaque: 77 }))
    await peer.until(() => peer.frames.length === 1)
    t.match(peer.frames[0], { headerType: type, code: 0, opaque: 77, isResponse: true, version: Version.V5_3_3 })
    t.same(getMaxOffset.response.decode(peer.frames[0]!), { offset: 304 })
  }
})

t.test('unknown codes, missing fields and failures have the answers that clients expect', async (t) => {
  const { server, client } = await started(t)
  server.handle(30, (request) => ({ code: 0, extFields: getMaxOffset.request.encode(getMaxOffset.request.decode(request)) }))
  server.handle(31, () => { throw new Error('thrown') })
  server.handle(32, async () => { throw new Error('rejected') })
  const answer = async (code: number, extFields = {}) => {
    const { code: answered, remark } = await client.invoke(ADDRESS, { code, extFields })
    return [answered, remark]
  }
  t.same(await answer(4711), [3, 'request type 4711 not supported'])
  t.same(await answer(30, { topic: 'T' }), [1, 'the header field queueId is missing'])
  t.same(await answer(30, { topic: 'T', queueId: 'x' }), [1, 'the header field queueId is not a number: "x"'])
  t.same(await answer(31), [1, 'thrown'])
  t.same(await answer(32), [1, 'rejected'])
})

t.test('one-way requests are never answered', async (t) => {
  const { network, server, connections } = await started(t)
  const seen: number[] = []
  server.handle(1, () => ({ code: 0 })).handle(2, () => { throw new Error('x') }).handle(3, async () => { throw new Error('x') }).handle(4, () => undefined)
    .handle(5, async () => undefined).handle(6, (request, connection) => { connection.respond(request, { code: 0 }); return undefined })
  server.handle(7, () => { seen.push(7); return { code: 0 } })
  const peer = new RawPeer(network.open(PORT))
  for (const code of [1, 2, 3, 4, 5, 6, 4711]) peer.send(requestBytes(0, { code }, { isOneWay: true }))
  peer.send(requestBytes(0, { code: 7 }, { opaque: 99 }))
  await peer.until(() => peer.frames.length > 0)
  await nextTurn()
  t.same(peer.frames.map(({ opaque }) => opaque), [99])
  t.same(seen, [7])
  t.match(connections[0], { inflightRequests: 0, inflightBytes: 0 })
})

t.test('answers come in any order, and those of one turn leave with one write', async (t) => {
  const { network, server } = await started(t)
  const waiting: Array<() => void> = []
  server.handle(1, () => ({ code: 0 }))
  server.handle(2, (request, connection) => { waiting.push(() => connection.respond(request, { code: 0, body: Buffer.from('late') })); return undefined })
  server.handle(3, async () => ({ code: 0, body: [Buffer.from('a'), Buffer.from('b')] }))
  const peer = new RawPeer(network.open(PORT))
  peer.send(requestBytes(0, { code: 2 }, { opaque: 1 }), ...Array.from({ length: 50 }, (_, i) => requestBytes(1, { code: i % 2 === 0 ? 1 : 3 }, { opaque: 10 + i })))
  await peer.until(() => peer.frames.length === 50)
  t.equal(peer.writes.length, 1)
  t.same(peer.frames.map(({ opaque }) => opaque).sort(), Array.from({ length: 50 }, (_, i) => 10 + i))
  for (const answer of waiting) answer()
  await peer.until(() => peer.frames.length === 51)
  t.equal(Buffer.from(peer.frames[50]!.body).toString(), 'late')
})

t.test('what is held of a request stays as it came, whatever comes after it', async (t) => {
  const { server, client } = await started(t)
  const held: RemotingFrame[] = []
  server.handle(1, (request) => { held.push(request); return { code: 0, body: request.body } })
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all([0, 1, 2].map((i) => client.invoke(ADDRESS, { code: 1, extFields: { round }, body: new Uint8Array(5000 * i + 10).fill(round) })))
    held.push(...answers)
  }
  for (const [i, frame] of held.entries()) if (!frame.body.every((byte) => byte === Math.floor(i / 6))) t.fail(`frame ${i} has changed`)
  t.equal(held.length, 120)
})

t.test('each side numbers its own requests', async (t) => {
  const { server, client, connections } = await started(t)
  server.handle(1, async (_request, connection) => {
    const asked = await connection.invoke({ code: 2 })
    return { code: 0, body: asked.body }
  })
  client.handle(2, () => ({ code: 0, body: Buffer.from('of the client') }))
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.invoke(ADDRESS, { code: 1 })))
  for (const answer of answers) t.equal(Buffer.from(answer.body).toString(), 'of the client')
  t.match(await connections[0]!.invoke({ code: 4711 }), { code: 3 })
  t.equal(connections[0]!.pendingInvocations, 0)
})

t.test('a server tells its clients something one-way, in the header type they use', async (t) => {
  const { network, server, connections } = await started(t)
  server.handle(1, () => ({ code: 0 }))
  for (const type of [HeaderType.json, HeaderType.binary]) {
    const peer = new RawPeer(network.open(PORT)).send(requestBytes(type, { code: 1 }))
    await peer.until(() => peer.frames.length === 1)
    connections.at(-1)!.invokeOneWay({ code: RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, extFields: getConsumerListByGroup.request.encode({ consumerGroup: 'g' }) })
    await peer.until(() => peer.frames.length === 2)
    t.match(peer.frames[1], { code: 40, isOneWay: true, headerType: type })
  }
})

t.test('a request that is not answered in time fails with an unknown outcome; a late answer is ignored', async (t) => {
  const clock = new VirtualClock()
  const { server, client } = await started(t, { clock })
  const waiting: Array<() => void> = []
  server.handle(1, (request, connection) => { waiting.push(() => connection.respond(request, { code: 0 })); return undefined })
  server.handle(2, () => ({ code: 0 }))
  const slow = client.invoke(ADDRESS, { code: 1 })
  const quick = client.invoke(ADDRESS, { code: 1 }, { timeoutMs: 500 })
  const failures = Promise.allSettled([slow, quick])
  while (waiting.length < 2) await nextTurn()
  await clock.advance(499)
  t.equal(clock.waiting, 3, 'one timer for both, and the sweeps')
  await clock.advance(1)
  await t.rejects(quick, { code: 'MQ_TIMEOUT', outcome: 'unknown', retryable: false })
  await clock.advance(2500)
  await t.rejects(slow, { code: 'MQ_TIMEOUT' })
  await failures
  for (const answer of waiting) answer()
  const answered = client.invoke(ADDRESS, { code: 2 })
  await clock.advance(1)
  t.equal((await answered).code, 0, 'the connection still serves')
  t.equal(clock.waiting, 2, 'the sweeps of both sides, no timer for requests')
})

t.test('aborted requests', async (t) => {
  const { server, client } = await started(t)
  server.handle(1, () => undefined)
  await t.rejects(client.invoke(ADDRESS, { code: 1 }, { signal: AbortSignal.abort() }), { name: 'AbortError', code: 'MQ_ABORTED', outcome: 'not-applied' })
  await client.connect(ADDRESS)
  await t.rejects(client.invoke(ADDRESS, { code: 1 }, { signal: AbortSignal.abort() }), { code: 'MQ_ABORTED', outcome: 'not-applied' })
  const controller = new AbortController()
  const invoked = client.invoke(ADDRESS, { code: 1 }, { signal: controller.signal })
  await nextTurn()
  controller.abort()
  await t.rejects(invoked, { code: 'MQ_ABORTED', outcome: 'unknown' })
})

t.test('a lost connection: unknown for what was sent, not applied for what never left', async (t) => {
  const { server, client, connections } = await started(t)
  server.handle(1, () => undefined)
  const connection = await client.connect(ADDRESS)
  const sent = client.invoke(ADDRESS, { code: 1 })
  while (connections[0]!.inflightRequests === 0) await nextTurn()
  const unsent = client.invoke(ADDRESS, { code: 1 })
  const failures = Promise.allSettled([sent, unsent])
  connection.close()
  await failures
  await t.rejects(sent, { code: 'MQ_CONNECTION_LOST', outcome: 'unknown', retryable: false })
  await t.rejects(unsent, { code: 'MQ_CONNECTION_LOST', outcome: 'not-applied', retryable: true })
  await t.rejects(connection.invoke({ code: 1 }), { code: 'MQ_CONNECTION_LOST', outcome: 'not-applied' })
  t.throws(() => connection.invokeOneWay({ code: 1 }), { code: 'MQ_CONNECTION_LOST', outcome: 'not-applied' })
  server.handle(1, () => ({ code: 0 }))
  t.equal((await client.invoke(ADDRESS, { code: 1 })).code, 0, 'the next call makes a new connection')
})

t.test('no server, no connection in time', async (t) => {
  const clock = new VirtualClock()
  const { network, client } = await started(t, { clock })
  await t.rejects(client.invoke('127.0.0.1:1', { code: 1 }), { code: 'MQ_CONNECT_FAILED', outcome: 'not-applied', retryable: true })
  await t.rejects(client.invoke('nonsense', { code: 1 }), { code: 'MQ_CONNECT_FAILED' })
  network.hold = new Promise(() => {})
  const impatient = client.invoke(ADDRESS, { code: 1 }, { timeoutMs: 100 })
  const patient = client.invoke(ADDRESS, { code: 1 }, { timeoutMs: 10_000 })
  const failures = Promise.allSettled([impatient, patient])
  await clock.advance(100)
  await t.rejects(impatient, { code: 'MQ_TIMEOUT', outcome: 'not-applied', retryable: true })
  await clock.advance(2900)
  await t.rejects(patient, { code: 'MQ_CONNECT_FAILED', message: /no connection within 3000 ms/ })
  await failures
  const closing = client.invoke(ADDRESS, { code: 1 })
  const failed = Promise.allSettled([closing])
  await client.close()
  await failed
  await t.rejects(closing, { code: 'MQ_CONNECT_FAILED' })
  await t.rejects(client.invoke(ADDRESS, { code: 1 }), { code: 'MQ_CLOSED' })
})

t.test('calls to one address share a connection, which serves both ways', async (t) => {
  const { server, client } = await started(t)
  server.handle(1, () => ({ code: 0 }))
  await Promise.all(Array.from({ length: 10 }, () => client.invoke(ADDRESS, { code: 1 })))
  await client.invokeOneWay(ADDRESS, { code: 1 })
  t.equal(client.connections.size, 1)
  t.equal(server.connections.size, 1)
})

t.test('bytes that are no frame close the connection, others stay', async (t) => {
  const { network, server, connections } = await started(t)
  server.handle(1, () => ({ code: 0 }))
  const reasons: unknown[] = []
  const good = new RawPeer(network.open(PORT))
  const bad = new RawPeer(network.open(PORT))
  connections[1]!.onClose((reason, error) => reasons.push(reason, (error as { code?: string }).code))
  bad.send(requestBytes(0, { code: 1 }), Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  await bad.until(() => bad.isClosed)
  t.same(reasons, ['bad-frame', 'MQ_BAD_FRAME'])
  const badHeader = new RawPeer(network.open(PORT)).send(rawFrame(0, '{"code":'))
  await badHeader.until(() => badHeader.isClosed)
  good.send(requestBytes(0, { code: 1 }))
  await good.until(() => good.frames.length === 1)
  t.equal(server.connections.size, 1)
})

t.test('above its bounds a connection is not read from until half is answered', async (t) => {
  const { network, server, connections } = await started(t, { connectionLimits: { maxInflightRequests: 10, maxInflightBytes: 1 << 20 } })
  const waiting: RemotingFrame[] = []
  server.handle(1, (request) => { waiting.push(request); return undefined })
  const peer = new RawPeer(network.open(PORT))
  for (let i = 0; i < 40; i++) {
    peer.send(requestBytes(0, { code: 1 }, { opaque: i }))
    await nextTurn()
  }
  t.equal(waiting.length, 11)
  const [connection] = connections
  t.match(connection, { isReading: false, inflightRequests: 11 })
  for (let i = 0; i < 5; i++) connection!.respond(waiting[i]!, { code: 0 })
  await nextTurn()
  t.match(connection, { isReading: false, inflightRequests: 6 })
  connection!.respond(waiting[5]!, { code: 0 })
  await peer.until(() => waiting.length === 17)
  t.equal(connection!.isReading, false)
  const parked: Answerable[] = []
  while (waiting.length < 40 || connection!.inflightRequests > 0) {
    for (const request of waiting) if (request.inflightBytes > 0) parked.push(connection!.park(request))
    await nextTurn()
  }
  t.match(connection, { isReading: true, inflightRequests: 0, inflightBytes: 0 }, 'requests that wait on purpose do not count')
  for (const request of parked) connection!.respond(request, { code: 0 })
  await peer.until(() => peer.frames.length === 40)

  for (let i = 0; i < 4; i++) peer.send(requestBytes(0, { code: 1, body: new Uint8Array(400 << 10) }))
  await peer.until(() => !connection!.isReading)
  t.equal(connection!.inflightRequests, 3, 'bytes are bounded too')
  t.equal(server.inflightBytes, connection!.inflightBytes)
  peer.stream.destroy()
  await peer.until(() => connection!.isClosed)
  t.equal(server.inflightBytes, 0)
})

t.test('the bytes in flight of all connections together are bounded', async (t) => {
  const { network, server, connections } = await started(t, { limits: { maxInflightBytes: 1 << 20 } })
  const waiting: Array<[RemotingConnection, RemotingFrame]> = []
  server.handle(1, (request, connection) => { waiting.push([connection, request]); return undefined }).handle(2, () => ({ code: 0 }))
  const peers = Array.from({ length: 8 }, () => new RawPeer(network.open(PORT)).send(...Array.from({ length: 3 }, () => requestBytes(0, { code: 1, body: new Uint8Array(60 << 10) }))))
  await peers[0]!.until(() => waiting.length === 24)
  peers.forEach((peer) => peer.send(requestBytes(0, { code: 1, body: new Uint8Array(60 << 10) })))
  await nextTurn()
  t.ok(connections.some(({ isReading }) => !isReading))
  const other = new RawPeer(network.open(PORT)).send(requestBytes(0, { code: 2 }))
  await other.until(() => other.frames.length === 1)
  while (waiting.length > 0 || connections.some(({ isReading }) => !isReading)) {
    for (const [connection, request] of waiting.splice(0)) connection.respond(request, { code: 0 })
    await nextTurn()
  }
  await other.until(() => peers.every(({ frames }) => frames.length === 4))
  t.equal(server.inflightBytes, 0)
})

t.test('a reader that does not read: its requests wait, then it is closed', async (t) => {
  const clock = new VirtualClock()
  const { network, server, connections } = await started(t, { clock, connectionLimits: { maxOutboundBytes: 1 << 20, hardMaxOutboundBytes: 4 << 20 } })
  server.handle(1, () => ({ code: 0, body: new Uint8Array(256 << 10) }))
  const stream = network.open(PORT)
  for (let i = 0; i < 100; i++) {
    stream.write(requestBytes(0, { code: 1 }))
    await nextTurn()
  }
  const [connection] = connections
  t.match(connection, { isReading: false, isClosed: false })
  t.ok(connection!.outboundBytes < 2 << 20)
  await clock.advance(61_000)
  t.equal(connection!.closeReason, 'slow-reader')

  const parking = new RawPeer(network.open(PORT))
  parking.stream.pause()
  const parked: Answerable[] = []
  server.handle(2, (request, from) => { parked.push(from.park(request)); return undefined })
  parking.send(...Array.from({ length: 100 }, () => requestBytes(0, { code: 2 })))
  await parking.until(() => parked.length === 100)
  const answered = parked.filter((request) => connections[1]!.respond(request, { code: 0, body: new Uint8Array(256 << 10) })).length
  t.ok(answered < 20, 'a burst of answers is bounded as well')
  t.equal(connections[1]!.closeReason, 'slow-reader')
})

t.test('still connections are closed, those that say something stay', async (t) => {
  const clock = new VirtualClock()
  const { network, server } = await started(t, { clock })
  server.handle(1, () => ({ code: 0 }))
  const still = new RawPeer(network.open(PORT))
  const lively = new RawPeer(network.open(PORT))
  for (let i = 0; i < 4; i++) {
    await clock.advance(35_000)
    lively.send(requestBytes(0, { code: 1 }))
  }
  await clock.advance(1)
  t.equal(still.isClosed, true)
  t.equal(lively.isClosed, false)
})

t.test('a closing server finishes what it has, sends newcomers away, and then closes', async (t) => {
  const clock = new VirtualClock()
  const { network, server } = await started(t, { clock })
  const waiting: Array<() => void> = []
  server.handle(1, (request, connection) => { waiting.push(() => connection.respond(request, { code: 0 })); return undefined })
  const busy = new RawPeer(network.open(PORT)).send(requestBytes(0, { code: 1 }, { opaque: 1 }))
  await busy.until(() => waiting.length === 1)
  const stuck = new RawPeer(network.open(PORT)).send(requestBytes(0, { code: 1 }))
  await busy.until(() => waiting.length === 2)
  const idle = new RawPeer(network.open(PORT))
  let isClosed = false
  const closing = server.close().then(() => { isClosed = true })
  t.throws(() => network.open(PORT), { code: 'ECONNREFUSED' })
  await t.rejects(server.listen({ host: '127.0.0.1', port: 1 }), { code: 'MQ_CLOSED' })
  busy.send(requestBytes(0, { code: 1, version: 475 }, { opaque: 2 }), requestBytes(0, { code: 1, version: 477 }, { opaque: 3 }), requestBytes(0, { code: 1, version: 479 }, { opaque: 4, isOneWay: true }))
  await busy.until(() => busy.frames.length === 2)
  t.same(busy.frames.map(({ opaque, code }) => [opaque, code]), [[2, ResponseCode.SYSTEM_BUSY], [3, ResponseCode.GO_AWAY]])
  await clock.advance(500)
  t.equal(idle.isClosed, true)
  t.equal(busy.isClosed, false)
  waiting[0]!()
  await clock.advance(500)
  t.equal(busy.frames[2]!.code, 0)
  t.equal(busy.isClosed, true)
  t.equal(stuck.isClosed, false)
  t.equal(isClosed, false)
  await clock.advance(5000)
  t.equal(stuck.isClosed, true)
  await closing
  t.equal(clock.waiting, 0)
})

t.test('more connections than allowed are closed as they come', async (t) => {
  const { network, server } = await started(t, { limits: { maxConnections: 3 } })
  server.handle(1, () => ({ code: 0 }))
  const peers = Array.from({ length: 5 }, () => new RawPeer(network.open(PORT)))
  await peers[4]!.until(() => peers[4]!.isClosed)
  t.same(peers.map(({ isClosed }) => isClosed), [false, false, false, true, true])
  peers[0]!.stream.destroy()
  await peers[0]!.until(() => server.connections.size === 2)
  const next = new RawPeer(network.open(PORT)).send(requestBytes(0, { code: 1 }))
  await next.until(() => next.frames.length === 1)
})

t.test('an answer that no frame can hold is a failure, not a lost connection', async (t) => {
  const { server, client } = await started(t)
  server.handle(1, () => ({ code: 0, body: new Uint8Array(17 << 20) }))
  t.match(await client.invoke(ADDRESS, { code: 1 }), { code: 1, remark: /exceeds the limit/ })
  await t.rejects(client.invoke(ADDRESS, { code: 1, body: new Uint8Array(17 << 20) }), { code: 'MQ_MESSAGE_TOO_LARGE', outcome: 'not-applied' })
  t.equal(client.connections.size, 1)
})

t.test('our own requests are bounded', async (t) => {
  const { server, client, connections, network } = await started(t, { connectionLimits: { maxPendingInvocations: 2, maxOutboundBytes: 1 << 20 } })
  server.handle(1, () => ({ code: 0 }))
  await client.invoke(ADDRESS, { code: 1 })
  client.handle(5, () => undefined)
  const waiting = [connections[0]!.invoke({ code: 5 }), connections[0]!.invoke({ code: 5 })]
  const failures = Promise.allSettled(waiting)
  await t.rejects(connections[0]!.invoke({ code: 5 }), { code: 'MQ_BUSY', outcome: 'not-applied', retryable: true })
  connections[0]!.close()
  await failures
  network.open(PORT)
  connections[1]!.invokeOneWay({ code: 1, body: new Uint8Array(2 << 20) })
  t.throws(() => connections[1]!.invokeOneWay({ code: 1 }), { code: 'MQ_BUSY' })
})

t.test('responses nobody asked for are ignored', async (t) => {
  const { network, server } = await started(t)
  server.handle(1, () => ({ code: 0 }))
  const peer = new RawPeer(network.open(PORT)).send(responseBytes(0, { code: 0 }, 12_345), requestBytes(0, { code: 1 }))
  await peer.until(() => peer.frames.length === 1)
  t.equal(server.connections.size, 1)
})

t.test('another protocol on the same port has its connections as if nobody had read from them', async (t) => {
  const taken: ByteConnection[] = []
  const { network, server, connections } = await started(t, { otherProtocol: { firstByte: 0xfb, take: (connection) => taken.push(connection) } })
  server.handle(30, () => ({ code: 0 }))
  const stream = network.open(PORT, { host: '10.0.0.9', port: 77 })
  const reasons: string[] = []
  connections[0]!.onClose((reason) => reasons.push(reason))
  stream.write(Buffer.of(0xfb, 1, 2))
  while (taken.length === 0) await nextTurn()
  stream.write(Buffer.of(3))
  t.same([taken[0]!.peer, taken[0]!.isEncrypted, reasons, server.connections.size], [{ host: '10.0.0.9', port: 77 }, false, ['handed-over'], 0])
  const received: number[] = []
  taken[0]!.stream.on('data', (chunk: Uint8Array) => received.push(...chunk)).resume()
  while (received.length < 4) await nextTurn()
  t.same(received, [0xfb, 1, 2, 3])
  const answered: number[] = []
  stream.on('data', (chunk: Uint8Array) => answered.push(...chunk))
  taken[0]!.stream.write(Buffer.of(9))
  while (answered.length === 0) await nextTurn()
  t.same(answered, [9])
  taken[0]!.stream.destroy()

  const peer = new RawPeer(network.open(PORT))
  peer.send(requestBytes(HeaderType.json, { code: 30 }))
  await peer.until(() => peer.frames.length === 1)
  t.equal(peer.frames[0]!.code, 0)
  peer.send(Buffer.of(0xfb, 0, 0, 0))
  await peer.until(() => peer.isClosed)
  t.same([connections[1]!.closeReason, taken.length], ['bad-frame', 1], 'only a first byte tells')
})
