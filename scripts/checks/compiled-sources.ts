import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runStep, type StepResult } from './run-step.ts'

/** Where all sources are compiled to once, so that no spec file and none of its child processes has to. */
export const compiledDirectory = resolve('build', 'sources')

/** @param path of a source, from the root of the repository */
export function compiledPath (path: string): string {
  return join(compiledDirectory, path.replace(/\.ts$/, '.js'))
}

/** Compiles all sources, with their types checked. Where a file asks for its own place, it is told that of its source: files that belong to it lie there. */
export async function compileSources (limitMs: number): Promise<StepResult> {
  const root = pathToFileURL('.').href
  const result = await runStep({
    command: ['node_modules/.bin/tsc', '-p', 'tsconfig.json', '--noEmit', 'false', '--outDir', compiledDirectory, '--inlineSourceMap', '--sourceRoot', `${root}/`],
    limitMs
  })
  for (const name of result.exitCode === 0 ? readdirSync(compiledDirectory, { recursive: true, encoding: 'utf8' }) : []) {
    if (!name.endsWith('.js')) continue
    const file = join(compiledDirectory, name)
    const text = readFileSync(file, 'utf8')
    const source = `${root}/${name.replaceAll('\\', '/').replace(/\.js$/, '.ts')}`
    if (text.includes('import.meta.url')) writeFileSync(file, text.replaceAll('import.meta.url', JSON.stringify(source)))
  }
  return result
}
