import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import ts from 'typescript'
import { repositoryRoot } from './child.ts'

/**
 * Turns one TypeScript program into JavaScript beside the results and returns its path. For processes whose memory is
 * measured: a TypeScript loader inside them would count. The program imports nothing but packages and Node.js itself.
 */
export async function standalone (program: string): Promise<string> {
  const folder = join(repositoryRoot, 'bench', 'results', 'standalone')
  await mkdir(folder, { recursive: true })
  const { outputText } = ts.transpileModule(await readFile(program, 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
  })
  const path = join(folder, basename(program, '.ts') + '.mjs')
  await writeFile(path, outputText)
  return path
}
