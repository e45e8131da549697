import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

const OPTIONS: ts.CompilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true }

/** What node runs of a source file. Types are not looked at. */
export function compiled (source: string): string { return ts.transpileModule(source, { compilerOptions: OPTIONS }).outputText }

export function compiledPath (path: string): string { return path.replace(/\.ts$/, '.js') }

/** Compiles all sources of those folders below `root` to the same places below `into`. Specs are told that they lie where their sources do: files that belong to them lie there. */
export async function compileBelow (root: string, folders: readonly string[], into: string): Promise<void> {
  for (const folder of folders) {
    for (const path of await readdir(`${root}/${folder}`, { recursive: true })) {
      if (!path.endsWith('.ts')) continue
      const from = `${root}/${folder}/${path}`
      const to = `${into}/${folder}/${compiledPath(path)}`
      const text = compiled(await readFile(from, 'utf8'))
      await mkdir(dirname(to), { recursive: true })
      await writeFile(to, path.endsWith('.spec.ts') ? text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(from).href)) : text)
    }
  }
}
