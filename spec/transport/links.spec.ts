import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { NodeRandom, SharedSecret } from '../../lib/adapters/index.ts'
import type { Logger } from '../../lib/base/index.ts'
import type { RaftMessage } from '../../lib/raft/index.ts'
import type { Address, ByteConnection } from '../../lib/remoting/index.ts'
import { FrameType } from '../../lib/transport/frame.ts'
import { FrameWriter, HeadArena } from '../../lib/transport/frame-writer.ts'
import { TcpPeerNetwork, type PeerSettings, type SelfDescription } from '../../lib/transport/index.ts'
import { MemoryNetwork } from '../remoting/memory-network.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { codecs, entries } from './messages.ts'
import { ANY, heartbeat, linked, member, until } from './peer-network-conformance.ts'

/** A network whose connections can be taken hold of, in the order they were made. */
class HeldNetwork extends MemoryNetwork {
  readonly near: Duplex[] = []
  readonly far: Duplex[] = []
  attempts = 0
  isDown = false
  downCode = 'ECONNREFUSED'

  override async listen (address: Address, onConnection: (connection: ByteConnection) => void) {
    return await super.listen(address, (connection) => {
      this.far.push(connection.stream)
      onConnection(connection)
    })
  }

  override async connect (address: Address, options: { readonly signal: AbortSignal }): Promise<ByteConnection> {
    this.attempts++
    if (this.isDown) throw Object.assign(new Error('connect ECONNREFUSED'), { code: this.downCode })
    const connection = await super.connect(address, options)
    this.near.push(connection.stream)
    return connection
  }
}

class Lines implements Logger {
  readonly lines: string[] = []
  debug (): void {}
  info (message: string): void { this.lines.push(message) }
  warn (message: string): void { this.lines.push(message) }
  error (message: string): void { this.lines.push(message) }
}

function world (t: Test) {
  const clock = new VirtualClock()
  const network = new HeldNetwork()
  const open = (nodeId: number, { differences, secret, settings }: { differences?: Partial<SelfDescription>, secret?: string, settings?: Partial<PeerSettings> } = {}) => {
    const logger = new Lines()
    const peers = new TcpPeerNetwork({ clock, random: new NodeRandom(), network, logger, self: () => member(nodeId, differences), ...(settings && { settings }), ...(secret !== undefined && { secret: new SharedSecret(secret) }) })
    t.teardown(() => peers.close())
    const received: RaftMessage[] = []
    const told: string[] = []
    const transport = peers.transport()
    transport.start((message) => received.push(message), (nodeId, event) => told.push(`${nodeId} ${event}`))
    return { peers, logger, received, told, transport }
  }
  return { clock, network, open }
}

/** Node 1 with links to node 2, which knows no way back. The links are made in the order votes, appends, calls. */
async function pair (t: Test, settings: Partial<PeerSettings> = {}) {
  const { clock, network, open } = world(t)
  const [one, two] = [open(1, { settings }), open(2, { settings })]
  const address = await two.peers.listen(ANY)
  one.peers.setPeers(new Map([[2, address]]))
  await until(() => linked(one.peers, 2) && linked(two.peers, 1))
  return { clock, network, one, two, open, address }
}

const settle = async (): Promise<void> => { for (let i = 0; i < 20; i++) await new Promise((resolve) => { setImmediate(resolve) }) }
const append = (sizeBytes: number, prevIndex = 4): RaftMessage => ({ type: 'appendEntries', from: 1, to: 2, term: 1, prevIndex, prevTerm: 1, commitIndex: 4, entries: entries(prevIndex + 1, 0, 1, [1, 1, new Uint8Array(sizeBytes)]) })

