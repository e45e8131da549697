// The command `ledgermq` on a disk that forgets what was not synced when the process is killed: see power-cut.ts. For specs alone.
import { LevelKv, NodeDisk } from '../../lib/adapters/index.ts'
import { ForgetfulFile, readForgetful } from './forgetful-files.ts'
import { NameJournal, placesIn } from './power-cut.ts'
import { keepCopy } from './state-copies.ts'

const places = placesIn(process.cwd())
const names = new NameJournal(places)

Object.assign(NodeDisk.prototype, {
  async open (path: string, { create = false, readOnly = false } = {}) {
    return await ForgetfulFile.open(path, { create, readOnly, isNew: create && names.maybeCreates(path) })
  },
  readFile: readForgetful,
  async rename (from: string, to: string) { await names.rename(from, to) },
  async link (from: string, to: string) { await names.link(from, to) },
  async unlink (path: string) { await names.unlink(path) },
  async syncDirectory (directory: string) { names.synced(directory) },
  async bootId () { return names.bootId }
} satisfies Partial<NodeDisk>)

const openLevel = LevelKv.prototype.open
LevelKv.prototype.open = async function () {
  const db = await openLevel.call(this)
  const batch = db.batch.bind(db) as (...args: unknown[]) => Promise<void>
  // durable is what was copied before the answer
  Object.assign(db, {
    async batch (...args: unknown[]) {
      await batch(...args)
      await keepCopy(places)
    }
  })
  return db
}

await import('../../lib/cli/main.ts')
