import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mkdtemp, rm } from 'node:fs/promises'
import { Level } from 'level'
import t from 'tap'
import { kvConformance } from './conformance.ts'
import { FaultyDisk } from './faulty-disk.ts'
import { FaultyKv } from './faulty-kv.ts'
import { Faults, type StopPoint } from './faults.ts'
import { SeededRandom } from './seeded-random.ts'
import { settle } from './virtual-clock.ts'

const put = (key: string, value: string) => ({ type: 'put' as const, key: Buffer.from(key), value: Buffer.from(value) })
const synced = { sync: true } as object
const held = (kv: FaultyKv) => [...kv.contents()].map(([key, value]) => `${key}=${value.toString()}`).join(' ')

async function opened (kv: FaultyKv) {
  const level = kv.level()
  await level.open()
  return level
}

t.test('faulty kv keeps the database contract', async (t) => {
  kvConformance(t, async () => {
    const kv = new FaultyKv()
    return { open: () => opened(kv) }
  })
})

t.test('level keeps the database contract', async (t) => {
  kvConformance(t, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ledgermq-kv-'))
    t.teardown(() => rm(directory, { recursive: true, force: true }))
    return {
      open: async () => {
        const level = new Level<Buffer, Buffer>(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
        await level.open()
        return level
      }
    }
  })
})

t.test('power cut: a synced batch stays, each unsynced one is kept or lost whole, also before a synced one', async (t) => {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 60; seed++) {
    const kv = new FaultyKv()
    const level = await opened(kv)
    await level.batch([put('a', '1'), put('b', '1')], synced)
    await level.batch([put('a', '2'), put('b', '2')])
    await level.batch([put('c', '3')], synced)
    await level.put(Buffer.from('d'), Buffer.from('4'))
    t.equal(held(kv.powerCut({ keep: 'none' })), 'a=1 b=1 c=3')
    t.equal(held(kv.powerCut({ keep: 'all' })), 'a=2 b=2 c=3 d=4')
    outcomes.add(held(kv.powerCut({ keep: 'random', random: new SeededRandom(seed) })))
  }
  t.same([...outcomes].sort(), ['a=1 b=1 c=3', 'a=1 b=1 c=3 d=4', 'a=2 b=2 c=3', 'a=2 b=2 c=3 d=4'])
})

t.test('kill: all that was written is there for the next process, and still at risk', async (t) => {
  const kv = new FaultyKv()
  const level = await opened(kv)
  await level.batch([put('a', '1')], synced)
  await level.batch([put('a', '2')])
  const next = kv.kill()
  const again = await opened(next)
  t.equal((await again.get(Buffer.from('a'))).toString(), '2')
  t.equal(held(next.powerCut({ keep: 'none' })), 'a=1')
})

t.test('stop before, in the middle of and after a synced batch', async (t) => {
  const left = async (point: StopPoint, keep: 'none' | 'all') => {
    const kv = new FaultyKv()
    const level = await opened(kv)
    kv.faults.stopAt(1, point)
    level.batch([put('a', '1')], synced).then(() => t.fail('answered'), () => t.fail('answered'))
    await settle()
    return held(kv.powerCut({ keep }))
  }
  t.equal(await left('before', 'all'), '')
  t.equal(await left('middle', 'none'), '')
  t.equal(await left('middle', 'all'), 'a=1')
  t.equal(await left('after', 'none'), 'a=1')
})

t.test('a failed batch has no effect, a failed read rejects', async (t) => {
  const kv = new FaultyKv()
  const level = await opened(kv)
  kv.faults.failAt(1, 'ENOSPC')
  await t.rejects(level.batch([put('a', '1')], synced), { code: 'ENOSPC' })
  t.equal(held(kv), '')
  await level.batch([put('a', '2')], synced)
  kv.faults.failReadAt(1, 'EIO')
  await t.rejects(level.get(Buffer.from('a')), { code: 'EIO' })
  t.equal((await level.get(Buffer.from('a'))).toString(), '2')
})

t.test('one level at a time; a stopped machine frees its database for the next', async (t) => {
  const kv = new FaultyKv()
  const level = await opened(kv)
  await t.rejects(kv.level().open(), { cause: { code: 'LEVEL_LOCKED' } })
  await level.close()
  await (await opened(kv)).put(Buffer.from('a'), Buffer.from('1'))
  t.equal(held(kv), 'a=1')
  t.ok(await opened(kv.kill()))
})

t.test('disk and database of one machine count together and stop together', async (t) => {
  const faults = new Faults()
  const disk = new FaultyDisk({ faults })
  const kv = new FaultyKv({ faults })
  const level = await opened(kv)
  await disk.open('/a', { create: true })
  await level.batch([put('a', '1')], synced)
  t.equal(faults.boundaries, 2)
  faults.stopAt(3, 'before')
  disk.unlink('/a').catch(() => {})
  level.batch([put('b', '1')], synced).then(() => t.fail('answered'), () => t.fail('answered'))
  await settle()
  t.equal(held(kv.powerCut({ keep: 'all' })), 'a=1')
  t.same(disk.powerCut({ keep: 'all' }).paths(), ['/a'])
})

t.test('what the caller does to its buffers after a batch does not show', async (t) => {
  const kv = new FaultyKv()
  const level = await opened(kv)
  const write = put('a', '1')
  await level.batch([write], synced)
  write.value.fill(0)
  write.key.fill(0)
  t.equal(held(kv), 'a=1')
  t.equal((await level.get(Buffer.from('a'))).toString(), '1')
})

t.test('a removed database may come back, whole or in ruins, until the next one was synced', async (t) => {
  const outcomes = new Set<string>()
  const removed = async () => {
    const kv = new FaultyKv()
    const level = await kv.open()
    await level.batch([{ type: 'put', key: 'old', value: Buffer.from('1') }], synced)
    await level.close()
    await kv.destroy()
    t.ok(kv.isEmpty)
    return kv
  }
  t.equal(held((await removed()).powerCut({ keep: 'none' })), 'old=1')
  t.equal(held((await removed()).powerCut({ keep: 'all' })), '')
  for (let seed = 0; seed < 40; seed++) {
    const found = (await removed()).powerCut({ keep: 'random', random: new SeededRandom(seed) })
    outcomes.add(await found.open().then(() => held(found), (error) => error.cause.code))
  }
  t.same([...outcomes].sort(), ['', 'LEVEL_CORRUPTION', 'old=1'])
  const kv = await removed()
  const next = await kv.open()
  await next.batch([{ type: 'put', key: 'new', value: Buffer.from('2') }], synced)
  t.equal(held(kv.powerCut({ keep: 'none' })), 'new=2')
})
