import { join } from 'node:path'
import { isMqError, MqError, type Disk, type Logger } from '../base/index.ts'
import { readBaseFile, writeBaseFile, type Pair } from './base-file.ts'
import { checkpointMetaValue, type CheckpointMeta } from './checkpoint-meta.ts'

const SUFFIX = '.base'
const META_KEY = 'checkpoint'
/** The newest, and the one before it in case the newest rots. */
const KEPT = 2

/** A base dump in the directory. */
export interface Base {
  readonly index: number
  /** Where entry `index` ends in the log; 0 when the dump could not be read. */
  readonly position: number
  readonly path: string
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
  /** Newest first. */
  #bases: Base[] = []

  constructor ({ disk, logger, directory, groupSeed }: { readonly disk: Disk, readonly logger: Logger, readonly directory: string, readonly groupSeed: bigint }) {
    this.#disk = disk
    this.#logger = logger
    this.#directory = directory
    this.#groupSeed = groupSeed
  }

  get bases (): readonly Base[] { return this.#bases }

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
      if (first.done !== true) return { index, position: checkpointMetaValue.decode(...first.value).position, path }
    } catch (error) {
      if (!isMqError(error, 'MQ_CORRUPT')) throw error
      this.#logger.warn(error.message, { file: path })
    } finally {
      await pairs.return(undefined)
    }
    return { index, position: 0, path }
  }

  /** Writes a dump; when it resolves, the dump is durable and the older ones but one are gone. */
  async write (meta: CheckpointMeta, pairs: AsyncIterable<Pair>): Promise<void> {
    if (this.#bases[0]?.index === meta.index) return
    const path = join(this.#directory, `${String(meta.index).padStart(20, '0')}${SUFFIX}`)
    await writeBaseFile(this.#disk, `${path}.new`, this.#groupSeed, withMeta(meta, pairs))
    await this.#disk.rename(`${path}.new`, path)
    await this.#disk.syncDirectory(this.#directory)
    // Dumps of a later index are of a log whose tail was lost: this one's log has gone another way to them, or not there yet.
    const superfluous = [...this.#bases.filter(({ index }) => index > meta.index), ...this.#bases.filter(({ index }) => index < meta.index).slice(KEPT - 1)]
    this.#bases = [{ index: meta.index, position: meta.position, path }, ...this.#bases.filter((base) => !superfluous.includes(base))]
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

async function * withMeta (meta: CheckpointMeta, pairs: AsyncIterable<Pair>): AsyncGenerator<Pair> {
  yield [META_KEY, checkpointMetaValue.encode(meta)]
  yield * pairs
}
