import { join } from 'node:path'
import { diskErrorCode, isMqError, MqError, type Disk, type Logger } from '../base/index.ts'
import { readBaseFile, writeBaseFile, type Pair } from './base-file.ts'
import { checkpointMetaValue, type CheckpointMeta } from './checkpoint-meta.ts'

const SUFFIX = '.base'
const META_KEY = 'checkpoint'
/** Room is looked at after so many bytes. */
const LOOK_BYTES = 1024 * 1024
/** The newest, and the one before it in case the newest rots. */
const KEPT = 2

export interface BaseDumpsOptions {
  readonly disk: Disk
  readonly logger: Logger
  readonly directory: string
  readonly groupSeed: bigint
  /** Of the file system; half of it is left by a dump to all else that is written. */
  readonly reserveBytes?: number | undefined
}

/** A base dump in the directory. */
export interface Base {
  readonly index: number
  /** Where entry `index` ends in the log; 0 when the dump could not be read. */
  readonly position: number
  readonly path: string
  /** Undefined when the dump could not be read. */
  readonly meta: CheckpointMeta | undefined
}

/**
 * Base dumps: the machines' state at an entry, in files beside the log. With one of them and the log after it the store
 * can be rebuilt, also when the log's head is gone.
 */
export class BaseDumps {
  readonly #disk: Disk
  readonly #logger: Logger
  readonly #directory: string
  readonly #groupSeed: bigint
  readonly #leftBytes: number
  /** Newest first. */
  #bases: Base[] = []
  /** How often each is held, by index. */
  readonly #holds = new Map<number, number>()

  constructor ({ disk, logger, directory, groupSeed, reserveBytes = 0 }: BaseDumpsOptions) {
    this.#disk = disk
    this.#logger = logger
    this.#directory = directory
    this.#groupSeed = groupSeed
    this.#leftBytes = reserveBytes / 2
  }

