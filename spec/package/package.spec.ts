import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { install, pack, root, run, runBin } from './packed.ts'

/** Outside the repository: inside it, the name `ledgermq` would mean the repository itself. */
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ledgermq-package-')))
t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
const packed = pack(folder)
const home = install(packed, folder)

/** The first block of README.md in that language. */
function example (language: string): string {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  return new RegExp('```' + language + '\\n([^]*?)```').exec(text)![1]!
}

let folders = 0
/** An empty folder below the one the package is installed in. */
function emptyFolder (): string {
  const path = join(home, `run-${folders++}`)
  mkdirSync(path)
  return path
}

const canRequire = 'require_module' in process.features && process.features.require_module === true

t.test('the tarball is small and holds what is meant for users', async (t) => {
  t.ok(packed.sizeBytes < 1_000_000, `${packed.sizeBytes} bytes`)
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'docs/guarantees.md']) t.ok(packed.files.includes(file), file)
  t.same(packed.files.filter((file) => !/^(dist|docs)\/|^[A-Z]+(\.md)?$|^package\.json$/.test(file)), [])
})

t.test('the first example of README.md runs as pasted', async (t) => {
  const code = example('js')
  const required = code.replace('await import("ledgermq")', 'require("ledgermq")')
  t.not(required, code, 'the example says how to require')
  t.equal(run(process.execPath, ['-p', 'require.resolve("ledgermq")'], home).trim(), join(home, 'node_modules', 'ledgermq', 'dist', 'index.js'), 'it is the tarball that runs')
  t.notMatch(code, /'/, 'it can stand between single quotes on a command line')
  const ways: Array<[string, string, string]> = [
    ['node -e', '-e', code],
    ['an .mjs file', 'example.mjs', code],
    ['a .cjs file', 'example.cjs', code]
  ]
  if (canRequire) ways.push(['node -e, required', '-e', required], ['a .cjs file, required', 'example.cjs', required])
  for (const [name, how, text] of ways) {
    const cwd = emptyFolder()
    if (how !== '-e') writeFileSync(join(cwd, how), text)
    const { status, stdout, stderr } = spawnSync(process.execPath, how === '-e' ? ['-e', text] : [how], { cwd, env: { ...process.env, NODE_OPTIONS: '' }, timeout: 20_000, encoding: 'utf8' })
    t.equal(status, 0, `${name}: exit status; ${stderr}`)
    t.match(stdout, 'user-7 { to: \'a@b.c\' }', name)
    t.equal(stderr.split('\n').filter((line) => line !== '' && !/ExperimentalWarning|--trace-warnings/.test(line)).join('\n'), '', `${name}: says nothing else`)
  }
})

t.test('the TypeScript example compiles, with the declarations of the package checked', async (t) => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'example.ts'), example('ts'))
  const options = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--types', 'node', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false']
  writeFileSync(join(cwd, 'package.json'), '{"type":"module"}')
  const result = spawnSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...options, 'example.ts'], { cwd, encoding: 'utf8' })
  t.equal(result.stdout, '')
  t.equal(result.status, 0)
})

t.test('publint and attw find nothing', async (t) => {
  t.doesNotThrow(() => runBin('publint', ['run', packed.tarball, '--strict', '--pack', 'false'], home))
  t.doesNotThrow(() => runBin('attw', [packed.tarball, '--profile', 'esm-only'], home))
})

t.test('the command is there and says what it is', async (t) => {
  const main = join(home, 'node_modules', 'ledgermq', 'dist', 'cli', 'main.js')
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  t.equal(run(process.execPath, [main, '--version'], home).trim(), version)
  const help = run(process.execPath, [main, '--help'], home)
  for (const command of ['stats', 'verify', 'repair']) t.match(help, command)
})
