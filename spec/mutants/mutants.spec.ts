import { access, mkdir, mkdtemp, rm } from 'node:fs/promises'
import t from 'tap'
import { root } from '../rules/sources.ts'
import { failedAssertion, judge } from './by-spec.ts'
import { compileBelow } from './compiled.ts'
import { editedFiles, plant } from './edits.ts'
import { mutants } from './mutants.ts'

t.test('each text that is changed is there once', async (t) => {
  for (const mutant of mutants) {
    await t.resolves(editedFiles(root, mutant), mutant.name)
    if (mutant.foundBy !== undefined) await t.resolves(access(`${root}/${mutant.foundBy}`), mutant.foundBy)
  }
  t.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length, 'each has a name of its own')
})

t.test('every state machine has two', async (t) => {
  for (const machine of ['commit-log', 'consume-queue', 'consumer-offset', 'metadata', 'delay', 'pop', 'lock', 'format', 'resend', 'ttl', 'retry', 'filter', 'key-index', 'priority']) t.ok(mutants.filter(({ rule }) => rule === machine).length >= 2, machine)
})

t.test('a spec finds what is planted, and nothing where nothing is', async (t) => {
  await mkdir(`${root}/build`, { recursive: true })
  const directory = await mkdtemp(`${root}/build/mutant-`)
  t.teardown(() => rm(directory, { recursive: true }))
  const mutant = mutants.find(({ foundBy }) => foundBy === 'spec/replica/persistence.spec.ts')!
  await compileBelow(root, ['lib/replica', 'spec/replica'], directory)
  t.same(await judge(directory, mutant.foundBy!), { passed: true, failedAssertion: undefined })
  await plant(root, mutant, directory)
  t.same(await judge(directory, mutant.foundBy!), { passed: false, failedAssertion: 'the new fourth one is not written' })
})

t.test('only an assertion that fails is one', async (t) => {
  const failing = (name: string, facts: string): string => `TAP version 14\n# Subtest: it\n    not ok 1 - ${name}\n      ---\n      ${facts}\n      ...\n    1..1\nnot ok 1 - it # time=3ms\n  ---\n  at:\n    lineNumber: 1\n  ...\n1..1\n`
  t.equal(failedAssertion(failing('holds', 'at:')), 'holds')
  t.equal(failedAssertion(failing('x is not a function', 'tapCaught: returnedPromiseRejection')), undefined)
  t.equal(failedAssertion(failing('timeout!', 'expired: it')), undefined)
  t.equal(failedAssertion('Error [ERR_MODULE_NOT_FOUND]: Cannot find module\n'), undefined)
})
