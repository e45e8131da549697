import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { linesOf } from './lines.ts'

/** One file of the job. Its name is the key of its messages, so that its lines stay in order. */
export interface InputFile {
  readonly name: string
  readonly path: string
  readonly lines: number
  /** SHA-256 of the whole file, as hex. */
  readonly digest: string
}

/** The largest body the job's queue takes. */
export const MAX_LINE_BYTES = 32 * 1024 * 1024

/** Real text that every checkout has after the install: the declarations and sources of the TypeScript compiler. */
export async function defaultPaths (root: string): Promise<string[]> {
  const folder = join(root, 'node_modules', 'typescript')
  const items = await readdir(folder, { recursive: true, withFileTypes: true })
  return items
    .filter((item) => item.isFile() && /(\.d\.ts|\.js)$/.test(item.name))
    .map((item) => join(item.parentPath, item.name).slice(root.length + 1))
    .sort()
}

/** Standard input can be read only once and must outlive a killed process, so it is kept in a file first. */
export async function keepStandardInput (folder: string): Promise<string> {
  const path = join(folder, 'standard-input')
  await pipeline(process.stdin, createWriteStream(path))
  return path
}

/** Reads every file once, for its lines and its digest. @throws Error what is wrong with a file, in words */
export async function examine (files: ReadonlyArray<{ readonly name: string, readonly path: string }>, base: string): Promise<InputFile[]> {
  const examined = new Map<string, InputFile>()
  for (const { name, path: given } of files) {
    const path = resolve(base, given)
    if (examined.has(name)) continue
    const facts = await stat(path).catch((error: NodeJS.ErrnoException) => { throw new Error(`cannot read ${name}: ${error.code ?? error.message}`) })
    if (!facts.isFile()) throw new Error(`${name} is not a file`)
    const hash = createHash('sha256')
    let lines = 0
    for await (const group of linesOf(path)) {
      for (const line of group) {
        if (line.length > MAX_LINE_BYTES) throw new Error(`line ${lines + 1} of ${name} has ${line.length} bytes; a message takes up to ${MAX_LINE_BYTES}`)
        hash.update(line)
        lines++
      }
    }
    examined.set(name, { name, path, lines, digest: hash.digest('hex') })
  }
  return [...examined.values()]
}
