import fc from 'fast-check'
import t, { type Test } from 'tap'
import { MemoryDisk, MemoryKv, noLock, NodeRandom, VirtualClock } from '../../lib/adapters/index.ts'
import type { Engine, EngineOptions, EnginePorts } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { EngineGroup } from './engine-group.ts'
import { openEngine, put, wireMessage } from './wire.ts'

const SMALL = { blockKeys: 40, leastFileKeys: 10, leastFileBytes: 1 << 20 }
const text = (keys: string, unique = ''): Uint8Array => Buffer.from((keys === '' ? '' : `KEYS\x01${keys}\x02`) + (unique === '' ? '' : `UNIQ_KEY\x01${unique}\x02`))

async function open (t: Test, clock: VirtualClock, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await openEngine(clock, { keyIndex: SMALL, ...options })
  t.teardown(() => engine.close())
  return engine
}

async function find (engine: Engine, topic: string, key: string, rest: Partial<Parameters<NonNullable<Engine['keys']>['find']>[0]> = {}): Promise<string[]> {
  const found = await engine.keys!.find({ topic, key, isUnique: false, fromMs: 0, toMs: Infinity, maxMessages: 32, maxBytes: 1 << 20, ...rest })
  return found.map(({ record }) => Buffer.from(record.body).toString())
}

const send = async (engine: Engine, topic: string, body: string, keys: string, unique = ''): Promise<unknown> => await put(engine, topic, wireMessage(body, { properties: text(keys, unique) }))

function diskPorts (clock: VirtualClock): EnginePorts & { readonly disk: MemoryDisk } {
  return { disk: new MemoryDisk(), kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
}

const namesIn = async (disk: MemoryDisk): Promise<string[]> => (await disk.list('/data/index') ?? []).map(({ name }) => name).sort()

t.test('each word of the keys and the unique key leads to the message, in its topic only', async (t) => {
  const engine = await open(t, new VirtualClock())
  await send(engine, 'orders', 'one', 'k1 k2', 'U1')
  await send(engine, 'orders', 'two', ' k2  k3 ', 'U2')
  await send(engine, 'bills', 'three', 'k2', 'U1')
  await send(engine, 'orders', 'four', '', '')
  t.same(await find(engine, 'orders', 'k2'), ['one', 'two'])
  t.same(await find(engine, 'bills', 'k2'), ['three'])
  t.same(await find(engine, 'orders', 'U1'), ['one'])
  t.same(await find(engine, 'orders', 'U1', { isUnique: true }), ['one'])
  t.same(await find(engine, 'orders', 'k1', { isUnique: true }), [])
  t.same(await find(engine, 'orders', 'k1 k2'), [])
  t.same(await find(engine, 'orders', ''), [])
  t.same(await find(engine, 'nowhere', 'k2'), [])
})

t.test('the latest ones, within bounds and times', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  for (let i = 0; i < 300; i++) {
    await send(engine, 'orders', String(i), 'same', `U${i}`)
    await clock.advance(1000)
  }
  t.same(await find(engine, 'orders', 'same', { maxMessages: 3 }), ['297', '298', '299'])
  t.same(await find(engine, 'orders', 'same', { maxMessages: 0 }), [])
  t.equal((await find(engine, 'orders', 'same', { maxBytes: 1 })).length, 1)
  const stamps = await engine.keys!.find({ topic: 'orders', key: 'U10', isUnique: true, fromMs: 0, toMs: Infinity, maxMessages: 1, maxBytes: 1 })
  const at = stamps[0]!.record.storeTimestampMs
  t.same(await find(engine, 'orders', 'same', { fromMs: at, toMs: at + 2000 }), ['10', '11', '12'])
  t.same(await find(engine, 'orders', 'same', { fromMs: at + 1, toMs: at + 1 }), [])
  t.ok(engine.keys!.end.position > 0 && engine.keys!.end.stampMs >= at)
})

