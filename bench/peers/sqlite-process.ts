/**
 * A queue as one would write it on better-sqlite3, WAL with synchronous FULL: a row per message; consuming takes and
 * deletes 32 rows in one transaction. The library is synchronous, so sends come as transactions of `--inflight` rows.
 */
import { join } from 'node:path'
import { Driver, workloadFromArgs } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { loadOptional } from './packages.ts'

const ROWS_PER_TRANSACTION = 32

const workload = workloadFromArgs(['case'])
const { default: Database } = await loadOptional('better-sqlite3')
await inScratchFolder(workload.dir, async (folder) => {
  const database = new Database(join(folder, 'queue.db'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, tag TEXT, key TEXT, body BLOB NOT NULL)')
  const insert = database.prepare('INSERT INTO messages (topic, tag, key, body) VALUES (?, ?, ?, ?)')
  const select = database.prepare('SELECT id, topic, tag, key, body FROM messages ORDER BY id LIMIT ?')
  const remove = database.prepare('DELETE FROM messages WHERE id <= ?')
  const body = Buffer.alloc(workload.size, 65)
  const insertMany = database.transaction((count: number) => {
    for (let i = 0; i < count; i++) insert.run('bench', 'bench', `key-${i & 1023}`, body)
  })
  const takeMany = database.transaction((count: number): number => {
    const rows = select.all(count) as Array<{ id: number }>
    if (rows.length > 0) remove.run(rows.at(-1)!.id)
    return rows.length
  })
  const driver = new Driver()
  for (let round = 0; round < workload.rounds; round++) {
    const isSend = workload.more.case === 'send'
    const sendMs = timed(() => { for (let left = workload.messages; left > 0; left -= workload.inflight) insertMany(Math.min(left, workload.inflight)) })
    if (isSend) driver.addRate(workload.messages, sendMs)
    let taken = 0
    const takeMs = timed(() => { for (let count = -1; count !== 0;) taken += count = takeMany(isSend ? 10_000 : ROWS_PER_TRANSACTION) })
    if (taken !== workload.messages) throw new Error(`${taken} of ${workload.messages} rows came back`)
    if (!isSend) driver.addRate(workload.messages, takeMs)
  }
  database.close()
  console.log(JSON.stringify(driver.result(workload.more.case ?? 'consume', workload)))
})

function timed (body: () => void): number {
  const startMs = performance.now()
  body()
  return performance.now() - startMs
}
