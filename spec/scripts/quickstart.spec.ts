import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../rules/sources.ts'

const script = join(root, 'scripts', 'quickstart')
const options = { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' }, timeout: 100_000 } as const

interface Answer { readonly status: number | null, readonly result: Record<string, number>, readonly said: string }

function quickstart (args: readonly string[], cwd: string, input = ''): Answer {
  const { status, stdout, stderr } = spawnSync(script, args, { ...options, cwd, input })
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  return { status, result: last.startsWith('{') ? JSON.parse(last) : {}, said: stderr }
}

t.test('files and standard input go through a kill and come out whole', { skip: process.platform === 'win32' }, async (t) => {
  const folder = t.testdir()
  writeFileSync(join(folder, 'numbers.txt'), Array.from({ length: 5000 }, (_, i) => `${i}\n`).join(''))
  writeFileSync(join(folder, 'no-end'), 'one\r\n\ntwo')
  writeFileSync(join(folder, 'empty'), '')
  const { status, result, said } = quickstart(['--dir', '.', '--seed', '11', 'numbers.txt', 'no-end', 'empty', '-'], folder, 'from a pipe\n')
  t.equal(status, 0, said)
  t.match(result, { lines: 5004, sent: 5004, consumed: 5004, lost: 0 })
  t.ok(result.killedAtLine! >= 5004 * 0.35 && result.killedAtLine! <= 5004, `killed at ${result.killedAtLine}`)
  for (const name of ['redelivered', 'reopenMs', 'sendPerSec', 'consumePerSec']) t.type(result[name], 'number', name)
  t.match(said, '--seed 11')
})

t.test('wrong use is said, with status 2', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/main-job/main.ts', 'not-there'], { ...options, cwd: root })
  t.equal(status, 2)
  t.match(stderr, 'cannot read not-there')
})
