import { copyFile, cp, link, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { PowerPlaces } from './power-cut.ts'

/** A copy of the database's folder that is as of one moment, kept in the place of the one before. Tables never change: they are linked. */
export async function keepCopy ({ state, power }: PowerPlaces): Promise<void> {
  const [fresh, kept, old] = ['state.new', 'state.kept', 'state.old'].map((name) => join(power, name)) as [string, string, string]
  do {
    await rm(fresh, { recursive: true, force: true })
    await mkdir(fresh, { recursive: true })
  } while (!await maybeCopied(state, fresh))
  await rm(old, { recursive: true, force: true })
  if (existsSync(kept)) await rename(kept, old)
  await rename(fresh, kept)
}

/** False: the database has gone on to other files meanwhile. */
async function maybeCopied (from: string, to: string): Promise<boolean> {
  const before = await manifestOf(from)
  try {
    for (const name of await readdir(from)) {
      if (name === 'LOCK' || name.startsWith('LOG')) continue
      await (name.endsWith('.ldb') ? link : copyFile)(join(from, name), join(to, name))
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  return await manifestOf(from) === before
}

async function manifestOf (folder: string): Promise<string> {
  const name = (await readFile(join(folder, 'CURRENT'), 'latin1')).trim()
  return `${name} ${(await readFile(join(folder, name))).toString('base64')} ${(await readdir(folder)).sort().join()}`
}

/** The folder is again what it was when it was copied last; gone when it never was. */
export async function goBackToCopy ({ state, power }: PowerPlaces): Promise<void> {
  await rm(state, { recursive: true, force: true })
  const copy = ['state.kept', 'state.old'].map((name) => join(power, name)).find((folder) => existsSync(folder))
  if (copy !== undefined) await cp(copy, state, { recursive: true })
}
