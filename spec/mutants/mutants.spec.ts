import t from 'tap'
import { root } from '../rules/sources.ts'
import { editedFiles } from './edits.ts'
import { mutants } from './mutants.ts'

t.test('each text that is changed is there once', async (t) => {
  for (const mutant of mutants) await t.resolves(editedFiles(root, mutant), mutant.name)
  t.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length, 'each has a name of its own')
})

t.test('every state machine has two', async (t) => {
  for (const machine of ['commit-log', 'consume-queue', 'consumer-offset', 'metadata', 'delay', 'pop', 'lock', 'format', 'resend', 'ttl', 'retry', 'filter', 'key-index', 'priority']) t.ok(mutants.filter(({ rule }) => rule === machine).length >= 2, machine)
})
