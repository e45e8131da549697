import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { openQueue } from '../../lib/index.ts'
import { repositoryRoot } from './child.ts'

export type Queue = Awaited<ReturnType<typeof openQueue<Record<string, any>>>>

/** Opens a queue with the built package, found by its own name: what is measured is what users run. */
export const openBuiltQueue: typeof openQueue<Record<string, any>> = async (directory, options) => {
  const self: string = 'ledgermq'
  const built = await import(self) as { readonly openQueue: typeof openQueue }
  return built.openQueue(directory, options)
}

/** Compiles lib/ to dist/. @throws Error it does not compile; the compiler has said why */
export function buildPackage (): void {
  const compiler = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: repositoryRoot, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('the package does not build')
}