t.test('links that were lost are made again, with growing pauses while nobody answers', async (t) => {
  const { clock, network, one, two } = await pair(t)
  t.equal(network.attempts, 3)
  await clock.advance(10_000)
  network.isDown = true
  for (const stream of network.far.splice(0)) stream.destroy()
  await until(() => !linked(one.peers, 2))
  const attemptsWithin = async (ms: number): Promise<number> => {
    const before = network.attempts
    for (let passed = 0; passed < ms; passed += 10) await clock.advance(10)
    return network.attempts - before
  }
  const first = await attemptsWithin(1000)
  t.ok(first >= 9 && first <= 18, `${first} attempts on three links in the first second`)
  await attemptsWithin(5000)
  const later = await attemptsWithin(10_000)
  t.ok(later >= 15 && later <= 33, `${later} attempts in ten seconds later on`)
  network.isDown = false
  for (let i = 0; i < 300 && !linked(one.peers, 2); i++) await clock.advance(10)
  t.ok(linked(one.peers, 2))
  one.transport.send([heartbeat(1, 2, 9)])
  await until(() => two.received.length === 1)
  t.same(two.logger.lines, ['node 1 is connected', 'node 1 is not connected any more: it was closed', 'node 1 is connected'])
})

/** Lets time pass in small steps, with all that happens meanwhile. */
async function pass (clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    await clock.advance(10)
    await settle()
  }
}

t.test('gone: no link, and nobody listens there any more', async (t) => {
  const { clock, network, one } = await pair(t)
  await clock.advance(10_000)
  one.told.length = 0
  network.isDown = true
  network.far[0]!.destroy()
  await pass(clock, 200)
  t.same(one.told, ['2 broken'], 'some links are left')
  for (const stream of network.far.splice(0)) stream.destroy()
  await settle()
  t.same(one.told, ['2 broken', '2 broken', '2 cut'], 'two for messages of raft')
  await pass(clock, 50)
  t.notOk(one.told.includes('2 gone'), 'it has time to come back')
  await pass(clock, 50)
  t.same(one.told.slice(3), ['2 gone'])
  await pass(clock, 3000)
  t.equal(one.told.length, 4, 'said once')
  network.isDown = false
  await pass(clock, 2500)
  t.ok(linked(one.peers, 2))
  t.equal(one.told.filter((line) => line === '2 gone').length, 1)
  t.equal(one.told.at(-1), '2 back')
})

t.test('not gone: all links are lost and made again, or nobody says that nobody is there', async (t) => {
  const { clock, network, one } = await pair(t)
  await clock.advance(10_000)
  one.told.length = 0
  const cut = async (): Promise<void> => {
    for (const stream of [...network.far.splice(0), ...network.near.splice(0)]) stream.destroy()
    await settle()
    t.notOk(linked(one.peers, 2))
  }
  for (let run = 0; run < 3; run++) {
    await cut()
    await pass(clock, 3000)
    t.ok(linked(one.peers, 2), 'as when a proxy between them was started again')
  }
  await cut()
  network.isDown = true
  network.downCode = 'ETIMEDOUT'
  await pass(clock, 5000)
  t.notOk(one.told.includes('2 gone'), 'as when the machine is gone, or a firewall between them')
})

t.test('not gone: who refuses the link is there', async (t) => {
  const { clock, network, one, two, address, open } = await pair(t)
  await clock.advance(10_000)
  one.told.length = 0
  const other = open(2, { differences: { groupName: 'another' } })
  await two.peers.close()
  await other.peers.listen(address)
  for (const stream of network.far.splice(0)) stream.destroy()
  await pass(clock, 3000)
  t.notOk(linked(one.peers, 2))
  t.match(one.logger.lines.join('\n'), /belong|group/)
  t.notOk(one.told.includes('2 gone'))
})

t.test('a peer that comes back is called at once, without waiting out the pause', async (t) => {
  const { clock, network, one, address, two, open } = await pair(t)
  await two.peers.close()
  network.isDown = true
  for (let i = 0; i < 300; i++) await clock.advance(50)
  network.isDown = false
  const back = open(2)
  await back.peers.listen(address)
  const listening = await one.peers.listen(ANY)
  const before = network.attempts
  back.peers.setPeers(new Map([[1, listening]]))
  await until(() => linked(one.peers, 2) && network.attempts - before >= 6)
  t.equal(network.attempts - before, 6, 'no time has passed')
})

