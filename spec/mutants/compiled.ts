import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import ts from 'typescript'

const OPTIONS: ts.CompilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true }

/** What node runs of a source file. Types are not looked at. */
export function compiled (source: string): string { return ts.transpileModule(source, { compilerOptions: OPTIONS }).outputText }

export function compiledPath (path: string): string { return path.replace(/\.ts$/, '.js') }

/** Compiles all sources of those folders below `root`, but for specs, to the same places below `into`. */
export async function compileBelow (root: string, folders: readonly string[], into: string): Promise<void> {
  for (const folder of folders) {
    for (const path of await readdir(`${root}/${folder}`, { recursive: true })) {
      if (!path.endsWith('.ts') || path.endsWith('.spec.ts')) continue
      const to = `${into}/${folder}/${compiledPath(path)}`
      await mkdir(dirname(to), { recursive: true })
      await writeFile(to, compiled(await readFile(`${root}/${folder}/${path}`, 'utf8')))
    }
  }
}
