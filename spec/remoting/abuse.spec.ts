import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { RemotingClient, RemotingServer, type RemotingConnection, type RemotingServerOptions } from '../../lib/remoting/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { MemoryNetwork } from './memory-network.ts'
import { RawPeer } from './raw-peer.ts'
import { requestBytes } from './support.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
t.setTimeout(120_000)
const PORT = 10_911
const ADDRESS = `127.0.0.1:${PORT}`
const PREFIX_OF_16_MIB = Buffer.from('0100000000000010', 'hex')

async function started (t: Test, options: Partial<RemotingServerOptions> = {}) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const server = new RemotingServer({ clock, network, ...options })
  server.handle(1, (request) => ({ code: 0, body: request.body }))
  await server.listen({ host: '127.0.0.1', port: PORT })
  const client = new RemotingClient({ clock, network })
  t.teardown(async () => {
    await client.close()
    const closing = server.close({ graceMs: 0 })
    await clock.advance(1000)
    await closing
  })
  return { clock, network, server, client }
}

/** Cancelled timers of a virtual clock stay until they come up: time goes on first. */
async function memoryMiB (clock: VirtualClock): Promise<number> {
  await clock.advance(10_000)
  for (let i = 0; i < 3; i++) {
    await nextTurn()
    collect()
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 1024 / 1024
}

t.test('five thousand half-open connections: memory is bounded, a good client is served, and they are closed', async (t) => {
  const { clock, network, server, client } = await started(t)
  const silent: RawPeer[] = []
  for (let i = 0; i < 5000; i++) {
    const peer = new RawPeer(network.open(PORT))
    peer.stream.write(Buffer.concat([PREFIX_OF_16_MIB, Buffer.alloc(i % 100, 0x20)]))
    silent.push(peer)
  }
  await nextTurn()
  t.equal(server.connections.size, 5000)
  t.ok(server.incompleteBytes <= 5000 * 1024, `${server.incompleteBytes} bytes for frames of 80 GiB`)
  for (let round = 0; round < 50; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => client.invoke(ADDRESS, { code: 1, body: Uint8Array.of(round, i) })))
    for (const [i, { body }] of answers.entries()) if (body[0] !== round || body[1] !== i) t.fail('a wrong answer')
    // they go on, a byte at a time
    for (let i = round; i < silent.length; i += 50) silent[i]!.stream.write(Uint8Array.of(0x20))
    await clock.advance(500)
  }
  await clock.advance(6000)
  t.equal(server.connections.size, 1, 'a byte now and then is no sign of life')
  t.equal(server.incompleteBytes, 0)
  t.equal((await client.invoke(ADDRESS, { code: 1 })).code, 0)
})

t.test('incomplete frames of all connections share a bound: the oldest goes', async (t) => {
  const { network, server, client, clock } = await started(t, { limits: { maxIncompleteBytes: 4 << 20 } })
  const peers = Array.from({ length: 20 }, () => new RawPeer(network.open(PORT)))
  for (const peer of peers) {
    await clock.advance(10)
    peer.stream.write(Buffer.concat([PREFIX_OF_16_MIB, Buffer.alloc(500_000, 0x20)]))
    await nextTurn()
    if (server.incompleteBytes > 4 << 20) t.fail(`${server.incompleteBytes} bytes held`)
  }
  const open = peers.map(({ isClosed }) => !isClosed)
  t.ok(open.at(-1))
  t.notOk(open[0])
  t.same(open, [...open].sort(), 'those that came last are left')
  t.equal((await client.invoke(ADDRESS, { code: 1, body: new Uint8Array(100_000) })).bodyBytes, 100_000)
})

t.test('peers that vanish, in whatever state, leave nothing behind', async (t) => {
  const { clock, network, server, client } = await started(t)
  const random = new SeededRandom(7)
  let current: RemotingConnection | undefined
  const failures = { invoked: 0 }
  server.handle(2, () => undefined) // never answered
  server.handle(3, (request, connection) => { connection.park(request); return undefined })
  server.handle(4, (_request, connection) => { connection.invoke({ code: 9 }).catch(() => { failures.invoked++ }); return undefined })
  server.handle(5, () => ({ code: 0, body: new Uint8Array(100_000) })) // read by nobody
  server.handle(6, (_request, connection) => { current = connection; connection.attributes.set('clientId', 'x'.repeat(1000)); connection.onClose(() => { current = undefined }); return undefined })
  const cycle = async (): Promise<void> => {
    const stream = network.open(PORT)
    const code = 1 + random.below(6)
    const bytes = requestBytes(random.pick([0, 1]), { code, extFields: { topic: `t${random.below(1e9)}` }, body: new Uint8Array(random.below(20_000)) })
    stream.write(random.chance(0.5) ? bytes : Buffer.concat([bytes, bytes.subarray(0, random.below(bytes.length))]))
    if (random.chance(0.2)) stream.write(PREFIX_OF_16_MIB)
    if (random.chance(0.8)) await nextTurn()
    stream.destroy()
    await nextTurn()
  }
  for (let i = 0; i < 1000; i++) await cycle()
  const beforeMiB = await memoryMiB(clock)
  for (let i = 0; i < 9000; i++) await cycle()
  await nextTurn()
  const grownMiB = await memoryMiB(clock) - beforeMiB
  t.ok(grownMiB < 5, `${grownMiB.toFixed(2)} MiB more after 9,000 connections`)
  t.ok(failures.invoked > 100)
  t.equal(current, undefined)
  t.match(server, { inflightBytes: 0, incompleteBytes: 0 })
  t.equal(server.connections.size, 0)
  t.equal(clock.waiting, 0, 'no timer is left')
  t.equal((await client.invoke(ADDRESS, { code: 1 })).code, 0)
})

t.test('servers that vanish leave nothing behind at a client', async (t) => {
  const { clock, server, client } = await started(t)
  server.handle(2, () => undefined)
  const kill = (): void => { for (const connection of [...server.connections]) connection.close() }
  const cycle = async (): Promise<void> => {
    const waiting = Promise.allSettled([client.invoke(ADDRESS, { code: 2 }), client.invoke(ADDRESS, { code: 2, body: new Uint8Array(10_000) }), client.invokeOneWay(ADDRESS, { code: 2 })])
    while (server.connections.size === 0) await nextTurn()
    kill()
    await waiting
    while (client.connections.size > 0) await nextTurn()
  }
  for (let i = 0; i < 300; i++) await cycle()
  const beforeMiB = await memoryMiB(clock)
  for (let i = 0; i < 3000; i++) await cycle()
  const grownMiB = await memoryMiB(clock) - beforeMiB
  t.ok(grownMiB < 3, `${grownMiB.toFixed(2)} MiB more after 3,000 connections`)
})

t.test('bytes of all sorts at a server: it answers the next client', async (t) => {
  const { network, server, client } = await started(t)
  const random = new SeededRandom(3)
  const { mutatedFrame } = await import('./frame-mutations.ts')
  for (let i = 0; i < 3000; i++) {
    const peer = new RawPeer(network.open(PORT))
    peer.stream.write(Buffer.concat([mutatedFrame(random), mutatedFrame(random)]))
    if (i % 20 === 0) await nextTurn()
    if (i % 100 === 0) t.equal((await client.invoke(ADDRESS, { code: 1 })).code, 0)
    if (random.chance(0.5)) peer.stream.destroy()
  }
  t.ok(server.connections.size > 0)
})
