import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Every file below `folder` of the repository with one of these endings, as paths with forward slashes from the root. */
export function filesBelow (folder: string, endings: readonly string[] = ['.ts']): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile() && endings.some((ending) => item.name.endsWith(ending)) && !/[/\\](node_modules|results)\b/.test(item.parentPath))
    .map((item) => relative(root, join(item.parentPath, item.name)).replaceAll('\\', '/'))
    .sort()
}

export function textOf (path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** What a source file imports or re-exports, types included, as written. */
export function importsOf (path: string): string[] {
  return ts.preProcessFile(textOf(path), true, true).importedFiles.map((file) => file.fileName)
}