t.test('what is not to be seen is not found: not delivered yet, of a topic that is gone', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  await send(engine, 'orders', 'now', 'k')
  await put(engine, 'orders', wireMessage('later', { properties: text('k'), delayMs: 3_600_000 }))
  for (let i = 0; i < 100; i++) await send(engine, 'other', String(i), `k${i}`)
  t.same(await find(engine, 'orders', 'k'), ['now'])
  const deliveredFrom = clock.wallMs() + 3_500_000
  for (let i = 0; i < 3700; i += 100) {
    await clock.advance(100_000)
    for (let k = 0; k < 5; k++) await new Promise((resolve) => setImmediate(resolve))
  }
  t.same(await find(engine, 'orders', 'k'), ['now', 'later'])
  t.same(await find(engine, 'orders', 'k', { fromMs: deliveredFrom }), ['later'], 'by the time of its delivery, long after it was stored')
  await engine.deleteTopic('orders')
  t.same(await find(engine, 'orders', 'k'), [])
  await send(engine, 'orders', 'anew', 'k')
  t.same(await find(engine, 'orders', 'k'), ['anew'], 'the old ones stay gone')
})

t.test('blocks are sealed in files and found after a restart; what no file has is read from the log again', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const engine = await open(t, clock, { directory: '/data', ports })
  for (let i = 0; i < 105; i++) await send(engine, 'orders', String(i), `k${i}`)
  await find(engine, 'orders', 'k1')
  t.equal((await namesIn(ports.disk)).length, 2)
  await engine.close()
  t.equal((await namesIn(ports.disk)).length, 3, 'the unfinished one too')
  const again = await open(t, clock, { directory: '/data', ports })
  for (let i = 0; i < 105; i += 4) t.same(await find(again, 'orders', `k${i}`), [String(i)])
  await again.close()
  for (const name of await namesIn(ports.disk)) await ports.disk.unlink(`/data/index/${name}`)
  const anew = await open(t, clock, { directory: '/data', ports })
  t.same(await find(anew, 'orders', 'k0'), ['0'], 'all files were gone')
  t.same(await find(anew, 'orders', 'k104'), ['104'])
  t.ok((await namesIn(ports.disk)).length >= 2)
})

t.test('an index that is switched on later has the messages from before', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const without = await openEngine(clock, { directory: '/data', ports })
  t.equal(without.keys, undefined)
  await send(without, 'orders', 'early', 'k')
  await without.close()
  const engine = await open(t, clock, { directory: '/data', ports })
  await send(engine, 'orders', 'late', 'k')
  t.same(await find(engine, 'orders', 'k'), ['early', 'late'])
})

t.test('damaged files, and those of another log, are left out and made anew', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const engine = await open(t, clock, { directory: '/data', ports })
  for (let i = 0; i < 90; i++) await send(engine, 'orders', String(i), `k${i}`)
  await find(engine, 'orders', 'k1')
  const names = await namesIn(ports.disk)
  const flip = async (name: string, at: number): Promise<void> => {
    const file = await ports.disk.open(`/data/index/${name}`)
    const bytes = new Uint8Array(await file.sizeBytes())
    await file.read(bytes, 0)
    bytes[at < 0 ? bytes.length + at : at]! ^= 0x10
    await file.write(bytes, 0)
    await file.close()
  }
  for (let at = -8 * 40; at < 0; at += 8) await flip(names[0]!, at)
  for (let i = 0; i < 90; i++) t.same(await find(engine, 'orders', `k${i}`), [String(i)], `k${i}`)
  await engine.close()
  await flip(names[0]!, 30)
  const garbage = await ports.disk.open('/data/index/00000000000000000007.keys', { create: true })
  await garbage.write(new Uint8Array(9000).fill(7), 0)
  await garbage.close()
  const again = await open(t, clock, { directory: '/data', ports })
  for (let i = 0; i < 90; i += 7) t.same(await find(again, 'orders', `k${i}`), [String(i)])
  t.notOk((await namesIn(ports.disk)).includes('00000000000000000007.keys'))
})

t.test('a message that rots in the log, while the index is made anew, hides no other one', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const { limits } = checkOpenOptions(':memory:', { clock })
  const options = { directory: '/data', ports, limits: { ...limits, segmentBytes: 16 * 1024, tailCacheBytes: 4096 } }
  const engine = await open(t, clock, options)
  for (let i = 0; i < 120; i++) await send(engine, 'orders', String(i), `k${i}`)
  const [rotten] = await engine.keys!.find({ topic: 'orders', key: 'k9', isUnique: false, fromMs: 0, toMs: Infinity, maxMessages: 1, maxBytes: 1 })
  await engine.close()
  for (const name of await namesIn(ports.disk)) await ports.disk.unlink(`/data/index/${name}`)
  const first = await ports.disk.open('/data/log/00000000000000000000.seg')
  await first.write(Uint8Array.of(0xFF), rotten!.record.physicalOffset + 20)
  await first.close()
  const again = await open(t, clock, options)
  for (let i = 0; i < 120; i += i < 12 ? 1 : 7) t.same(await find(again, 'orders', `k${i}`), i === 9 ? [] : [String(i)], `k${i}`)
})

