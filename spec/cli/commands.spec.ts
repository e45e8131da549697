import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { NodeDisk } from '../../lib/adapters/index.ts'
import { repair } from '../../lib/cli/repair.ts'
import { Engine } from '../../lib/engine/index.ts'
import { openQueue } from '../../lib/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { makeNodeId, readIdentity, writeIdentity } from '../../lib/replica/index.ts'
import { root } from '../rules/sources.ts'
import { childProgram } from '../support/child-program.ts'

const MESSAGES = 20

function ledgermq (...args: string[]): { status: number | null, stdout: string, stderr: string } {
  return spawnSync(process.execPath, [...childProgram('lib/cli/main.ts'), ...args], { cwd: root, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' }, timeout: 60_000 })
}

/** A closed directory with one entry per message. */
async function filled (directory: string): Promise<void> {
  const queue = await openQueue(directory)
  for (let i = 0; i < MESSAGES; i++) await queue.send('orders', { number: i }, { key: 'one' })
  const batch = await queue.pull('orders', { group: 'shop', max: 5, waitMs: 1000 })
  await batch.ackAll()
  await queue.close()
}

/** Turns one bit of the middle of the log. */
function flipMiddle (directory: string): void {
  const name = readdirSync(join(directory, 'log')).find((file) => file.endsWith('.seg'))!
  const path = join(directory, 'log', name)
  const bytes = readFileSync(path)
  const used = bytes.findLastIndex((byte) => byte !== 0)
  bytes[used >> 1]! ^= 1
  writeFileSync(path, bytes)
}

t.test('stats tells topics, groups and the log, as text and as JSON', async (t) => {
  const directory = join(t.testdir(), 'data')
  await filled(directory)
  const text = ledgermq('stats', directory)
  t.equal(text.status, 0, text.stderr)
  t.match(text.stdout, `orders: ${MESSAGES} messages`)
  t.match(text.stdout, `shop: ${MESSAGES - 5} messages to do`)
  t.match(JSON.parse(ledgermq('stats', '--json', directory).stdout), { groups: [{ name: 'shop', lag: MESSAGES - 5 }] })
})

t.test('a directory that is none is refused and stays as it is', async (t) => {
  const directory = join(t.testdir(), 'nothing')
  for (const command of ['stats', 'verify', 'repair']) {
    const { status, stderr } = ledgermq(command, directory)
    t.equal(status, 1)
    t.match(stderr, 'MQ_NOT_A_DATA_DIRECTORY')
  }
  t.notOk(existsSync(directory))
})

t.test('damage: verify names it, repair says what would go, then removes it', async (t) => {
  const directory = join(t.testdir(), 'data')
  await filled(directory)
  const sound = ledgermq('verify', directory)
  t.equal(sound.status, 0, sound.stderr)
  t.match(sound.stdout, `with ${MESSAGES} messages are sound`)

  flipMiddle(directory)
  await t.rejects(openQueue(directory), { code: 'MQ_CORRUPT' })
  const damaged = ledgermq('verify', directory)
  t.equal(damaged.status, 1)
  t.match(damaged.stdout, /DAMAGED: .*\.seg, byte \d+, from entry \d+ on/)

  const dry = ledgermq('repair', directory)
  t.equal(dry.status, 1)
  t.match(dry.stdout, /a repair would remove entry \d+ and all after it/)
  await t.rejects(openQueue(directory), { code: 'MQ_CORRUPT' })

  const done = ledgermq('repair', '--yes', directory)
  t.equal(done.status, 0, done.stderr)
  t.match(done.stdout, /kept aside: .*\.torn/)
  const queue = await openQueue(directory)
  const kept = queue.topics().find(({ name }) => name === 'orders')!.queues.reduce((sum, { maxOffset }) => sum + maxOffset, 0)
  await queue.close()
  t.ok(kept > 0 && kept < MESSAGES, `${kept} messages are left`)
  t.equal(ledgermq('verify', directory).status, 0)
})

t.test('a queue that has grown to a group and lost its state, too, is not taken for one that is alone', async (t) => {
  const directory = join(t.testdir(), 'data')
  await filled(directory)
  const engine = await Engine.open({ ...checkOpenOptions(directory, {}), directory })
  await engine.changeMembership({ transition: 'auto', steps: [{ type: 'addLearner', id: makeNodeId(1, 77) }] })
  await engine.close()
  rmSync(join(directory, 'state'), { recursive: true })
  rmSync(join(directory, 'base'), { recursive: true, force: true })
  rmSync(join(directory, 'applied'))
  flipMiddle(directory)
  const path = join(directory, 'log', readdirSync(join(directory, 'log')).find((file) => file.endsWith('.seg'))!)
  const bytes = readFileSync(path)
  const told = t.capture(console, 'log')
  t.equal(await repair(directory, true), 1)
  t.match(told().map(({ args }) => args[0]).at(-1), /of a group, as far as what is left here tells: nothing was removed/)
  t.ok(readFileSync(path).equals(bytes))
})

t.test('a sync mark that cannot be read: a repair that only looks leaves it, and so does one of a node of a group', async (t) => {
  const directory = join(t.testdir(), 'data')
  await filled(directory)
  const path = join(directory, 'log', 'mark')
  writeFileSync(path, readFileSync(path).fill(1))
  const unreadable = readFileSync(path)
  await t.rejects(openQueue(directory), { code: 'MQ_CORRUPT' })
  const told = t.capture(console, 'log')
  t.equal(await repair(directory, false), 1)
  t.match(told().map(({ args }) => args[0]), [/^damaged: .*mark/, /ledgermq repair --yes$/])
  t.ok(readFileSync(path).equals(unreadable))

  const disk = new NodeDisk()
  const identity = (await readIdentity(disk, directory))!
  rmSync(join(directory, 'state'), { recursive: true })
  await writeIdentity(disk, directory, { ...identity, founders: [1, makeNodeId(1, 1)] })
  t.equal(await repair(directory, true), 1)
  t.match(told().map(({ args }) => args[0]), [/^damaged: .*mark/, /of a group: nothing was removed/])
  t.ok(readFileSync(path).equals(unreadable))

  await writeIdentity(disk, directory, identity)
  t.equal(await repair(directory, true), 0)
  const queue = await openQueue(directory)
  t.equal(queue.topics().find(({ name }) => name === 'orders')!.queues.reduce((sum, { maxOffset }) => sum + maxOffset, 0), MESSAGES)
  await queue.close()
})
