import t from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import { KvConfig, ORDER_TOPIC_CONFIG } from '../../lib/namesrv/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const path = '/namesrv/kvConfig.json'
const options = { path, maxBytes: 1000 }

async function fileOf (disk: { readFile (path: string): Promise<Uint8Array | undefined> }): Promise<string | undefined> {
  const bytes = await disk.readFile(path)
  return bytes && Buffer.from(bytes).toString()
}

t.test('values survive a restart, in RocketMQ\'s file', async (t) => {
  const disk = new MemoryDisk()
  const kv = await KvConfig.open({ ...options, disk })
  t.equal(kv.get('n', 'k'), undefined)
  t.equal(kv.list('n'), undefined)
  await kv.put(ORDER_TOPIC_CONFIG, 'T', 'broker-a:8')
  await kv.put('n', 'k', 'v "1"')
  await kv.put('n', 'k', 'v "2"')
  await kv.put('n', 'other', '')
  await kv.delete('n', 'other')
  await kv.delete('n', 'never')
  await kv.delete('never', 'k')
  t.equal(await fileOf(disk), '{"configTable":{"ORDER_TOPIC_CONFIG":{"T":"broker-a:8"},"n":{"k":"v \\"2\\""}}}')
  const again = await KvConfig.open({ ...options, disk })
  t.equal(again.get('n', 'k'), 'v "2"')
  t.same(again.list(ORDER_TOPIC_CONFIG), new Map([['T', 'broker-a:8']]))
  await again.delete('n', 'k')
  t.same(again.list('n'), new Map(), 'the namespace stays')
})

t.test('without a file the table lives in memory', async (t) => {
  const disk = new MemoryDisk()
  const kv = await KvConfig.open({ disk, path: undefined, maxBytes: 1000 })
  await kv.put('n', 'k', 'v')
  t.equal(kv.get('n', 'k'), 'v')
  t.same(await disk.list('/'), [])
})

t.test('changes at the same time all take effect, in order, in few writes', async (t) => {
  const disk = new MemoryDisk()
  const kv = await KvConfig.open({ ...options, disk })
  await Promise.all([kv.put('n', 'a', '1'), kv.put('n', 'b', '1'), kv.delete('n', 'a'), kv.put('n', 'b', '2')])
  t.same(kv.list('n'), new Map([['b', '2']]))
  const late = kv.put('n', 'c', '3')
  await kv.close()
  await late
  t.equal((await KvConfig.open({ ...options, disk })).get('n', 'c'), '3', 'close waits')
})

t.test('the table is bounded; what makes it smaller is always taken', async (t) => {
  const disk = new MemoryDisk()
  const kv = await KvConfig.open({ disk, path, maxBytes: 100 })
  await kv.put('n', 'k', 'x'.repeat(50))
  await t.rejects(kv.put('n', 'l', 'x'.repeat(50)), { code: 'MQ_INVALID_ARGUMENT' })
  const [, refused] = await Promise.allSettled([kv.put('n', 'm', '1'), kv.put('n', 'l', 'x'.repeat(50))])
  t.equal(refused.status, 'rejected')
  t.equal(kv.get('n', 'm'), '1', 'others that wait with it are not harmed')
  const smaller = await KvConfig.open({ disk, path, maxBytes: 10 })
  await smaller.delete('n', 'k')
  await t.rejects(smaller.put('n', 'm', '22'), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('a file that is not one stops the start instead of being overwritten', async (t) => {
  for (const text of ['', '{', '{"other":{}}', '[1]']) {
    const disk = new MemoryDisk()
    await disk.makeDirectory('/namesrv')
    const file = await disk.open(path, { create: true })
    await file.write(Buffer.from(text), 0)
    await t.rejects(KvConfig.open({ ...options, disk }), { code: 'MQ_CORRUPT', message: /kvConfig\.json/ })
  }
})

t.test('a stop at any moment: what was acknowledged is there, and nothing that is half', async (t) => {
  for (const point of ['before', 'middle', 'after'] as const) {
    for (let boundary = 1, finished = false; !finished; boundary++) {
      const disk = new FaultyDisk({ faults: new Faults({ afterStop: 'reject' }) })
      disk.faults.stopAt(boundary, point)
      let acknowledged = 0
      const kv = await KvConfig.open({ ...options, disk })
      for (const value of ['1', '2']) await kv.put('n', 'k', value).then(() => { acknowledged++ }, () => {})
      finished = !disk.faults.stopped
      for (const keep of ['none', 'all', 'random'] as const) {
        const again = await KvConfig.open({ ...options, disk: finished ? disk : disk.powerCut({ keep, random: new SeededRandom(boundary) }) })
        const found = Number(again.get('n', 'k') ?? 0)
        t.ok(found >= acknowledged && found <= 2, `${point} ${boundary} ${keep}: ${found} of ${acknowledged}`)
      }
    }
  }
})

t.test('a disk that fails: the change is refused and not visible, later ones are taken', async (t) => {
  for (let n = 1; n <= 5; n++) {
    const disk = new FaultyDisk({ directories: ['/namesrv'] })
    const kv = await KvConfig.open({ ...options, disk })
    disk.faults.failAt(n, 'EIO')
    await t.rejects(kv.put('n', 'k', '1'), { code: 'MQ_IO', outcome: 'unknown', message: /kvConfig\.json/ }, `boundary ${n}`)
    t.equal(kv.get('n', 'k'), undefined)
    await kv.put('n', 'k', '2')
    t.equal((await KvConfig.open({ ...options, disk })).get('n', 'k'), '2')
    t.equal(disk.openHandles, 0)
  }
})
