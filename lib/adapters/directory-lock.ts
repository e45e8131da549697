import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { LevelKv } from './level-kv.ts'

/**
 * Keeps a second process out of a directory: an empty LevelDB beside the data, for the sake of its LOCK, which is held
 * from the first moment of an open and dies with the process. It is made anew each time, so no damage can stick to it.
 */
export class DirectoryLock {
  readonly #directory: string
  #database: { close (): Promise<void> } | undefined

  constructor (directory: string) {
    this.#directory = directory
  }

  /** @throws MQ_LOCKED another process, or another queue of this one, holds it */
  async take (): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    for (const name of await readdir(this.#directory)) {
      // of a holder these are open files with nothing in them that anybody reads
      if (name !== 'LOCK') await rm(join(this.#directory, name), { recursive: true, force: true })
    }
    this.#database = await new LevelKv(this.#directory).open()
  }

  async release (): Promise<void> {
    await this.#database?.close()
    this.#database = undefined
  }
}

/** For data in memory, which nobody else can reach. */
export const noLock = { async take () {}, async release () {} }
