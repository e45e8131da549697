import { join } from 'node:path'
import type { Test } from 'tap'
import type { AbstractLevel } from 'abstract-level'
import type { Clock, Disk } from '../../lib/base/index.ts'

const text = (bytes: Uint8Array | undefined) => bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1')
const bytes = (content: string) => new Uint8Array(Buffer.from(content, 'latin1'))

/** What every Disk must do. `makeDisk` gives a disk and an empty directory on it. */
export function diskConformance (t: Test, makeDisk: () => Promise<{ disk: Disk, directory: string }>): void {
  t.test('a file keeps what was written where it was written', async (t) => {
    const { disk, directory } = await makeDisk()
    const path = join(directory, 'a')
    const file = await disk.open(path, { create: true })
    t.equal(file.path, path)
    t.equal(await file.sizeBytes(), 0)
    await file.write(bytes('hello'), 3)
    file.writeNow(bytes('HE'), 3)
    await file.write(new Uint8Array(0), 100)
    t.equal(await file.sizeBytes(), 8, 'an empty write does not extend')
    await file.sync()
    file.syncNow()
    t.equal(text(await disk.readFile(path)), '\0\0\0HEllo', 'what was skipped reads as zeros')
    await file.close()
    const again = await disk.open(path)
    t.equal(await again.sizeBytes(), 8)
    await again.close()
  })

  t.test('writes through are there at once for every reader, whatever was written or read before', async (t) => {
    const { disk, directory } = await makeDisk()
    const { alignBytes } = disk
    const unit = Math.max(alignBytes, 64)
    const path = join(directory, 'a')
    const file = await disk.open(path, { create: true })
    const block = disk.alignedMemory(4 * unit)
    t.equal(block.length, 4 * unit)
    t.equal(block.byteOffset % alignBytes, 0)
    t.ok(block.every((byte) => byte === 0))
    await file.write(bytes('before'), 0)
    await file.writeThrough(block.fill(1), unit)
    await disk.rename(path, join(directory, 'b'))
    file.writeThroughNow(block.subarray(0, unit).fill(2), 2 * unit)
    const into = new Uint8Array(6 * unit)
    t.equal(await file.read(into, 0), 5 * unit)
    t.same([unit, 2 * unit, 3 * unit, 5 * unit - 1, 5 * unit].map((at) => into[at]), [1, 2, 1, 1, 0])
    await file.write(bytes('xyz'), 2 * unit)
    await file.writeThrough(block.subarray(unit, 2 * unit).fill(3), unit)
    t.equal(file.readNow(into, unit), 4 * unit)
    t.equal(into[0], 3)
    t.equal(text(into.subarray(unit, unit + 4)), 'xyz\x02')
    await file.close()
  })

  t.test('writes through of any place and size, from any memory, where nothing asks for alignment', async (t) => {
    const { disk, directory } = await makeDisk()
    if (disk.alignBytes === 512) return t.pass('a disk that checks alignment')
    const file = await disk.open(join(directory, 'a'), { create: true })
    await file.writeThrough(bytes('hello'), 3)
    file.writeThroughNow(bytes('HE'), 3)
    t.equal(text(await disk.readFile(file.path)), '\0\0\0HEllo')
    await file.close()
  })

  t.test('a large write and read cross any inner boundary whole', async (t) => {
    const { disk, directory } = await makeDisk()
    const file = await disk.open(join(directory, 'a'), { create: true })
    const large = Uint8Array.from({ length: 300_001 }, (_, at) => at * 31 % 251)
    await file.write(large, 65_000)
    const into = new Uint8Array(large.length)
    t.equal(await file.read(into, 65_000), large.length)
    t.ok(Buffer.compare(into, large) === 0)
    t.equal(file.readNow(into, 65_001), large.length - 1)
    t.ok(Buffer.compare(into.subarray(0, -1), large.subarray(1)) === 0)
    await file.close()
  })

  t.test('a read is short only at the end', async (t) => {
    const { disk, directory } = await makeDisk()
    const file = await disk.open(join(directory, 'a'), { create: true })
    await file.write(bytes('0123456789'), 0)
    const into = new Uint8Array(6)
    t.equal(await file.read(into, 2), 6)
    t.equal(text(into), '234567')
    t.equal(await file.read(into, 8), 2)
    t.equal(text(into.subarray(0, 2)), '89')
    t.equal(await file.read(into, 10), 0)
    t.equal(file.readNow(into, 50), 0)
    await file.close()
  })

  t.test('truncate cuts, and extends with zeros, also where bytes were before', async (t) => {
    const { disk, directory } = await makeDisk()
    const file = await disk.open(join(directory, 'a'), { create: true })
    await file.write(bytes('0123456789'), 0)
    await file.truncate(4)
    t.equal(await file.sizeBytes(), 4)
    await file.truncate(6)
    t.equal(text(await disk.readFile(file.path)), '0123\0\0')
    await file.truncate(0)
    t.equal(await file.sizeBytes(), 0)
    await file.close()
  })

  t.test('open without create, and of nothing', async (t) => {
    const { disk, directory } = await makeDisk()
    await t.rejects(disk.open(join(directory, 'a')), { code: 'ENOENT' })
    await t.rejects(disk.open(join(directory, 'no', 'a'), { create: true }), { code: 'ENOENT' }, 'no parent directory')
    t.equal(await disk.readFile(join(directory, 'a')), undefined)
    t.equal(await disk.list(join(directory, 'no')), undefined)
    const made = await disk.open(join(directory, 'a'), { create: true })
    await made.write(bytes('kept'), 0)
    await made.close()
    const kept = await disk.open(join(directory, 'a'), { create: true })
    t.equal(await kept.sizeBytes(), 4, 'create leaves a file that is there as it is')
    await kept.close()
    const readOnly = await disk.open(join(directory, 'a'), { readOnly: true })
    t.equal(await readOnly.read(new Uint8Array(9), 0), 4)
    await t.rejects(readOnly.write(bytes('x'), 0))
    await readOnly.close()
  })

  t.test('rename replaces, unlink removes, an open handle goes on', async (t) => {
    const { disk, directory } = await makeDisk()
    const [a, b] = [join(directory, 'a'), join(directory, 'b')]
    for (const path of [a, b]) {
      const file = await disk.open(path, { create: true })
      await file.write(bytes(path.at(-1)!), 0)
      await file.close()
    }
    const open = await disk.open(a)
    await disk.rename(a, b)
    t.equal(text(await disk.readFile(b)), 'a')
    t.equal(await disk.readFile(a), undefined)
    await open.write(bytes('z'), 0)
    t.equal(text(await disk.readFile(b)), 'z', 'the handle follows its file')
    await disk.unlink(b)
    const into = new Uint8Array(1)
    t.equal(await open.read(into, 0), 1, 'and outlives its name')
    await open.close()
    await disk.syncDirectory(directory)
    t.same(await disk.list(directory), [])
    await t.rejects(disk.unlink(b), { code: 'ENOENT' })
    await t.rejects(disk.rename(a, b), { code: 'ENOENT' })
  })

  t.test('link gives a file a second name, which outlives the first', async (t) => {
    const { disk, directory } = await makeDisk()
    const [a, b] = [join(directory, 'a'), join(directory, 'b')]
    const file = await disk.open(a, { create: true })
    await file.write(bytes('one'), 0)
    await disk.link(a, b)
    await t.rejects(disk.link(a, b), { code: 'EEXIST' })
    await t.rejects(disk.link(join(directory, 'no'), join(directory, 'c')), { code: 'ENOENT' })
    await file.write(bytes('two'), 0)
    t.equal(text(await disk.readFile(b)), 'two', 'of one file')
    await file.close()
    await disk.unlink(a)
    t.equal(text(await disk.readFile(b)), 'two')
    await disk.unlink(b)
    t.same(await disk.list(directory), [])
  })

  t.test('directories', async (t) => {
    const { disk, directory } = await makeDisk()
    await disk.makeDirectory(join(directory, 'x', 'y'))
    await disk.makeDirectory(join(directory, 'x', 'y'))
    const file = await disk.open(join(directory, 'x', 'f'), { create: true })
    await file.close()
    t.same((await disk.list(join(directory, 'x')))?.sort((p, q) => p.name < q.name ? -1 : 1), [{ name: 'f', isDirectory: false }, { name: 'y', isDirectory: true }])
    await disk.syncDirectory(join(directory, 'x'))
    await disk.removeTree(join(directory, 'x'))
    await disk.removeTree(join(directory, 'x'))
    t.equal(await disk.list(join(directory, 'x')), undefined)
    t.same(await disk.list(directory), [])
  })

  t.test('room and boot', async (t) => {
    const { disk, directory } = await makeDisk()
    const { freeBytes, totalBytes } = await disk.room(directory)
    t.ok(freeBytes > 0 && freeBytes <= totalBytes)
    t.equal(await disk.bootId(directory), await disk.bootId(directory))
  })
}

