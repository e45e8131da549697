import { readFile, writeFile } from 'node:fs/promises'
import { compiled, compiledPath } from './compiled.ts'
import type { Mutant } from './mutants.ts'

/** The changed texts by file below lib/. @throws a text is not there exactly once: the code has changed, look at the mutant again */
export async function editedFiles (root: string, { rule, name, edits }: Mutant): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const { file, text, by } of edits) {
    const before = files.get(file) ?? await readFile(`${root}/lib/${file}`, 'utf8')
    const times = before.split(text).length - 1
    if (times !== 1) throw new Error(`rule ${rule}, '${name}': lib/${file} holds ${times} times\n${text}`)
    files.set(file, before.replace(text, () => by))
  }
  return files
}

/** Puts the bug into what is compiled in `directory`. @throws as `editedFiles` */
export async function plant (root: string, mutant: Mutant, directory: string): Promise<void> {
  for (const [file, text] of await editedFiles(root, mutant)) await writeFile(`${directory}/lib/${compiledPath(file)}`, compiled(text))
}
