import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LevelKv } from '../../lib/adapters/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { ForgetfulFile, readForgetful } from './forgetful-files.ts'
import { cutPower, NameJournal, placesIn } from './power-cut.ts'
import { keepCopy } from './state-copies.ts'

const text = (bytes: Uint8Array | undefined): string | undefined => bytes === undefined ? undefined : Buffer.from(bytes).toString()

async function home (t: Test): Promise<{ folder: string, data: string, names: NameJournal }> {
  const folder = t.testdir()
  const data = join(folder, 'data')
  await mkdir(data)
  return { folder, data, names: new NameJournal(placesIn(folder)) }
}

t.test('bytes are in the real file when they were synced, and for this process before', async (t) => {
  const path = join(t.testdir(), 'file')
  const real = (): string => readFileSync(path, 'latin1')
  const file = await ForgetfulFile.open(path, { create: true, isNew: true })
  await file.write(Buffer.from('abcdef'), 0)
  t.equal(real(), '')
  t.equal(text(await readForgetful(path)), 'abcdef')
  await file.sync()
  t.equal(real(), 'abcdef')
  file.writeNow(Buffer.from('XY'), 4)
  await file.writeThrough(Buffer.from('Z'), 0)
  t.equal(real(), 'Zbcdef', 'what was written through alone')
  await file.truncate(5)
  t.equal(real(), 'Zbcdef')
  t.equal(await file.sizeBytes(), 5)
  const again = await ForgetfulFile.open(path)
  t.equal(text(await readForgetful(path)), 'ZbcdX', 'a file keeps it when it is opened again')
  file.syncNow()
  t.equal(real(), 'ZbcdX')
  await Promise.all([file.close(), again.close()])
})

t.test('it reads what was written, whatever comes in whatever order', async (t) => {
  const random = new SeededRandom(5)
  const below = (n: number): number => Math.floor(random.next() * n)
  const file = await ForgetfulFile.open(join(t.testdir(), 'file'), { create: true, isNew: true })
  let twin = Buffer.alloc(0)
  for (let step = 0; step < 3000; step++) {
    const at = below(30_000)
    const bytes = Buffer.alloc(1 + below(9000), 1 + below(255))
    switch (below(6)) {
      case 0: await file.sync(); break
      case 1:
        await file.truncate(at)
        twin = Buffer.concat([twin.subarray(0, at), Buffer.alloc(Math.max(0, at - twin.length))])
        break
      default:
        await (below(3) === 0 ? file.writeThrough(bytes, at) : file.write(bytes, at))
        twin = Buffer.concat([twin, Buffer.alloc(Math.max(0, at + bytes.length - twin.length))])
        bytes.copy(twin, at)
    }
    const found = Buffer.alloc(await file.sizeBytes())
    await file.read(found, 0)
    if (!found.equals(twin)) return t.fail(`step ${step}: ${found.length} bytes, not the ${twin.length} that were written`)
  }
  t.ok(twin.length > 0)
  await file.close()
})

t.test('names that were not synced are taken back', async (t) => {
  const { folder, data, names } = await home(t)
  const at = (name: string): string => join(data, name)
  for (const name of ['kept', 'moved', 'gone', 'replaced', 'source']) writeFileSync(at(name), name)
  names.maybeCreates(at('synced'))
  writeFileSync(at('synced'), '')
  names.synced(data)
  names.maybeCreates(at('fresh'))
  writeFileSync(at('fresh'), '')
  await names.rename(at('fresh'), at('renamed'))
  await names.rename(at('moved'), at('elsewhere'))
  await names.rename(at('source'), at('replaced'))
  await names.unlink(at('gone'))
  t.same(['moved', 'gone', 'source', 'fresh'].map((name) => existsSync(at(name))), [false, false, false, false])
  const before = names.bootId
  t.same(await cutPower(folder), { names: 5 })
  for (const name of ['kept', 'moved', 'gone', 'replaced', 'source']) t.equal(readFileSync(at(name), 'utf8'), name)
  t.same(['synced', 'fresh', 'renamed', 'elsewhere'].map((name) => existsSync(at(name))), [true, false, false, false])
  t.not(new NameJournal(placesIn(folder)).bootId, before)
})

t.test('names that were synced stay', async (t) => {
  const { folder, data, names } = await home(t)
  writeFileSync(join(data, 'a'), 'a')
  writeFileSync(join(data, 'b'), 'b')
  await names.rename(join(data, 'a'), join(data, 'c'))
  await names.unlink(join(data, 'b'))
  names.synced(data)
  t.same(await cutPower(folder), { names: 0 })
  t.same(['a', 'b', 'c'].map((name) => existsSync(join(data, name))), [false, false, true])
})

t.test('the database is what it was when its last batch was answered', async (t) => {
  const { folder } = await home(t)
  const places = placesIn(folder)
  const kv = new LevelKv(places.state)
  const put = async (key: string, value: string): Promise<void> => {
    const db = await kv.open()
    await db.batch([{ type: 'put', key, value: Buffer.from(value) }], { sync: true } as object)
    await db.close()
  }
  await cutPower(folder)
  t.notOk(existsSync(places.state))
  await put('a', 'one')
  await keepCopy(places)
  await put('a', 'two')
  await cutPower(folder)
  const db = await kv.open()
  t.equal(text(await db.get('a')), 'one')
  await db.close()
})