/** What every Clock must do. `pass` lets at least that much of its time go by. */
export function clockConformance (t: Test, clock: Clock, pass: (ms: number) => Promise<unknown>): void {
  t.test('monotonic time moves on, wall time is a whole number of ms', async (t) => {
    const before = clock.nowMs()
    await pass(5)
    t.ok(clock.nowMs() >= before + 4)
    t.ok(Number.isInteger(clock.wallMs()))
  })

  t.test('timers run once, in the order of their times, not before them', async (t) => {
    const order: string[] = []
    const startMs = clock.nowMs()
    clock.setTimer(20, () => { order.push('late') })
    clock.setTimer(1, () => {
      order.push('early')
      t.ok(clock.nowMs() >= startMs + 1 - 1e-3)
    })
    t.same(order, [], 'never inside the call')
    await pass(60)
    t.same(order, ['early', 'late'])
  })

  t.test('a cancelled timer does not run; cancelling twice or late is fine', async (t) => {
    let runs = 0
    const cancelled = clock.setTimer(1, () => { runs += 100 })
    cancelled.cancel()
    cancelled.cancel()
    const ran = clock.setTimer(1, () => { runs++ })
    await pass(30)
    ran.cancel()
    t.equal(runs, 1)
  })

  t.test('deferred runs come in order, after the caller and its promise reactions', async (t) => {
    const order: string[] = []
    clock.defer(() => {
      order.push('first')
      clock.defer(() => { order.push('third') })
    })
    clock.defer(() => { order.push('second') })
    Promise.resolve().then(() => { order.push('reaction') }, () => {})
    order.push('caller')
    await pass(10)
    t.same(order, ['caller', 'reaction', 'first', 'second', 'third'])
  })
}