t.test('a link that is lost while others stand is made again by itself', async (t) => {
  const { clock, network, one, two } = await pair(t)
  two.peers.onCall('echo', (body) => body)
  network.near[2]!.destroy()
  await until(() => !linked(one.peers, 2))
  one.transport.send([heartbeat(1, 2, 1), append(100)])
  await until(() => two.received.length === 2)
  await clock.advance(100)
  await until(() => linked(one.peers, 2))
  t.equal((await one.peers.call(2, 'echo', Uint8Array.of(5), { timeoutMs: 1000 }))[0], 5)
})

t.test('calls on a lost link: unknown for what had left, not applied for what had not', async (t) => {
  const { network, one, two } = await pair(t)
  let calls = 0
  two.peers.onCall('slow', () => {
    calls++
    return new Promise(() => {})
  })
  const outcome = async (call: Promise<unknown>): Promise<unknown> => await call.then(() => 'answered', ({ code, outcome }) => `${code} ${outcome}`)
  const call = (sizeBytes: number): Promise<unknown> => outcome(one.peers.call(2, 'slow', new Uint8Array(sizeBytes), { timeoutMs: 1000 }))
  const arrived = call(10)
  await until(() => calls === 1)
  network.far[2]!.pause()
  const [onItsWay, behind] = [call(1_000_000), (await settle(), call(10))]
  await settle()
  network.near[2]!.destroy()
  t.same(await Promise.all([arrived, onItsWay, behind]), ['MQ_CONNECTION_LOST unknown', 'MQ_CONNECTION_LOST unknown', 'MQ_UNAVAILABLE not-applied'])
  t.equal(calls, 1)
})

t.test('a peer that does not read: messages are dropped, calls refused, memory is bounded', async (t) => {
  const settings = { maxWaitingAppendBytes: 1_000_000, maxWaitingVoteBytes: 10_000, maxWaitingCallBytes: 500_000 }
  const { clock, network, one, two } = await pair(t, settings)
  two.peers.onCall('echo', (body) => body)
  for (const stream of network.far) stream.pause()
  for (let i = 0; i < 200; i++) one.transport.send([append(50_000)])
  for (let i = 0; i < 1000; i++) one.transport.send([heartbeat(1, 2, i)])
  const outcomes = await Promise.all(Array.from({ length: 100 }, (_, i) => i < 5 ? undefined : one.peers.call(2, 'echo', new Uint8Array(20_000), { timeoutMs: 100 }).then(() => 'answered', ({ code }) => code))
    .concat(clock.advance(200) as never))
  const count = (code: string): number => outcomes.filter((outcome) => outcome === code).length
  t.ok(count('MQ_BUSY') > 60, `${count('MQ_BUSY')} calls refused`)
  t.equal(count('MQ_BUSY') + count('MQ_TIMEOUT'), 95)
  const { waitingBytes, dropped } = one.peers.linkStats()[0]!
  t.ok(waitingBytes < 1_000_000 + 10_000 + 500_000 + 3 * 50_000, `${waitingBytes} bytes wait`)
  t.ok(dropped > 170, `${dropped} messages dropped`)
  for (const stream of network.far) stream.resume()
  await until(() => one.peers.linkStats()[0]!.waitingBytes === 0)
  const before = two.received.length
  one.transport.send([append(50_000), heartbeat(1, 2, 7)])
  await until(() => two.received.length === before + 2)
  t.pass('it goes on when the peer reads again')
})

