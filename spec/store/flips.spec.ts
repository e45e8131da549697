import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { childProgram } from '../support/child-program.ts'

const run = promisify(execFile)
const child = childProgram('spec/store/flips-child.ts')
const start = (...args: string[]) => run(process.execPath, [...child, ...args]).then(({ stdout }) => ({ stdout, died: false }), (error: { stdout?: string, stderr?: string }) => ({ stdout: error.stdout ?? '', died: true, stderr: error.stderr }))

t.setTimeout(600_000)

t.test('a bit flipped anywhere in the database\'s files: the right state, a rebuild or a refusal, never another state', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ledgermq-flips-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const pristine = join(directory, 'pristine')
  const work = join(directory, 'work')
  await mkdir(pristine)
  const made = await start('make', pristine)
  t.notOk(made.died)
  const files = (await readdir(join(pristine, 'state'))).length
  t.ok(files >= 6, `${files} files`)

  // One process goes through the flips; where it dies, a fresh one must find its way, and the next flip follows.
  const outcomes: Record<string, number> = {}
  let next = 0
  for (let isDone = false; !isDone;) {
    const { stdout, died } = await start('flip', pristine, work, String(next), process.env.STEPS ?? '12')
    let begun = ''
    for (const line of stdout.split('\n')) {
      if (line.startsWith('begin ')) {
        begun = line
        next = Number(line.split(' ')[1]) + 1
      } else if (line.startsWith('end ')) {
        const outcome = line.split(' ').slice(2).join(' ')
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
        if (outcome.includes('WRONG')) t.fail(`${begun}: ${outcome}`)
        begun = ''
      }
    }
    if (begun !== '') {
      const again = await start('again', work)
      t.match(again.stdout, /again (right|rebuilt)/, `the process died (${begun}), the next start finds its way`)
      outcomes.died = (outcomes.died ?? 0) + 1
    } else if (died) {
      t.fail(`a child failed after ${next} flips`)
      return
    }
    isDone = !died
  }
  t.ok(next >= files, JSON.stringify(outcomes))
  t.ok((outcomes.rebuilt ?? 0) > 0 && (outcomes.right ?? 0) > 0)
})
