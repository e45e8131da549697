import t from 'tap'
import { MemoryDisk, VirtualClock } from '../../lib/adapters/index.ts'
import { MqError, silentLogger, type Clock, type Disk } from '../../lib/base/index.ts'
import { KeyIndex, MAX_KEYS_OF_MESSAGE, type IndexedLog } from '../../lib/key-index/index.ts'
import { bodyOf } from '../../lib/log/index.ts'
import { EntryBody } from '../../lib/message/index.ts'
import { EntryKind, type RaftEntry } from '../../lib/raft/index.ts'
import { openEngine, put, wireMessage } from '../engine/wire.ts'

/** Entries of a log with a message each, whose key is its number. */
async function entriesOf (messages: number, keysOf = (i: number): string => `k${i}`): Promise<{ readonly entries: RaftEntry[], readonly positions: number[] }> {
  const engine = await openEngine()
  const positions: number[] = []
  for (let i = 0; i < messages; i++) positions.push((await put(engine, 'orders', wireMessage('x', { properties: Buffer.from(`KEYS\u0001${keysOf(i)}\u0002`) }))).physicalOffset)
  const entries: RaftEntry[] = []
  for await (const entry of engine.replica.log.scan(1)) entries.push({ ...entry, bytes: entry.bytes.slice() })
  await engine.close()
  return { entries, positions }
}

function logOf (entries: readonly RaftEntry[], terms = (index: number): number => entries[index - 1]!.term): IndexedLog {
  return {
    firstIndex: 1,
    lastIndex: entries.length,
    floor: { physicalOffset: entries[0]!.physicalOffset },
    term: (index) => index <= entries.length ? terms(index) : undefined,
    entryContaining: async (position) => entries.find(({ physicalOffset, sizeBytes }) => physicalOffset <= position && position < physicalOffset + sizeBytes),
    async * scan (from, to) { yield * entries.slice(from - 1, to - 1) }
  }
}

function indexOf (disk: Disk, entries: readonly RaftEntry[], log = logOf(entries), clock: Clock = new VirtualClock(), floorPosition = (): number => 0): KeyIndex {
  const { physicalOffset, sizeBytes } = entries.at(-1)!
  return new KeyIndex({
    clock,
    disk,
    logger: silentLogger,
    directory: '/data',
    log,
    groupSeed: 77n,
    appliedPosition: () => physicalOffset + sizeBytes,
    floorPosition,
    settings: { blockKeys: 25, leastFileKeys: 5, leastFileBytes: 1 << 20 }
  })
}

function noteAll (index: KeyIndex, entries: readonly RaftEntry[]): void {
  for (const entry of entries) index.note(entry, entry.kind === EntryKind.normal ? new EntryBody(bodyOf(entry)) : undefined)
}

async function find (index: KeyIndex, key: string): Promise<number[]> {
  await index.whole()
  const found: number[] = []
  for await (const position of index.find('orders', key, { fromMs: 0, toMs: Infinity })) found.push(position)
  return found
}