t.test('a disk that takes no files leaves the keys in memory, and stops nothing', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const warnings: string[] = []
  const makeDirectory = ports.disk.makeDirectory.bind(ports.disk)
  ports.disk.makeDirectory = async (directory) => {
    if (directory.endsWith('index')) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    await makeDirectory(directory)
  }
  const engine = await open(t, clock, { directory: '/data', ports, logger: { debug () {}, info () {}, error () {}, warn: (message: string) => { warnings.push(message) } } })
  for (let i = 0; i < 150; i++) await send(engine, 'orders', String(i), `k${i}`)
  t.same(await find(engine, 'orders', 'k0'), ['0'])
  t.same(await find(engine, 'orders', 'k149'), ['149'])
  t.equal(warnings.filter((message) => message.includes('index of keys could not be written')).length, 1)
})

t.test('where a part of the index cannot be made anew, a query is refused and does not miss what is in it', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const options = { directory: '/data', ports, keyIndex: { blockKeys: 8, leastFileKeys: 3, leastFileBytes: 1 << 20 } }
  const engine = await open(t, clock, options)
  for (let i = 0; i < 120; i++) await send(engine, 'orders', String(i), `k${i}`)
  await engine.close()
  for (const name of await namesIn(ports.disk)) await ports.disk.unlink(`/data/index/${name}`)
  const openFile = ports.disk.open.bind(ports.disk)
  let isFull = true
  ports.disk.open = async (path, openOptions) => {
    if (isFull && path.endsWith('.keys.new')) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    return await openFile(path, openOptions)
  }
  const again = await open(t, clock, options)
  const refusal = { code: 'MQ_UNAVAILABLE', outcome: 'not-applied', retryable: true }
  await t.rejects(find(again, 'orders', 'k119'), refusal)
  isFull = false
  for (const i of [0, 60, 119]) t.same(await find(again, 'orders', `k${i}`), [String(i)])
  const { log } = again.replica
  const readEntries = log.readEntries.bind(log)
  log.readEntries = async () => { throw new Error('EIO: i/o error, read') }
  const [oldest] = await namesIn(ports.disk)
  const file = await openFile(`/data/index/${oldest!}`)
  await file.write(new Uint8Array(200), 0)
  await file.close()
  await t.rejects(find(again, 'orders', 'k0'), refusal)
  log.readEntries = readEntries
  t.same(await find(again, 'orders', 'k0'), ['0'])
})

t.test('an index that takes long to be made anew is waited for, and then nothing is said of what is there', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const options = { directory: '/data', ports, keyIndex: { leastFileKeys: 3, leastFileBytes: 1 << 20 } }
  const engine = await open(t, clock, options)
  for (let i = 0; i < 20; i++) await send(engine, 'orders', String(i), `k${i}`)
  await engine.close()
  for (const name of await namesIn(ports.disk)) await ports.disk.unlink(`/data/index/${name}`)
  const again = await open(t, clock, options)
  const { log } = again.replica
  const readEntries = log.readEntries.bind(log)
  let letGo = () => {}
  const held = new Promise<void>((resolve) => { letGo = resolve })
  log.readEntries = async (range) => {
    await held
    return await readEntries(range)
  }
  const asked = find(again, 'orders', 'k3')
  const refused = t.rejects(asked, { code: 'MQ_UNAVAILABLE', outcome: 'not-applied', retryable: true })
  await clock.advance(9_000)
  await clock.advance(1_001)
  await refused
  letGo()
  t.same(await find(again, 'orders', 'k3'), ['3'])
})