t.test('a peer that asks and does not read the answers: its calls wait, then it is given up', async (t) => {
  const { network, one, two } = await pair(t, { maxWaitingCallBytes: 100_000, hardMaxWaitingCallBytes: 1_000_000, maxInflightCalls: 20 })
  let answered = 0
  let release: (() => void) | undefined
  two.peers.onCall('big', () => {
    answered++
    return new Uint8Array(4000)
  })
  two.peers.onCall('held', async () => {
    await new Promise<void>((resolve) => { const before = release; release = () => { before?.(); resolve() } })
    return new Uint8Array(50_000)
  })
  network.near[2]!.pause()
  const ask = (method: string): Promise<unknown> => one.peers.call(2, method, new Uint8Array(100), { timeoutMs: 60_000 }).catch(({ code }) => code)
  const asked = Array.from({ length: 200 }, () => ask('big'))
  await settle()
  t.ok(answered <= 200)
  network.near[2]!.resume()
  t.ok((await Promise.all(asked)).every((answer) => answer instanceof Uint8Array), 'all of them in the end')

  const held = Array.from({ length: 200 }, () => ask('held'))
  await settle()
  network.near[2]!.pause()
  for (let i = 0; i < 50 && linked(two.peers, 1); i++) {
    release?.()
    await settle()
  }
  t.ok(one.peers.linkStats()[0]!.waitingBytes < 1_000_000)
  t.ok(two.peers.linkStats()[0]!.waitingBytes < 1_300_000)
  network.near[2]!.destroy()
  await Promise.all(held)
})

t.test('a peer that is silent is given up, one that was paused itself is not', async (t) => {
  const { clock, network, one } = await pair(t, { probeIntervalMs: 1000, silentProbes: 3 })
  for (let i = 0; i < 10; i++) {
    await clock.advance(1000)
    await settle()
  }
  t.ok(linked(one.peers, 2), 'probes are signs of life')
  t.ok(one.peers.linkStats()[0]!.roundTripMs !== undefined)
  // a pause of this process: time has passed, and everything waits in the system
  await clock.advance(1000)
  t.ok(linked(one.peers, 2))
  for (const stream of network.far) stream.pause()
  let passedMs = 0
  for (; linked(one.peers, 2) && passedMs < 10_000; passedMs += 1000) {
    await clock.advance(1000)
    await settle()
  }
  t.ok(passedMs >= 3000 && passedMs <= 5000, `${passedMs} ms`)
})

