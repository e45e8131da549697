import { symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { openQueue } from '../../lib/index.ts'

t.test('a directory is opened once, by whatever name it is called', async (t) => {
  const base = t.testdir()
  const directory = join(base, 'data')
  const link = join(base, 'link')
  symlinkSync(base, link)
  const names = [directory, `${directory}/`, `./${relative(process.cwd(), directory)}`, join(link, 'data'), `${directory}/../data`]
  for (const opened of names) {
    const queue = await openQueue(opened)
    for (const name of names) await t.rejects(openQueue(name), { code: 'MQ_LOCKED', pid: process.pid }, `${name} beside ${opened}`)
    await queue.close()
  }
})

t.test('a relative directory stays the same one when the process goes elsewhere', async (t) => {
  const base = t.testdir()
  const before = process.cwd()
  t.teardown(() => { process.chdir(before) })
  process.chdir(base)
  const queue = await openQueue('relative', { limits: { segmentBytes: 65_536 }, topics: { jobs: { codec: 'bytes', queues: 1 } } })
  process.chdir('/')
  for (let i = 0; i < 100; i++) await queue.send('jobs', new Uint8Array(2000))
  await queue.close()
  const again = await openQueue(join(base, 'relative'))
  t.match(again.topics(), [{ queues: [{ maxOffset: 100 }] }])
  await again.close()
})