/** A disk with the files of a whole index. */
async function writtenOf (entries: readonly RaftEntry[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const index = indexOf(disk, entries)
  noteAll(index, entries)
  await index.close()
  return disk
}

/** Its files, the oldest first. */
async function pathsOf (disk: MemoryDisk): Promise<string[]> {
  return (await disk.list('/data/index') ?? []).map(({ name }) => `/data/index/${name}`).sort()
}

async function damageHead (disk: MemoryDisk, path: string): Promise<void> {
  const file = await disk.open(path, {})
  await file.write(new Uint8Array(200), 0)
  await file.close()
}

/** The log, of which an entry cannot be read. */
function damagedAt (entries: readonly RaftEntry[], position: number, counts: { read: number }): IndexedLog {
  const log = logOf(entries)
  const bad = entries.find(({ physicalOffset, sizeBytes }) => physicalOffset <= position && position < physicalOffset + sizeBytes)!
  const damage = new MqError('MQ_CORRUPT', 'damaged', { physicalOffset: bad.physicalOffset, index: bad.index, resumeIndex: bad.index + 1, resumePosition: bad.physicalOffset + bad.sizeBytes })
  return {
    ...log,
    async entryContaining (position) {
      const entry = await log.entryContaining(position)
      if (entry === bad) throw damage
      return entry
    },
    async * scan (from, to) {
      for await (const entry of log.scan(from, to)) {
        if (entry === bad) throw damage
        counts.read++
        yield entry
      }
    }
  }
}

/** A disk on which the index finds no room while `isFull()`. */
function fullAtTimes (disk: MemoryDisk, isFull: () => boolean): Disk {
  return new Proxy<Disk>(disk, {
    get (target, name) {
      const member = Reflect.get(target, name) as unknown
      if (name === 'makeDirectory' && isFull()) return async () => { throw new Error('ENOSPC: no space left on device') }
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
}

const filesOf = async (disk: MemoryDisk): Promise<number> => (await disk.list('/data/index') ?? []).length

t.test('files that reach beyond what is left of the log, or are of another one, are made anew', async (t) => {
  const { entries, positions } = await entriesOf(90)
  const disk = await writtenOf(entries)
  t.equal(await filesOf(disk), 4)

  const isOfFirst = entries.findIndex(({ physicalOffset, sizeBytes }) => physicalOffset + sizeBytes > positions[40]!) + 1
  const shorter = indexOf(disk, entries.slice(0, isOfFirst))
  t.same(await find(shorter, 'k40'), [positions[40]])
  t.same(await find(shorter, 'k0'), [positions[0]])
  t.same(await find(shorter, 'k41'), [], 'the end of the log was lost')
  t.same(await find(shorter, 'k89'), [])
  await shorter.close()

  const again = indexOf(disk, entries)
  noteAll(again, entries.slice(isOfFirst))
  for (const i of [0, 40, 41, 89]) t.same(await find(again, `k${i}`), [positions[i]], `k${i}`)
  await again.close()

  const otherWay = indexOf(disk, entries, logOf(entries, () => 1_000_000))
  for (const i of [0, 41, 89]) t.same(await find(otherWay, `k${i}`), [positions[i]], 'of other terms: read again')
  await otherWay.close()
})

t.test('who asks while a damaged file is made anew waits for it, as who has met the damage does', async (t) => {
  const { entries, positions } = await entriesOf(30)
  const disk = await writtenOf(entries)
  const file = await disk.open((await pathsOf(disk))[0]!, {})
  const sizeBytes = await file.sizeBytes()
  await file.write(new Uint8Array(200), sizeBytes - 200)
  await file.close()

  const index = indexOf(disk, entries)
  t.same(await Promise.all(['k0', 'k0', 'k1', 'k24', 'k29'].map((key) => find(index, key))), [[positions[0]], [positions[0]], [positions[1]], [positions[24]], [positions[29]]])
  await index.close()
  const again = indexOf(disk, entries)
  t.same(await find(again, 'k0'), [positions[0]], 'the new file stays')
  await again.close()
})

t.test('what could not be written is found, all of it, by the first who asks when the disk has room again', async (t) => {
  const { entries, positions } = await entriesOf(170)
  let isFull = true
  const index = indexOf(fullAtTimes(new MemoryDisk(), () => isFull), entries)
  for (const entry of entries) {
    noteAll(index, [entry])
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  isFull = false
  // of each block one; all by one look at what is missing
  await index.whole()
  const found: number[] = []
  for (let i = 0; i < positions.length; i += 5) for await (const position of index.find('orders', `k${i}`, { fromMs: 0, toMs: Infinity })) found.push(position)
  t.same(found, positions.filter((_, i) => i % 5 === 0))
  await index.close()
})

t.test('who asks does not miss what is in a file in which another finds damage while that of a third is mended', async (t) => {
  const { entries, positions } = await entriesOf(90)
  const disk = await writtenOf(entries)
  const log = logOf(entries)
  let mayGoOn = (): void => {}
  const held = new Promise<void>((resolve) => { mayGoOn = resolve })
  let hasBegun = (): void => {}
  const begun = new Promise<void>((resolve) => { hasBegun = resolve })
  const index = indexOf(disk, entries, { ...log, async * scan (from, to) { hasBegun(); await held; yield * log.scan(from, to) } })
  await index.whole()
  const [oldest, , , newest] = await pathsOf(disk)
  const early = index.find('orders', 'k80', { fromMs: 0, toMs: Infinity })
  t.equal((await early.next()).value, positions[80], 'it has read the newest file')
  await damageHead(disk, oldest!)
  await damageHead(disk, newest!)
  const mends = find(index, 'k85')
  await begun
  const asks = find(index, 'k10')
  const meets = early.next()
  for (let i = 0; i < 10; i++) await new Promise((resolve) => { setImmediate(resolve) })
  mayGoOn()
  t.same(await asks, [positions[10]])
  t.same(await mends, [positions[85]])
  t.same((await meets).done, true)
  await index.close()
})

t.test('what is made anew may be damaged again at once', async (t) => {
  const { entries, positions } = await entriesOf(30)
  const disk = new MemoryDisk()
  let failures = 0
  const failing = new Proxy<Disk>(disk, {
    get (target, name) {
      const member = Reflect.get(target, name) as unknown
      if (name === 'open') {
        return async (path: string, options: { readonly readOnly?: boolean }) => {
          if (options.readOnly === true && failures-- > 0) throw new Error('EIO: i/o error, open')
          return await target.open(path, options)
        }
      }
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
  const index = indexOf(failing, entries)
  noteAll(index, entries)
  await index.whole()
  while (await filesOf(disk) === 0) await new Promise((resolve) => { setImmediate(resolve) })
  failures = 2
  t.same(await find(index, 'k3'), [positions[3]])
  failures = 1000
  await t.rejects(find(index, 'k3'), { code: 'MQ_UNAVAILABLE' }, 'a disk that reads nothing')
  failures = 0
  t.same(await find(index, 'k3'), [positions[3]])
  await index.close()
})

t.test('an entry of the log that cannot be read hides only its own keys, and is all that is read again', async (t) => {
  const { entries, positions } = await entriesOf(90)
  for (const bad of [0, 40, 89]) {
    const counts = { read: 0 }
    const index = indexOf(new MemoryDisk(), entries, damagedAt(entries, positions[bad]!, counts))
    for (let i = 0; i < 90; i++) if (i % 8 === 0 || Math.abs(i - bad) <= 1) t.same(await find(index, `k${i}`), i === bad ? [] : [positions[i]], `k${i}, when entry ${bad} is damaged`)
    t.ok(counts.read < entries.length, `${counts.read} of ${entries.length}`)
    await index.close()
  }
})

t.test('what can be read of the log is found also where the rest fails for another reason, which is tried again once in a while however many ask', async (t) => {
  const { entries, positions } = await entriesOf(60)
  const log = logOf(entries)
  const clock = new VirtualClock()
  let tries = 0
  const index = indexOf(new MemoryDisk(), entries, {
    ...log,
    async * scan (from, to) {
      tries++
      for await (const entry of log.scan(from, to)) {
        if (entry.physicalOffset > positions[30]!) throw new Error('EIO: i/o error, read')
        yield entry
      }
    }
  }, clock)
  for (const i of [0, 10, 24, 29]) t.same(await find(index, `k${i}`), [positions[i]])
  for (let i = 0; i < 50; i++) await index.whole()
  tries = 0
  await clock.advance(61_000)
  t.ok(tries <= 2, `${tries} tries in a minute`)
  await index.close()
})

t.test('where the head of the log goes while it is read again, what comes behind it is found by who has waited for that', async (t) => {
  const { entries, positions } = await entriesOf(90)
  const log = logOf(entries)
  let floor = 0
  const index = indexOf(new MemoryDisk(), entries, {
    ...log,
    async * scan (from, to) {
      for await (const entry of log.scan(from, to)) {
        if (entry.physicalOffset < floor) throw new MqError('MQ_MESSAGE_NOT_FOUND', 'it was removed meanwhile')
        yield entry
        if (floor === 0 && entry.physicalOffset > positions[30]!) floor = entries.find(({ physicalOffset }) => physicalOffset > positions[40]!)!.physicalOffset
      }
    }
  }, new VirtualClock(), () => floor)
  for (const i of [50, 70, 89]) t.same(await find(index, `k${i}`), [positions[i]])
  await index.close()
})

t.test('while there is no room for what is made anew, nothing more is read for it than is kept', async (t) => {
  const { entries, positions } = await entriesOf(300)
  const log = logOf(entries)
  let read = 0
  let isFull = true
  const index = indexOf(fullAtTimes(new MemoryDisk(), () => isFull), entries, {
    ...log,
    async * scan (from, to) {
      for await (const entry of log.scan(from, to)) {
        read++
        yield entry
      }
    }
  })
  for (let i = 0; i < 20; i++) await index.whole()
  t.ok(read < entries.length, `${read} entries were read, of ${entries.length}`)
  isFull = false
  for (let i = 0; i < 300; i += 10) t.same(await find(index, `k${i}`), [positions[i]])
  await index.close()
})

t.test('who asks when the node closes is told so, and not that there is nothing', async (t) => {
  const { entries } = await entriesOf(30)
  const log = logOf(entries)
  const disk = new MemoryDisk()
  let hasBegun = (): void => {}
  const begun = new Promise<void>((resolve) => { hasBegun = resolve })
  const index = indexOf(disk, entries, { ...log, async * scan (from, to) { hasBegun(); yield * log.scan(from, to) } })
  const asks = find(index, 'k20')
  await begun
  index.stop()
  await t.rejects(asks, { code: 'MQ_CLOSED' })
  await index.close()
  await t.rejects(find(index, 'k20'), { code: 'MQ_CLOSED' })
})

t.test('a message with very many keys is found by the first ones, and takes no more room', async (t) => {
  const words = Array.from({ length: 5000 }, (_, i) => `w${i}`).join(' ')
  const { entries, positions } = await entriesOf(1, () => words)
  const index = indexOf(new MemoryDisk(), entries)
  noteAll(index, entries)
  t.same(await find(index, `w${MAX_KEYS_OF_MESSAGE - 1}`), positions)
  t.same(await find(index, `w${MAX_KEYS_OF_MESSAGE}`), [])
  await index.close()
})

t.test('keys of one message are those of its topic and no part of other properties', async (t) => {
  const { entries } = await entriesOf(1, () => 'a')
  const index = indexOf(new MemoryDisk(), entries)
  noteAll(index, entries)
  t.equal((await find(index, 'a')).length, 1)
  for await (const position of index.find('order', 'sa', { fromMs: 0, toMs: Infinity })) t.fail(`found ${position}`)
  for await (const position of index.find('orders', 'a', { fromMs: 0, toMs: 1 })) t.fail(`found ${position}`)
  await index.close()
})