t.test('retention takes the files with the log', async (t) => {
  const clock = new VirtualClock()
  const ports = diskPorts(clock)
  const { limits } = checkOpenOptions(':memory:', { clock })
  const engine = await open(t, clock, { directory: '/data', ports, limits: { ...limits, segmentBytes: 4 << 20 } })
  for (let i = 0; i < 100; i++) await send(engine, 'orders', String(i), `k${i}`)
  const [message] = await engine.keys!.find({ topic: 'orders', key: 'k85', isUnique: false, fromMs: 0, toMs: Infinity, maxMessages: 1, maxBytes: 1 })
  const entry = await engine.replica.log.entryContaining(message!.record.physicalOffset)
  await engine.raiseFloor(entry!.physicalOffset)
  await send(engine, 'orders', 'new', 'k0')
  t.same(await find(engine, 'orders', 'k0'), ['new'])
  t.same(await find(engine, 'orders', 'k84'), [])
  t.same(await find(engine, 'orders', 'k85'), ['85'])
  t.equal((await namesIn(ports.disk)).length, 0, 'both files lay below')
})

t.test('finds what a naive twin finds, through rotations, restarts and lost files', async (t) => {
  const step = fc.oneof(
    { weight: 20, arbitrary: fc.record({ topic: fc.constantFrom('a', 'b'), keys: fc.array(fc.constantFrom('x', 'y', 'z', 'xx', '茶'), { maxLength: 3 }), unique: fc.constantFrom('', 'u', 'x') }) },
    { weight: 1, arbitrary: fc.constantFrom('restart' as const, 'lose files' as const) })
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const clock = new VirtualClock()
    const ports = diskPorts(clock)
    const options = { directory: '/data', ports, keyIndex: { blockKeys: 8, leastFileKeys: 3, leastFileBytes: 1 << 20 } }
    let engine = await openEngine(clock, options)
    const sent: Array<{ topic: string, keys: string[], body: string }> = []
    for (const [i, now] of steps.entries()) {
      if (typeof now === 'string') {
        await engine.close()
        if (now === 'lose files') for (const name of (await namesIn(ports.disk)).slice(1)) await ports.disk.unlink(`/data/index/${name}`)
        engine = await openEngine(clock, options)
      } else {
        await put(engine, now.topic, wireMessage(String(i), { queueId: i % 2, properties: text(now.keys.join(' '), now.unique) }))
        sent.push({ topic: now.topic, keys: [...now.keys, now.unique], body: String(i) })
      }
    }
    for (const topic of ['a', 'b']) {
      for (const key of ['x', 'y', 'z', 'xx', '茶', 'u', 'none']) {
        const wanted = sent.filter((of) => of.topic === topic && of.keys.includes(key)).map(({ body }) => body)
        const found = await find(engine, topic, key, { maxMessages: 100 })
        if (found.join() !== wanted.join()) throw new Error(`${topic} ${key}: ${found.join()} instead of ${wanted.join()}`)
      }
    }
    await engine.close()
  }), { numRuns: 25 })
})

t.test('what a leader that was cut off stored for nobody leaves no trace in any index, and what is committed is in all of them', async (t) => {
  const group = new EngineGroup([1, 2, 3])
  t.teardown(() => group.closeAll())
  await group.openAll({ keyIndex: SMALL })
  const old = await group.untilLeader()
  const { nodeId } = old.status()
  for (let i = 0; i < 50; i++) await group.run(send(old, 'orders', `before ${i}`, 'k', `B${i}`))
  await group.untilEqual()
  group.network.isolate(nodeId, [1, 2, 3])
  const lost = Array.from({ length: 60 }, (_, i) => put(old, 'orders', wireMessage(`lost ${i}`, { properties: text('k', `L${i}`) })).catch(() => {}))
  await group.until(() => [...group.engines.values()].some((engine) => engine !== old && engine.role.isLeader))
  const next = [...group.engines.values()].find((engine) => engine !== old && engine.role.isLeader)!
  for (let i = 0; i < 60; i++) await group.run(send(next, 'orders', `after ${i}`, 'k', `A${i}`))
  group.network.heal()
  await group.untilEqual()
  await group.run(Promise.all(lost))
  const checkAll = async (engine: Engine): Promise<void> => {
    t.same(await group.run(find(engine, 'orders', 'L7')), [])
    t.same(await group.run(find(engine, 'orders', 'B7')), ['before 7'])
    for (const i of [0, 30, 59]) t.same(await group.run(find(engine, 'orders', `A${i}`)), [`after ${i}`])
    t.equal((await group.run(find(engine, 'orders', 'k', { maxMessages: 200 }))).length, 110)
  }
  for (const engine of group.engines.values()) await checkAll(engine)
  await group.close(old)
  await checkAll(await group.open(nodeId, { keyIndex: SMALL }))
})
