import { readFile } from 'node:fs/promises'
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