t.test('a connection to nowhere is given up, and tried again', async (t) => {
  const { clock, network, open } = world(t)
  const one = open(1, { settings: { connectTimeoutMs: 500, handshakeTimeoutMs: 700 } })
  network.hold = new Promise(() => {})
  one.peers.setPeers(new Map([[2, { host: '127.0.0.1', port: 1 }]]))
  const waiting = t.rejects(one.peers.call(2, 'any', new Uint8Array(0), { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', message: /no connection within 500 ms/ })
  await clock.advance(499)
  t.equal(network.attempts, 3)
  await clock.advance(100)
  await waiting
  await clock.advance(100)
  t.ok(network.attempts >= 6)

  network.hold = undefined
  const accepted: ByteConnection[] = []
  const { address } = await network.listen(ANY, (connection) => accepted.push(connection))
  one.peers.setPeers(new Map([[2, address]]))
  await until(() => accepted.length === 3)
  await clock.advance(699)
  t.notOk(accepted[0]!.stream.destroyed, 'nobody answers the introduction')
  await clock.advance(1)
  await until(() => accepted.slice(0, 3).every(({ stream }) => stream.destroyed))
})

t.test('whoever connects and does not introduce itself is closed, and does not keep others out for ever', async (t) => {
  const { clock, network, open } = world(t)
  const two = open(2, { settings: { handshakeTimeoutMs: 1000, maxUnknownConnections: 10 } })
  const { port } = await two.peers.listen(ANY)
  const loud = network.open(port)
  loud.write('GET / HTTP/1.1\r\n\r\n')
  await until(() => loud.destroyed)
  const versions = network.open(port)
  const told: Buffer[] = []
  versions.on('data', (chunk: Buffer) => told.push(chunk))
  versions.write(Buffer.of(0xfb, 0x4c, 0x51, 0x02, 1, 2, 3))
  await until(() => versions.destroyed)
  t.match(Buffer.concat(told).toString('latin1'), /protocol-version/, 'another version is told')
  const still = Array.from({ length: 12 }, () => network.open(port))
  await until(() => still.filter(({ destroyed }) => destroyed).length === 2)
  t.ok(still[0]!.destroyed && still[1]!.destroyed, 'the oldest make room')
  const one = open(1)
  one.peers.setPeers(new Map([[2, { host: '127.0.0.1', port }]]))
  await until(() => linked(one.peers, 2))
  t.equal(still.filter(({ destroyed }) => destroyed).length, 5, 'all places were taken')
  await clock.advance(1000)
  await until(() => still.every(({ destroyed }) => destroyed))
})

t.test('strangers that stay keep nobody out: the oldest make room', async (t) => {
  const { open } = world(t)
  const two = open(2, { settings: { maxUnknownConnections: 4 } })
  const address = await two.peers.listen(ANY)
  two.peers.onCall('who', (_, { nodeId }) => nodeId === 1 ? Buffer.from('you') : new Promise<never>(() => {}), { openToStrangers: true })
  const lingering = open(3, { differences: { groupId: undefined } })
  const endings = Array.from({ length: 4 }, () => lingering.peers.callAddress(address, 'who', new Uint8Array(0), { timeoutMs: 60_000 }).catch((error: unknown) => error))
  await settle()
  const one = open(1, { differences: { groupId: undefined } })
  t.equal(Buffer.from(await one.peers.callAddress(address, 'who', new Uint8Array(0), { timeoutMs: 1000 })).toString(), 'you')
  t.match(await Promise.race(endings), { code: 'MQ_CONNECTION_LOST' })
})

t.test('a flood of connections and names leaves a few lines in the log, and how many they were', async (t) => {
  const { clock, network, open } = world(t)
  const two = open(2, { settings: { maxUnknownConnections: 60, handshakeTimeoutMs: 60_000 } })
  const address = await two.peers.listen(ANY)
  for (let i = 0; i < 200; i++) network.open(address.port)
  for (let i = 0; i < 20; i++) open(100 + i, { differences: { groupName: 'others' } }).peers.setPeers(new Map([[2, address]]))
  await until(() => two.logger.lines.length >= 16)
  await settle()
  const before = two.logger.lines.length
  t.ok(before <= 20, `${before} lines`)
  await clock.advance(15_000)
  await settle()
  const counts = two.logger.lines.filter((line) => /^\d+ /.test(line))
  t.ok(counts.some((line) => /^\d{3} connections that had not introduced themselves were closed for newer ones/.test(line)), counts.join('; '))
  t.ok(counts.some((line) => /^\d+ more refusals of other nodes/.test(line)), counts.join('; '))
})

t.test('a peer that asks for signs without end and reads none gets no more of them', async (t) => {
  const { network, two } = await pair(t)
  const writer = new FrameWriter(new HeadArena())
  for (let i = 0; i < 50_000; i++) writer.add(codecs, FrameType.ping, { sentUs: i }, undefined, 0)
  const [votes] = network.near
  votes!.pause()
  const before = two.peers.linkStats()[0]!.bytesIn
  const pings = Buffer.concat(writer.take())
  votes!.write(pings)
  await until(() => two.peers.linkStats()[0]!.bytesIn === before + pings.length)
  const { waitingBytes } = two.peers.linkStats()[0]!
  t.ok(waitingBytes > 32 * 1024 && waitingBytes < 128 * 1024, `${waitingBytes} of ${pings.length} bytes wait`)
  votes!.resume()
  await until(() => two.peers.linkStats()[0]!.waitingBytes === 0)
  t.ok(linked(two.peers, 1))
})

t.test('who is refused says so once, on both sides, and again when it was let in meanwhile', async (t) => {
  const { clock, open } = world(t)
  const two = open(2, { secret: 'right' })
  const address = await two.peers.listen(ANY)
  const wrong = open(1, { secret: 'wrong' })
  wrong.peers.setPeers(new Map([[2, address]]))
  for (let i = 0; i < 100; i++) {
    await clock.advance(100)
    await settle()
  }
  t.same(wrong.logger.lines, ['the link to node 2 was refused: the node that connects does not know the secret of the group'])
  t.same(two.logger.lines, ['a connection from 127.0.0.1 was refused: the node that connects does not know the secret of the group'])
  await wrong.peers.close()

  const other = open(65_537, { secret: 'right' })
  other.peers.setPeers(new Map([[131_074, address]]))
  for (let i = 0; i < 100; i++) {
    await clock.advance(100)
    await settle()
  }
  t.match(other.logger.lines, [/^the link to node 131074 was refused: node 2 listens there, not node 131074/])
  t.equal(other.logger.lines.length, 1)
  t.equal(two.logger.lines.length, 2)
  t.match(two.logger.lines[1]!, /^a link of node 65537 was refused: node 2 listens there, not node 131074/)
})

t.test('what one side said in an introduction is of no use to somebody who heard it', async (t) => {
  const { network, open } = world(t)
  const [one, two] = [open(1, { secret: 'right' }), open(2, { secret: 'right' })]
  const address = await two.peers.listen(ANY)
  const said: Buffer[] = []
  const connect = network.connect.bind(network)
  network.connect = async (to, options) => {
    const connection = await connect(to, options)
    const write = connection.stream._write.bind(connection.stream)
    if (connection.stream === network.near[0]) {
      connection.stream._write = (chunk: Buffer, encoding, written) => {
        said.push(Buffer.from(chunk))
        write(chunk, encoding, written)
      }
      connection.stream._writev = undefined as never
    }
    return connection
  }
  one.peers.setPeers(new Map([[2, address]]))
  await until(() => linked(one.peers, 2))
  t.ok(said.length > 1)
  t.notMatch(Buffer.concat(said).toString('latin1'), /right/)
  await one.peers.close()
  await until(() => !linked(two.peers, 1))
  const thief = network.open(address.port)
  const told: Buffer[] = []
  thief.on('data', (chunk: Buffer) => told.push(chunk))
  for (const chunk of said) {
    thief.write(chunk)
    await settle()
  }
  await until(() => thief.destroyed)
  t.match(Buffer.concat(told).toString('latin1'), /does not know the secret/)
})

t.test('messages of others and to others are nobody\'s', async (t) => {
  const { one, two } = await pair(t)
  one.transport.send([heartbeat(3, 2, 1), { ...heartbeat(1, 2, 2) }])
  await until(() => two.received.length === 1)
  t.same(two.received.map(({ term }) => term), [2])
})

t.test('votes do not wait behind appends', async (t) => {
  const { network, one, two } = await pair(t)
  network.far[1]!.pause()
  one.transport.send([append(1_000_000), heartbeat(1, 2, 3)])
  await until(() => two.received.length === 1)
  t.equal(two.received[0]!.type, 'heartbeat')
  network.far[1]!.resume()
  await until(() => two.received.length === 2)
  t.equal(two.received[1]!.type, 'appendEntries')
})

t.test('every byte is accounted for', async (t) => {
  const { one, two } = await pair(t)
  const stats = () => [one.peers.linkStats()[0]!, two.peers.linkStats()[0]!] as const
  const before = stats()
  one.transport.send([append(100_000)])
  await until(() => two.received.length === 1)
  const after = stats()
  const sent = after[0].bytesOut - before[0].bytesOut
  t.ok(sent > 100_000 && sent < 100_200, `${sent} bytes`)
  t.equal(after[1].bytesIn, after[0].bytesOut)
  t.match(after[1], { nodeId: 1, address: undefined, isConnected: true, dropped: 0, waitingBytes: 0, silentMs: 0, formatVersion: 1 })
})

t.test('a node that makes its links anew takes the place of those it had', async (t) => {
  const { network, two, open, address } = await pair(t)
  const again = open(1)
  again.peers.setPeers(new Map([[2, address]]))
  await until(() => linked(again.peers, 2))
  two.peers.onCall('x', (body) => body)
  t.equal((await again.peers.call(2, 'x', Uint8Array.of(1), { timeoutMs: 1000 })).length, 1)
  await until(() => network.far.slice(0, 3).every(({ destroyed }) => destroyed))
  again.received.length = 0
  two.transport.send([heartbeat(2, 1, 8)])
  await until(() => again.received.length === 1)
})
