import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NodeDisk } from '../../lib/adapters/index.ts'
import { stats } from '../../lib/cli/stats.ts'
import { loadChecksum, silentLogger, viewOf } from '../../lib/base/index.ts'
import { Engine } from '../../lib/engine/index.ts'
import { DOUBT_FILE } from '../../lib/log/index.ts'
import { openQueue, type EmbeddedQueue } from '../../lib/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { DATA_FORMAT_VERSION, encodeIdentity, OLDEST_DATA_FORMAT, readIdentity, writeIdentity } from '../../lib/replica/index.ts'
import { upgradeDirectory } from '../../lib/replica/upgrade.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults, type Keep } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { format1, putFormat1 } from './format-1.ts'

const DIRECTORY = '/data'
const BACKUP = 'backup-1'
const limits = { segmentBytes: 64 * 1024 }

t.before(loadChecksum)

function folder (t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'ledgermq-upgrade-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

const formatOf = (path: string): number => viewOf(readFileSync(join(path, 'identity'))).getUint16(4)

/** An older version of this program, as far as formats go. */
const openOlder = (directory: string): Promise<Engine> => Engine.open({ ...checkOpenOptions(directory, { limits }), directory, formatVersion: OLDEST_DATA_FORMAT })

async function numbersOf (queue: EmbeddedQueue, queueId: number): Promise<number[]> {
  const messages = await queue.read('orders', { queueId, fromOffset: 0, max: 100 })
  return messages.map(({ body }) => (body as { number: number }).number)
}

t.test('a directory of the format before is upgraded in place, and keeps all it had; what it was lies beside it and opens', async (t) => {
  const directory = folder(t)
  putFormat1(directory)
  t.equal(formatOf(directory), 1)
  const logged: string[] = []
  const logger = { ...silentLogger, info: (text: string) => { logged.push(text) } }
  let queue = await openQueue(directory, { limits, logger })
  const even = Array.from({ length: 80 }, (_, i) => 2 * i)
  t.same(await numbersOf(queue, 0), even)
  t.same(await numbersOf(queue, 1), even.map((number) => number + 1))
  t.match(await queue.group('readers').progress('orders'), [{ queueId: 0, maxOffset: 80, lag: 40 }, { queueId: 1, maxOffset: 80, lag: 80 }])
  const rest = []
  for (let batch = await queue.pull('orders', { group: 'readers', max: 100 }); batch.length > 0; batch = await queue.pull('orders', { group: 'readers', max: 100 })) {
    rest.push(...batch)
    await batch.ackAll()
  }
  t.equal(rest.length, 120)
  t.same(rest.filter(({ attempts }) => attempts === 2).map(({ body }) => (body as { number: number }).number), [1], 'the one that was given back')
  await queue.send('orders', { number: 1000 }, { queueId: 0 })
  t.equal(formatOf(directory), DATA_FORMAT_VERSION)
  t.match(logged.filter((text) => text.includes('format')), [new RegExp(`was of data format 1 and is of ${DATA_FORMAT_VERSION} now; .*${BACKUP}`)])
  await queue.close()

  queue = await openQueue(directory, { limits, logger })
  t.equal(logged.filter((text) => text.includes('format')).length, 1, 'once')
  t.same(await numbersOf(queue, 0), [...even, 1000])
  await queue.close()
  await t.rejects(openOlder(directory), { code: 'MQ_FORMAT_TOO_NEW' }, 'the older version leaves it alone')

  const backup = join(directory, BACKUP)
  t.equal(statSync(join(backup, 'log', '00000000000000000000.seg')).nlink, 2, 'closed segments take no room')
  const older = await openOlder(backup)
  t.same(older.format, { group: 1, newest: 1 })
  t.equal(older.reads.rangeOf('orders', 0).maxOffset, 80, 'as it was')
  t.match(older.progress('readers', 'orders'), [{ queueId: 0, lag: 40 }, { queueId: 1, lag: 80 }])
  await older.close()
  t.equal(formatOf(backup), 1)
  const untouched = await openQueue(directory, { limits })
  t.same(await numbersOf(untouched, 0), [...even, 1000], 'which the backup in use does not touch')
  await untouched.close()
})

t.test('looking at a directory does not upgrade it', async (t) => {
  const directory = folder(t)
  putFormat1(directory)
  const printed = t.capture(console, 'log')
  await stats(directory, true)
  const [{ args: [text] }] = printed() as unknown as [{ args: [string] }]
  printed.restore()
  const { topics, groups } = JSON.parse(text) as { topics: Array<{ name: string }>, groups: unknown }
  t.match(topics.find(({ name }) => name === 'orders'), { codec: 'json', queues: [{ maxOffset: 80 }, { maxOffset: 80 }] })
  t.match(groups, [{ name: 'readers', lag: 120 }])
  t.equal(formatOf(directory), 1)
  t.notOk(readdirSync(directory).includes(BACKUP))
  await (await openOlder(directory)).close()
})

t.test('a directory of a later format is refused before anything is written', async (t) => {
  const directory = folder(t)
  await (await openQueue(directory, { limits })).close()
  const disk = new FaultyDisk({ directories: [DIRECTORY] })
  const identity = (await readIdentity(new NodeDisk(), directory))!
  disk.plant(`${DIRECTORY}/identity`, encodeIdentity(identity, DATA_FORMAT_VERSION + 1))
  await t.rejects(upgradeDirectory({ disk, directory: DIRECTORY, logger: silentLogger, formatVersion: DATA_FORMAT_VERSION }), { code: 'MQ_FORMAT_TOO_NEW', version: DATA_FORMAT_VERSION + 1 })
  t.equal(disk.faults.boundaries, 0)
})

t.test('a log that says that the group writes a later format stops a node that does not read it', async (t) => {
  const directory = folder(t)
  await (await openQueue(directory, { limits })).close()
  // somebody puts the old identity back
  const disk = new NodeDisk()
  await writeIdentity(disk, directory, (await readIdentity(disk, directory))!, OLDEST_DATA_FORMAT)
  await t.rejects(openOlder(directory), { code: 'MQ_FORMAT_TOO_NEW' })
  rmSync(join(directory, 'state'), { recursive: true })
  rmSync(join(directory, 'applied'))
  await t.rejects(openOlder(directory), { code: 'MQ_FORMAT_TOO_NEW' }, 'by the entry itself')
})

/** The directory of format 1 on a disk that can fail. */
function faulty (faults = new Faults({ afterStop: 'reject' })): FaultyDisk {
  const disk = new FaultyDisk({ faults, directories: [DIRECTORY] })
  for (const [name, bytes] of format1) if (!name.startsWith('state/')) disk.plant(join(DIRECTORY, name), bytes)
  return disk
}

const upgrade = (disk: FaultyDisk): Promise<void> => upgradeDirectory({ disk, directory: DIRECTORY, logger: silentLogger, formatVersion: DATA_FORMAT_VERSION })
const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean => a !== undefined && b !== undefined && Buffer.compare(a, b) === 0
const backedUp = [...format1.keys()].filter((name) => name === 'identity' || name === 'vote' || name.startsWith('log/'))
const holds = (disk: FaultyDisk, place: string, names: readonly string[]): boolean => names.every((name) => same(disk.contents(join(place, name)), format1.get(name)))

/** Whole and of the old format, or of the new one with a whole backup; and its log is what it was. */
function stateOf (disk: FaultyDisk): 'old' | 'new' | 'neither' {
  const untouched = [...format1.keys()].filter((name) => name !== 'identity' && !name.startsWith('state/'))
  const identity = disk.contents(join(DIRECTORY, 'identity'))
  if (identity === undefined || !holds(disk, DIRECTORY, untouched)) return 'neither'
  if (viewOf(identity).getUint16(4) === OLDEST_DATA_FORMAT) return same(identity, format1.get('identity')) ? 'old' : 'neither'
  return holds(disk, join(DIRECTORY, BACKUP), backedUp) ? 'new' : 'neither'
}

t.test('a stop at any boundary leaves the directory as it was, or upgraded with a whole backup; the next start does the rest', async (t) => {
  const trace = new Faults({ trace: true, afterStop: 'reject' })
  await upgrade(faulty(trace))
  t.ok(trace.boundaries > 15, `${trace.boundaries} boundaries`)
  const found = { old: 0, new: 0, neither: 0 }
  for (let boundary = 1; boundary <= trace.boundaries; boundary++) {
    for (const keep of ['none', 'all', 'random', 'reorder'] as Keep[]) {
      const faults = new Faults({ afterStop: 'reject' })
      faults.stopAt(boundary, boundary % 2 === 0 ? 'middle' : 'after')
      const disk = faulty(faults)
      await upgrade(disk).catch(() => {})
      const next = disk.powerCut({ keep, random: new SeededRandom(boundary), faults: new Faults() })
      const state = stateOf(next)
      found[state]++
      if (state === 'neither') t.fail(`boundary ${boundary}, ${keep}: ${trace.trace[boundary - 1]}`)
      await upgrade(next)
      if (stateOf(next) !== 'new') t.fail(`boundary ${boundary}, ${keep}: the next start`)
    }
  }
  t.ok(found.old > 0 && found.new > 0, JSON.stringify(found))
})

t.test('a disk that fails or is full anywhere on the way leaves the directory as it was, without half a backup', async (t) => {
  const counted = new Faults()
  await upgrade(faulty(counted))
  const { boundaries } = counted
  for (const code of ['EIO', 'ENOSPC'] as const) {
    let failures = 0
    for (let n = 1; n <= boundaries; n++) {
      const faults = new Faults()
      const disk = faulty(faults)
      faults.failAt(n, code)
      const failed = await upgrade(disk).then(() => false, () => true)
      if (!failed) continue
      failures++
      const state = stateOf(disk)
      if (state === 'neither') t.fail(`${code} at ${n}`)
      if (state === 'old' && disk.paths().some((path) => path.includes(BACKUP) && !path.endsWith('identity') && disk.contents(join(DIRECTORY, BACKUP, 'identity')) === undefined)) t.fail(`${code} at ${n}: half a backup`)
      await upgrade(disk)
      if (stateOf(disk) !== 'new') t.fail(`${code} at ${n}: the next start`)
    }
    t.ok(failures > 10, `${failures} times ${code}`)
  }
})

t.test('what a node knows of its doubts goes into the backup', async (t) => {
  const disk = faulty()
  const doubt = new Uint8Array([1, 2, 3])
  disk.plant(join(DIRECTORY, DOUBT_FILE), doubt)
  await upgrade(disk)
  t.same(disk.contents(join(DIRECTORY, BACKUP, DOUBT_FILE)), doubt)
})

t.test('without links the backup is a copy', async (t) => {
  const disk = faulty()
  disk.link = async () => { throw Object.assign(new Error('EPERM: no links here'), { code: 'EPERM' }) }
  await upgrade(disk)
  t.equal(stateOf(disk), 'new')
})
