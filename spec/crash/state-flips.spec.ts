import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { childProgram } from '../support/child-program.ts'

t.setTimeout(300_000)

interface Finding { readonly outcome: string, readonly contents?: string, readonly code?: string, readonly message?: string }

const flipsPerFile = Number(process.env.FLIPS ?? 3)
const child = childProgram('spec/crash/state-flips-child.ts')

/** The child's last line; undefined when it died before it had one. */
function run (...args: string[]): Promise<Finding | undefined> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...child, ...args], (_error, stdout) => {
      const line = stdout.trim().split('\n').at(-1) ?? ''
      resolve(line === '' ? undefined : JSON.parse(line) as Finding)
    })
  })
}

async function filesBelow (directory: string): Promise<Array<{ name: string, sizeBytes: number }>> {
  const files = []
  for (const folder of ['state', 'base', '']) {
    for (const item of await readdir(join(directory, folder), { withFileTypes: true })) {
      if (!item.isFile() || (folder === '' && item.name !== 'applied')) continue
      const name = join(folder, item.name)
      files.push({ name, sizeBytes: (await stat(join(directory, name))).size })
    }
  }
  return files.sort((a, b) => a.name < b.name ? -1 : 1)
}

t.test('a bit flipped in each file of the state, one process per flip: the right state, a rebuild or a refusal; never a wrong, missing or older value', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ledgermq-flips-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const pristine = join(directory, 'pristine')
  await run('make', pristine)
  const files = await filesBelow(pristine)
  for (const kind of [/^state\/.*\.log$/, /^state\/.*\.ldb$/, /^state\/MANIFEST/, /^state\/CURRENT$/, /^base\//, /^applied$/]) t.ok(files.some(({ name }) => kind.test(name)), `there is a file like ${kind.source}`)
  const right = await run('look', pristine, join(directory, 'right'), '', '0', '0')
  t.match(right, { outcome: 'right' })

  const flips = files.flatMap(({ name, sizeBytes }) => {
    const count = Math.min(flipsPerFile, sizeBytes)
    return Array.from({ length: count }, (_, i) => ({ name, byte: Math.floor((i + 0.43) * sizeBytes / count), bit: (i * 3 + name.length) % 8 }))
  })
  const outcomes: Record<string, number> = {}
  const flip = async (work: string, { name, byte, bit }: typeof flips[number]): Promise<void> => {
    let found = await run('look', pristine, work, name, String(byte), String(bit))
    const outcome = found?.outcome ?? 'died'
    // The process may die of it once: the next start must find its way.
    found ??= await run('open', work)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    const what = `${name}, byte ${byte}, bit ${bit}: ${outcome}`
    if (found === undefined) t.fail(`${what}, and again`)
    else if (found.outcome === 'refused') t.equal(found.code, 'MQ_CORRUPT', `${what}: ${found.message}`)
    else if (found.contents !== right?.contents) t.fail(`${what}: the queue holds something else`)
  }
  const next = flips.values()
  await Promise.all(['one', 'two'].map(async (work) => { for (const each of next) await flip(join(directory, work), each) }))
  t.comment(`${flips.length} flips in ${files.length} files: ${JSON.stringify(outcomes)}`)
  t.ok((outcomes.rebuilt ?? 0) > 0, 'some lead to a rebuild')
})
