import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { LevelKv, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { Kv, type DatabaseOpener } from '../../lib/kv/index.ts'

await loadChecksum()

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined) => value === undefined ? undefined : new TextDecoder().decode(value)
const put = (key: string, value: string) => ({ key, value: bytes(value) })
const del = (key: string) => ({ key, value: undefined })

async function listed (pairs: AsyncIterable<readonly [string, Uint8Array]>): Promise<string> {
  const all: string[] = []
  for await (const [key, value] of pairs) all.push(`${key}=${text(value)}`)
  return all.join(' ')
}

const EVERYTHING = { gte: '', lt: '\uffff' }

function conformance (t: Test, opener: DatabaseOpener): void {
  const opened = async (t: Test) => {
    await opener.destroy()
    const kv = new Kv(await opener.open())
    t.teardown(() => kv.close())
    return kv
  }

  t.test('a batch is all or nothing to its readers, and removes too', async (t) => {
    const kv = await opened(t)
    await kv.batch([put('a', '1'), put('b', '2')])
    await kv.batch([del('a'), put('c', ''), del('never')])
    t.equal(await kv.get('a'), undefined)
    t.equal(text(await kv.get('b')), '2')
    t.equal(text(await kv.get('c')), '', 'an empty value is a value')
    t.same((await kv.getMany(['c', 'a', 'b'])).map(text), ['', undefined, '2'])
    await kv.batch([])
  })

  t.test('ranges are ordered, [gte, lt)', async (t) => {
    const kv = await opened(t)
    await kv.batch(['b', 'a/2', 'a/10', 'a/1', 'a0', 'é'].map((key) => put(key, key.toUpperCase())))
    t.equal(await listed(kv.entries({ gte: 'a/', lt: 'a0' })), 'a/1=A/1 a/10=A/10 a/2=A/2')
    t.equal(await listed(kv.entries({ gte: 'a0', lt: 'b' })), 'a0=A0')
    t.equal(await listed(kv.entries({ gte: 'x', lt: 'x' })), '')
    t.equal((await listed(kv.entries(EVERYTHING))).split(' ').length, 6)
  })

  t.test('an iteration that ends early leaves nothing open', async (t) => {
    const kv = await opened(t)
    await kv.batch(Array.from({ length: 1000 }, (_, i) => put(`k${String(i).padStart(4, '0')}`, `${i}`)))
    for await (const [key] of kv.entries(EVERYTHING)) if (key === 'k0400') break
    t.equal(text(await kv.get('k0999')), '999')
  })

  t.test('iterations and snapshots show the state of their begin', async (t) => {
    const kv = await opened(t)
    await kv.batch(Array.from({ length: 600 }, (_, i) => put(`k${String(i).padStart(3, '0')}`, 'old')))
    const snapshot = kv.snapshot()
    let old = 0
    for await (const [key, value] of kv.entries(EVERYTHING)) {
      if (key === 'k000') await kv.batch([put('k599', 'new'), put('z', 'new')])
      if (text(value) === 'old') old++
    }
    t.equal(old, 600)
    t.equal(text(await snapshot.get('k599')), 'old')
    t.equal((await listed(snapshot.entries({ gte: 'k599', lt: '~' }))), 'k599=old')
    t.equal(text(await kv.get('k599')), 'new')
    await snapshot.close()
  })

  t.test('discard removes a range', async (t) => {
    const kv = await opened(t)
    await kv.batch(['p/1', 'p/2', 'q'].map((key) => put(key, 'x')))
    await kv.discard({ gte: 'p/', lt: 'p0' })
    t.equal(await listed(kv.entries(EVERYTHING)), 'q=x')
  })

  t.test('whoever reads while it closes hears that it is closed', async (t) => {
    const kv = await opened(t)
    await kv.batch([put('k', 'x')])
    const begun = kv.entries(EVERYTHING)
    await begun.next()
    await kv.close()
    const isClosed = { code: 'MQ_CLOSED' }
    await t.rejects(begun.next(), isClosed, 'also one that is in the midst of it')
    await t.rejects(kv.entries({ gte: 'a', lt: 'b' }).next(), isClosed)
    await t.rejects(kv.last({ gte: 'a', lt: 'b' }), isClosed)
    await t.rejects(kv.get('a'), isClosed)
  })

  t.test('values come back after the database was closed and opened', async (t) => {
    const kv = await opened(t)
    await kv.batch([put('a', '1')])
    await kv.close()
    const again = new Kv(await opener.open())
    t.equal(text(await again.get('a')), '1')
    await again.close()
  })

  t.test('a value with any bit flipped, cut short, or under another key is refused by its key', async (t) => {
    await opener.destroy()
    const db = await opener.open()
    const kv = new Kv(db)
    t.teardown(() => kv.close())
    await kv.batch([put('key', 'a value')])
    const stored = Buffer.from((await db.get('key'))!)
    const refused = async (key: string, value: Buffer) => {
      await db.put(key, value)
      await t.rejects(kv.get(key), { code: 'MQ_CORRUPT', key })
      await t.rejects(listed(kv.entries(EVERYTHING)), { code: 'MQ_CORRUPT', key })
      await t.rejects(kv.getMany(['none', key]), { code: 'MQ_CORRUPT', key })
      await db.del(key)
    }
    for (let bit = 0; bit < stored.length * 8; bit += 5) {
      const flipped = Buffer.from(stored)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      await refused('key', flipped)
    }
    for (const length of [0, 7, 8, stored.length - 1]) await refused('key', stored.subarray(0, length))
    await refused('yek', stored)
  })

  t.test('any history of batches: as a sorted map would have it', async (t) => {
    const key = fc.constantFrom('', 'a', 'a/', 'a/b', 'b', 'é', '中', '😀', '~')
    const change = fc.record({ key, value: fc.option(fc.uint8Array({ maxLength: 20 }), { nil: undefined }) })
    const batches = fc.array(fc.uniqueArray(change, { selector: ({ key }) => key, maxLength: 6 }), { maxLength: 8 })
    await fc.assert(fc.asyncProperty(batches, async (history) => {
      await opener.destroy()
      const kv = new Kv(await opener.open())
      const twin = new Map<string, Uint8Array>()
      for (const batch of history) {
        const named = batch.map(({ key, value }) => ({ key: `k${key}`, value }))
        await kv.batch(named)
        for (const { key, value } of named) if (value === undefined) twin.delete(key); else twin.set(key, value)
      }
      const expected = [...twin].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      const found: Array<[string, Uint8Array]> = []
      for await (const [key, value] of kv.entries(EVERYTHING)) found.push([key, Uint8Array.from(value)])
      await kv.close()
      if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error('differs')
    }), { numRuns: 40 })
    t.pass()
  })
}

t.test('memory-level', async (t) => { conformance(t, new MemoryKv()) })

t.test('level', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ledgermq-kv-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  conformance(t, new LevelKv(join(directory, 'state')))

  t.test('a second opener is locked out', async (t) => {
    const first = await new LevelKv(join(directory, 'locked')).open()
    await t.rejects(new LevelKv(join(directory, 'locked')).open(), { code: 'MQ_LOCKED' })
    await first.close()
    await (await new LevelKv(join(directory, 'locked')).open()).close()
  })
})
