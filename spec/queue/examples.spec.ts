import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { childProgram } from '../support/child-program.ts'

/** What each example must have said at the end. */
const lastWords: Record<string, string> = {
  'hello.ts': 'received hello for user-7, attempt 1',
  'typed-topics.ts': 'roof: 21.5 °C in 23 bytes',
  'worker.ts': 'dead letter: order 4',
  'batches.ts': 'after seek: lag 20000',
  'exactly-once.ts': 'ann has ordered for 60, after 1 failure',
  'virtual-time.ts': 'the first consumer is too late: MQ_LEASE_LOST'
}

t.test('every example runs, says what it should, and ends by itself', async (t) => {
  const files = readdirSync('examples').filter((name) => name.endsWith('.ts')).sort()
  t.same(files, Object.keys(lastWords).sort())
  for (const file of files) {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...childProgram(`examples/${file}`), `${t.testdir()}/${file}`])
    t.equal(stdout.trimEnd().split('\n').at(-1), lastWords[file], file)
    t.equal(stderr, '', `${file} prints no warnings`)
  }
})