/** What every database under the state store must do. `reopen` closes nothing: it gives a level over the same data. */
export function kvConformance (t: Test, makeDatabase: () => Promise<{ open: () => Promise<AbstractLevel<any, any, any>> }>): void {
  const encoding = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
  const key = (content: string) => Buffer.from(content, 'latin1')
  const all = async (level: AbstractLevel<any, any, any>, range: object = {}) => (await level.iterator({ ...encoding, ...range }).all()).map(([key, value]: [Buffer, Buffer]) => `${key.toString('latin1')}=${value.toString('latin1')}`)

  t.test('batches are there after a close', async (t) => {
    const database = await makeDatabase()
    const level = await database.open()
    await level.batch([{ type: 'put', key: key('b'), value: key('1') }, { type: 'put', key: key('a'), value: key('2') }, { type: 'put', key: key('c'), value: key('3') }], { ...encoding, sync: true } as object)
    await level.batch([{ type: 'del', key: key('b') }, { type: 'put', key: key('a'), value: key('4') }, { type: 'del', key: key('not there') }], { ...encoding, sync: true } as object)
    t.same(await all(level), ['a=4', 'c=3'])
    await level.close()
    const again = await database.open()
    t.same(await all(again), ['a=4', 'c=3'])
    await again.close()
  })

  t.test('keys are in the order of their bytes, ranges take their bounds as said', async (t) => {
    const level = await (await makeDatabase()).open()
    for (const name of ['\xff', 'b', 'a', '\x00', 'ab', '\x80']) await level.put(key(name), key('.'), encoding)
    t.same(await all(level), ['\x00=.', 'a=.', 'ab=.', 'b=.', '\x80=.', '\xff=.'])
    t.same(await all(level, { gte: key('a'), lt: key('b') }), ['a=.', 'ab=.'])
    t.same(await all(level, { gt: key('a'), lte: key('\x80'), reverse: true, limit: 2 }), ['\x80=.', 'b=.'])
    await level.clear({ ...encoding, gte: key('a'), lt: key('b') })
    t.same(await all(level), ['\x00=.', 'b=.', '\x80=.', '\xff=.'])
    await level.close()
  })

  t.test('get, getMany, del', async (t) => {
    const level = await (await makeDatabase()).open()
    await level.put(key('a'), key('1'), encoding)
    t.same(await level.get(key('a'), encoding), key('1'))
    t.equal(await level.get(key('b'), encoding), undefined)
    t.same(await level.getMany([key('b'), key('a')], encoding), [undefined, key('1')])
    await level.del(key('a'), encoding)
    t.equal(await level.get(key('a'), encoding), undefined)
    await level.close()
  })

  t.test('a batch belongs to the database once it is handed over: what the caller does to an array later does not show', async (t) => {
    const level = await (await makeDatabase()).open()
    const writes: Array<{ type: 'put', key: Buffer, value: Buffer }> = [{ type: 'put', key: key('a'), value: key('1') }]
    const written = level.batch(writes, { ...encoding, sync: true } as object)
    writes.length = 0
    await written
    t.same(await all(level), ['a=1'])
    await level.close()
  })

  t.test('an iterator and an explicit snapshot do not see later writes', async (t) => {
    const level = await (await makeDatabase()).open()
    await level.put(key('a'), key('old'), encoding)
    await level.put(key('b'), key('old'), encoding)
    const snapshot = level.snapshot()
    const iterator = level.iterator(encoding)
    const first = await iterator.next() as [Buffer, Buffer]
    t.equal(first[1].toString(), 'old')
    await level.batch([{ type: 'put', key: key('b'), value: key('new') }, { type: 'put', key: key('c'), value: key('new') }], encoding)
    t.equal((await iterator.next() as [Buffer, Buffer])[1].toString(), 'old')
    t.equal(await iterator.next(), undefined)
    await iterator.close()
    t.same(await all(level, { snapshot }), ['a=old', 'b=old'])
    await snapshot.close()
    t.same(await all(level), ['a=old', 'b=new', 'c=new'])
    await level.close()
  })

  t.test('calls after close fail', async (t) => {
    const level = await (await makeDatabase()).open()
    await level.close()
    await t.rejects(level.put(key('a'), key('1'), encoding), { code: 'LEVEL_DATABASE_NOT_OPEN' })
    await t.rejects(level.get(key('a'), encoding), { code: 'LEVEL_DATABASE_NOT_OPEN' })
  })
}
