import { join } from 'node:path'
import t from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import { MqError } from '../../lib/base/index.ts'
import { takeDirectory } from '../../lib/engine/data-directory.ts'

const directory = '/data'

function freeLock () {
  const lock = { held: false, async take () { lock.held = true }, async release () { lock.held = false } }
  return lock
}

async function diskWith (names: readonly string[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  await disk.makeDirectory(directory)
  for (const name of names) await (await disk.open(join(directory, name), { create: true })).close()
  return disk
}

t.test('an empty, a new and an own directory are taken; the pid is noted', async (t) => {
  for (const disk of [new MemoryDisk(), await diskWith([]), await diskWith(['.DS_Store']), await diskWith(['identity', 'vote', 'lock.pid', 'notes.txt']), await diskWith(['lock.pid'])]) {
    const lock = freeLock()
    await takeDirectory({ disk, directory, lock, pid: 4711 })
    t.ok(lock.held)
    t.equal(new TextDecoder().decode(await disk.readFile(join(directory, 'lock.pid'))), '4711\n')
  }
})

t.test('files of somebody else are left alone', async (t) => {
  const disk = await diskWith(['index.html', 'app.js', 'a', 'b'])
  await t.rejects(takeDirectory({ disk, directory, lock: freeLock(), pid: 1 }), { code: 'MQ_NOT_A_DATA_DIRECTORY', outcome: 'not-applied' })
  t.same((await disk.list(directory))!.map(({ name }) => name).sort(), ['a', 'app.js', 'b', 'index.html'], 'nothing was written')
})

t.test('a locked directory names its holder', async (t) => {
  const disk = await diskWith(['identity'])
  await takeDirectory({ disk, directory, lock: freeLock(), pid: 4711 })
  const taken = { async take () { throw new MqError('MQ_LOCKED', 'held') }, async release () {} }
  await t.rejects(takeDirectory({ disk, directory, lock: taken, pid: 4712 }), { code: 'MQ_LOCKED', pid: 4711, message: /process 4711/, retryable: true })
  await t.rejects(takeDirectory({ disk, directory, lock: taken, pid: 4711 }), { code: 'MQ_LOCKED', message: /this process/ })
  const unknown = await diskWith(['identity', 'lock.pid'])
  await t.rejects(takeDirectory({ disk: unknown, directory, lock: taken, pid: 4712 }), { code: 'MQ_LOCKED', message: /another process/ })
})

t.test('what the platform says becomes a code', async (t) => {
  const cases: Array<[string, string]> = [
    ['EACCES', 'MQ_READ_ONLY'], ['EPERM', 'MQ_READ_ONLY'], ['EROFS', 'MQ_READ_ONLY'], ['ENOSPC', 'MQ_DISK_ROOM'], ['EDQUOT', 'MQ_DISK_ROOM'],
    ['ENOTDIR', 'MQ_NOT_A_DATA_DIRECTORY'], ['EEXIST', 'MQ_NOT_A_DATA_DIRECTORY'], ['EIO', 'MQ_IO']
  ]
  for (const [code, expected] of cases) {
    for (const failing of ['makeDirectory', 'open'] as const) {
      const disk = await diskWith(['identity'])
      const cause = Object.assign(new Error(`${code}: refused`), { code })
      disk[failing] = async () => { throw cause }
      await t.rejects(takeDirectory({ disk, directory, lock: freeLock(), pid: 1 }), { code: expected, outcome: 'not-applied', cause }, `${code} from ${failing}`)
    }
  }
})

t.test('a lock that cannot be taken says why; one that was taken in vain is let go', async (t) => {
  const cause = Object.assign(new Error('EACCES: refused'), { code: 'EACCES' })
  await t.rejects(takeDirectory({ disk: await diskWith(['identity']), directory, lock: { async take () { throw cause }, async release () {} }, pid: 1 }), { code: 'MQ_READ_ONLY', cause })
  const disk = await diskWith(['identity'])
  const open = disk.open.bind(disk)
  disk.open = async (path, options) => Object.assign(await open(path, options), { write: async () => { throw Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC' }) } })
  const lock = freeLock()
  await t.rejects(takeDirectory({ disk, directory, lock, pid: 1 }), { code: 'MQ_DISK_ROOM' })
  t.notOk(lock.held)
})
