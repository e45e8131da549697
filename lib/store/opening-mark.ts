import { dirname } from 'node:path'
import type { Disk } from '../base/index.ts'

/**
 * A file that is there while the state store is being opened, and from the moment a damaged value was met until the
 * next start. A database that aborts the process when it is opened is thus met once, and rebuilt at the next start.
 */
export class OpeningMark {
  readonly #disk: Disk
  readonly #path: string
  #isSet = false

  constructor (disk: Disk, path: string) {
    this.#disk = disk
    this.#path = path
  }

  async isSet (): Promise<boolean> {
    this.#isSet = await this.#disk.readFile(this.#path) !== undefined
    return this.#isSet
  }

  async set (): Promise<void> {
    if (this.#isSet) return
    const file = await this.#disk.open(this.#path, { create: true })
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#disk.syncDirectory(dirname(this.#path))
    this.#isSet = true
  }

  async clear (): Promise<void> {
    if (!this.#isSet) return
    await this.#disk.unlink(this.#path)
    await this.#disk.syncDirectory(dirname(this.#path))
    this.#isSet = false
  }
}
