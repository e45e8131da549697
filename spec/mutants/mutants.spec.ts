import t from 'tap'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../rules/sources.ts'
import { editedFiles } from './edits.ts'
import { mutants } from './mutants.ts'

// it compiles and runs in a process of its own
t.setTimeout(300_000)

t.test('each text that is changed is there once', async (t) => {
  for (const mutant of mutants) await t.resolves(editedFiles(root, mutant), mutant.name)
  t.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length, 'each has a name of its own')
})

t.test('every state machine has two', async (t) => {
  for (const machine of ['commit-log', 'consume-queue', 'consumer-offset', 'metadata', 'delay', 'pop', 'lock', 'format']) t.ok(mutants.filter(({ rule }) => rule === machine).length >= 2, machine)
})

t.test('the command finds one', async (t) => {
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'spec/mutants/main.ts'), '--only', 'flushes end without a sync', '--seeds', '20', '--json'], { encoding: 'utf8' })
  t.equal(status, 0, stdout)
  t.match(JSON.parse(stdout.trimEnd().split('\n').at(-1)!), { mutants: 1, missed: [], found: [{ rule: '11', seeds: Number }] })
})
