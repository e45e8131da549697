import { rm } from 'node:fs/promises'
import { Level } from 'level'
import { MemoryLevel } from 'memory-level'
import type { AbstractLevel } from 'abstract-level'
import { MqError } from '../base/index.ts'

type Database = AbstractLevel<any, string, Buffer>

const encodings = { keyEncoding: 'utf8', valueEncoding: 'buffer' } as const

/** The store keeps what it reads often itself. */
const CACHE_BYTES = 2 * 1024 * 1024
/** Writes come as a batch per checkpoint; two buffers of this size can be in memory. */
const WRITE_BUFFER_BYTES = 2 * 1024 * 1024
/** LevelDB maps its files into memory, where what was read of them stays while they are open: the fewer and smaller these, the less that is. */
const FILE_BYTES = 1024 * 1024
const OPEN_FILES = 74

/** Troubles of the machine, not of the files: opening again may do. */
const full = /no space left|quota exceeded/i
const passing = /too many open files|permission denied|input\/output error|read-only/i

/**
 * LevelDB in a directory of its own. Its LOCK file keeps a second process out and dies with the process.
 * @throws (open) MQ_LOCKED another process, or another store of this one, has it open; MQ_DISK_ROOM the disk is
 * full; MQ_IO the machine has no permission or no more handles for it. What is left says that the files are damaged.
 */
export class LevelKv {
  readonly #directory: string

  constructor (directory: string) {
    this.#directory = directory
  }

  async open (): Promise<Database> {
    const db = new Level<string, Buffer>(this.#directory, { ...encodings, createIfMissing: true, cacheSize: CACHE_BYTES, writeBufferSize: WRITE_BUFFER_BYTES, maxFileSize: FILE_BYTES, maxOpenFiles: OPEN_FILES })
    try {
      await db.open()
    } catch (error) {
      await db.close().catch(() => {})
      const cause = error instanceof Error ? error.cause as { code?: string } | undefined : undefined
      if (cause?.code === 'LEVEL_LOCKED') throw new MqError('MQ_LOCKED', `${this.#directory} is open in another process`, { cause })
      if (cause instanceof Error && full.test(cause.message)) throw new MqError('MQ_DISK_ROOM', `there is no room to open ${this.#directory}: ${cause.message}`, { cause })
      if (cause instanceof Error && passing.test(cause.message)) throw new MqError('MQ_IO', `${this.#directory} cannot be opened: ${cause.message}`, { cause, outcome: 'not-applied' })
      throw error
    }
    return db as unknown as Database
  }

  async destroy (): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** A database in memory; it outlives `close`, so a store can be opened again on it while this object lives. */
export class MemoryKv {
  #db: MemoryLevel<string, Buffer> | undefined

  async open (): Promise<Database> {
    const db = this.#db ??= new MemoryLevel<string, Buffer>({ ...encodings, storeEncoding: 'buffer' })
    await db.open()
    return db as unknown as Database
  }

  async destroy (): Promise<void> {
    await this.#db?.close()
    this.#db = undefined
  }
}
