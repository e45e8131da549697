import { execFileSync } from 'node:child_process'
import t from 'tap'
import { filesBelow, root, textOf } from './sources.ts'

const joinsPaths = 'import { join } from \'node:path\'\nexport const a = join'
const impure = [
  'export const a = Date.now()',
  'export const a = new Date()',
  'export const a = Math.random()',
  'export const a = performance.now()',
  'export const a = process.pid',
  'export const a = crypto.randomUUID()',
  'export const a = globalThis.Date',
  'console.log(1)',
  'setTimeout(() => {}, 1)',
  'setImmediate(() => {})',
  'export const a = AbortSignal.timeout(1)',
  'import { open } from \'node:fs/promises\'\nexport const a = open',
  'import { openSync } from \'fs\'\nexport const a = openSync',
  'import { createServer } from \'node:net\'\nexport const a = createServer',
  'import { randomBytes } from \'node:crypto\'\nexport const a = randomBytes',
  'import { setTimeout as wait } from \'node:timers/promises\'\nexport const a = wait'
]
const rooms = ['raft', 'store', 'queue', 'log', 'adapters', 'cli']
const texts = [...impure, joinsPaths]

/** For each text, whether lint forbids it in a file of that room. One process for all, because starting lint is slow. */
const forbidden = lintTexts()

function lintTexts (): Map<string, boolean[]> {
  const input = JSON.stringify(rooms.flatMap((room) => texts.map((code) => ({ filePath: `lib/${room}/some-file.ts`, code }))))
  const output = execFileSync(process.execPath, ['spec/rules/lint-texts.mjs'], { cwd: root, input, env: { ...process.env, NODE_OPTIONS: '' } })
  const results = (JSON.parse(output.toString()) as string[][]).map((rules) => rules.some((rule) => rule.startsWith('no-restricted')))
  return new Map(rooms.map((room, i) => [room, results.slice(i * texts.length, (i + 1) * texts.length)]))
}

t.test('core rooms touch no clock, chance, disk or network', async (t) => {
  for (const room of ['raft', 'store', 'queue', 'log']) t.same(forbidden.get(room)!.slice(0, impure.length), impure.map(() => true), room)
})

t.test('adapters and the command line may', async (t) => {
  for (const room of ['adapters', 'cli']) t.same(forbidden.get(room), texts.map(() => false), room)
})

t.test('raft/ takes nothing from Node.js at all; others may join paths', async (t) => {
  t.equal(forbidden.get('raft')!.at(-1), true)
  t.equal(forbidden.get('log')!.at(-1), false)
})

t.test('no rule of purity is switched off in a source file', async (t) => {
  for (const file of filesBelow('lib')) t.notMatch(textOf(file), /eslint-disable(?!-next-line (no-labels|camelcase|no-void)\b)/, file)
})

t.test('the library ends no process and installs no handler for signals', async (t) => {
  for (const file of filesBelow('lib').filter((name) => !name.startsWith('lib/cli/'))) {
    t.notMatch(textOf(file), /process\.(exit|abort|kill\(process|on|once|exitCode)\b/, file)
  }
})
