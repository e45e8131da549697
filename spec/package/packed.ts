import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const modules = join(root, 'node_modules')

export interface Packed {
  readonly tarball: string
  readonly sizeBytes: number
  readonly files: readonly string[]
}

/** Runs a program and returns its standard output. @throws Error with all it said, when it fails */
export function run (program: string, args: readonly string[], cwd: string): string {
  return execFileSync(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } }).toString()
}

export function runBin (name: string, args: readonly string[], cwd: string): string {
  return run(process.execPath, [join(modules, '.bin', name), ...args], cwd)
}

/** Packs the sources as they are now, built apart from dist/, or what scripts/test has just built of them: nothing old gets in, and nobody else's build is touched. */
export function pack (folder: string): Packed {
  const stage = join(folder, 'stage')
  mkdirSync(stage, { recursive: true })
  for (const name of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'ARCHITECTURE.md', 'docs']) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(stage, name), { recursive: true })
  }
  if (process.env.LEDGERMQ_BUILT === undefined) runBin('tsc', ['-p', 'tsconfig.build.json', '--outDir', join(stage, 'dist')], root)
  else copyBuilt(stage)
  const [report] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder], stage)) as [{ filename: string, size: number, files: Array<{ path: string }> }]
  return { tarball: join(folder, report.filename), sizeBytes: report.size, files: report.files.map(({ path }) => path) }
}

/** What dist/ has of each source. */
function copyBuilt (stage: string): void {
  for (const source of readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })) {
    if (!source.endsWith('.ts')) continue
    for (const made of ['.js', '.d.ts']) {
      const file = join('dist', source.replace(/\.ts$/, made))
      cpSync(join(root, file), join(stage, file))
    }
  }
}

/** An otherwise empty folder with the package in its node_modules, and its dependencies linked from the ones installed here. */
export function install ({ tarball }: Packed, folder: string): string {
  const home = join(folder, 'home')
  const target = join(home, 'node_modules', 'ledgermq')
  mkdirSync(target, { recursive: true })
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', target], home)
  for (const name of readdirSync(modules)) {
    if (name.startsWith('.') || name === 'ledgermq' || name === '@types') continue
    symlinkSync(join(modules, name), join(home, 'node_modules', name), 'junction')
  }
  mkdirSync(join(home, 'node_modules', '@types'))
  symlinkSync(join(modules, '@types', 'node'), join(home, 'node_modules', '@types', 'node'), 'junction')
  return home
}
