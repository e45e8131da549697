import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/**
 * The one name of a directory, which need not exist yet: absolute, so that it stays the same directory when the process
 * changes its own, and without symbolic links, so that two ways to it meet at one lock.
 */
export async function realDirectory (path: string): Promise<string> {
  const absolute = resolve(path)
  try {
    return await realpath(absolute)
  } catch (error) {
    const parent = dirname(absolute)
    // what else is wrong with the path is told by who makes or opens it
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === absolute) return absolute
    return join(await realDirectory(parent), basename(absolute))
  }
}