  get bases (): readonly Base[] { return this.#bases }
  /** Those that stay, without what is only held for somebody. */
  get kept (): readonly Base[] { return this.#bases.slice(0, KEPT) }

  /** Finds the dumps that are there; what an interrupted write left is removed. */
  async open (): Promise<void> {
    await this.#disk.makeDirectory(this.#directory)
    for (const { name } of await this.#disk.list(this.#directory) ?? []) {
      if (name.endsWith('.new')) await this.#disk.unlink(join(this.#directory, name))
      else if (/^\d{20}\.base$/.test(name)) this.#bases.push(await this.#look(join(this.#directory, name), Number(name.slice(0, -SUFFIX.length))))
    }
    this.#bases.sort((a, b) => b.index - a.index)
  }

  async #look (path: string, index: number): Promise<Base> {
    const pairs = readBaseFile(this.#disk, path, this.#groupSeed)
    try {
      const first = await pairs.next()
      if (first.done !== true) {
        const meta = checkpointMetaValue.decode(...first.value)
        return { index, position: meta.position, path, meta }
      }
    } catch (error) {
      if (!isMqError(error, 'MQ_CORRUPT')) throw error
      this.#logger.warn(error.message, { file: path })
    } finally {
      await pairs.return(undefined)
    }
    return { index, position: 0, path, meta: undefined }
  }

  /**
   * Writes a dump, unless it is not wanted any more before it is whole, or there is no room for it. Resolves with true when it is
   * durable and the older ones but one are gone. One at a time.
   */
  async write (meta: CheckpointMeta, pairs: AsyncIterable<Pair>, isWanted: () => boolean): Promise<boolean> {
    if (this.#bases[0]?.index === meta.index) return true
    const path = join(this.#directory, `${String(meta.index).padStart(20, '0')}${SUFFIX}`)
    if (!await this.#hasWritten(`${path}.new`, whileWanted(withMeta(meta, pairs), isWanted))) return false
    if (!isWanted()) {
      await this.#disk.unlink(`${path}.new`)
      return false
    }
    await this.#disk.rename(`${path}.new`, path)
    await this.#disk.syncDirectory(this.#directory)
    // Dumps of a later index are of a log whose tail was lost: this one's log has gone another way to them, or not there yet.
    const later = this.#bases.filter(({ index }) => index > meta.index)
    this.#bases = [{ index: meta.index, position: meta.position, path, meta }, ...this.#bases.filter((base) => !later.includes(base))]
    for (const { path } of later) await this.#disk.unlink(path)
    await this.#dropOld()
    return true
  }

  /** False: there was no room for it. Nobody knows of the file yet, so nothing else is lost. */
  async #hasWritten (path: string, pairs: AsyncIterable<Pair>): Promise<boolean> {
    try {
      await writeBaseFile(this.#disk, path, this.#groupSeed, this.#leftBytes > 0 ? this.#whileThereIsRoom(pairs) : pairs)
      return true
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOSPC' && !isMqError(error, 'MQ_DISK_ROOM')) throw error
      this.#logger.warn(`there is no room for a base dump: ${(error as Error).message}`, { file: path })
    }
    try {
      await this.#disk.unlink(path)
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOENT') throw error
    }
    return false
  }

  /** What is left of the disk is half of the reserve, or of what is there when that is less: a small dump gives more room than it takes. */
  async * #whileThereIsRoom (pairs: AsyncIterable<Pair>): AsyncGenerator<Pair> {
    let leftBytes: number | undefined
    let unseenBytes = LOOK_BYTES
    for await (const pair of pairs) {
      unseenBytes += pair[0].length + pair[1].length
      if (unseenBytes >= LOOK_BYTES) {
        // the log says when it is unknown
        const { freeBytes } = await this.#disk.room(this.#directory).catch(() => ({ freeBytes: Infinity }))
        leftBytes ??= Math.min(this.#leftBytes, freeBytes / 2)
        if (freeBytes < leftBytes) throw new MqError('MQ_DISK_ROOM', `it would leave less than ${leftBytes} bytes`)
        unseenBytes = 0
      }
      yield pair
    }
  }

  /** Keeps the dump until the function returned is called, however many newer ones come. */
  hold (index: number): () => void {
    this.#holds.set(index, (this.#holds.get(index) ?? 0) + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      const count = this.#holds.get(index)! - 1
      if (count > 0) this.#holds.set(index, count)
      else this.#holds.delete(index)
    }
  }

  async #dropOld (): Promise<void> {
    const superfluous = this.#bases.slice(KEPT).filter(({ index }) => !this.#holds.has(index))
    this.#bases = this.#bases.filter((base) => !superfluous.includes(base))
    for (const { path } of superfluous) await this.#disk.unlink(path)
  }

  /** The newest dump that `fits` and is whole: all of it was read once. Damaged ones are reported. */
  async newestWhole (fits: (base: Base) => boolean): Promise<Base | undefined> {
    for (const base of this.#bases.filter(fits)) {
      try {
        await this.read(base, () => {})
        return base
      } catch (error) {
        if (!isMqError(error, 'MQ_CORRUPT')) throw error
        this.#logger.error(error.message, { file: base.path })
      }
    }
    return undefined
  }

  /** Its state: `onPair` gets every value, machine by machine in key order. */
  async read (base: Base, onPair: (key: string, value: Uint8Array) => void | Promise<void>): Promise<CheckpointMeta> {
    let meta: CheckpointMeta | undefined
    for await (const [key, value] of readBaseFile(this.#disk, base.path, this.#groupSeed)) {
      if (meta === undefined) meta = checkpointMetaValue.decode(key, value)
      else await onPair(key, value)
    }
    if (meta === undefined) throw new MqError('MQ_CORRUPT', `base dump ${base.path} is empty`, { file: base.path })
    return meta
  }
}

/**
 * Reads all of a base dump, and tells what it is the state of.
 * @throws MQ_CORRUPT it is damaged, or of another group; MQ_FORMAT_TOO_NEW
 */
export async function verifyBaseFile (disk: Disk, path: string, groupSeed: bigint): Promise<CheckpointMeta> {
  let meta: CheckpointMeta | undefined
  for await (const [key, value] of readBaseFile(disk, path, groupSeed)) meta ??= checkpointMetaValue.decode(key, value)
  if (meta === undefined) throw new MqError('MQ_CORRUPT', `base dump ${path} is empty`, { file: path })
  return meta
}

async function * whileWanted (pairs: AsyncIterable<Pair>, isWanted: () => boolean): AsyncGenerator<Pair> {
  for await (const pair of pairs) {
    if (!isWanted()) return
    yield pair
  }
}

async function * withMeta (meta: CheckpointMeta, pairs: AsyncIterable<Pair>): AsyncGenerator<Pair> {
  yield [META_KEY, checkpointMetaValue.encode(meta)]
  yield * pairs
}
