import { dirname } from 'node:path'
import { ensureDirectory, isMqError, MqError, replaceFile, type Disk } from '../base/index.ts'
import { encodeJson, jsonLimits, jsonMap, jsonText, parseJson } from '../message/index.ts'

/** Where `updateOrderConf` of the tools keeps `broker-a:8;broker-b:8` per ordered topic. @see RocketMQ NamesrvUtil */
export const ORDER_TOPIC_CONFIG = 'ORDER_TOPIC_CONFIG'

type Table = ReadonlyMap<string, ReadonlyMap<string, string>>
/** Makes the next table of one. */
type Change = (table: Table) => Table

interface PendingChange {
  readonly change: Change
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export interface KvConfigOptions {
  readonly disk: Disk
  /** The file; undefined: the table lives in memory only. */
  readonly path: string | undefined
  readonly maxBytes: number
}

/**
 * Values under namespace and key that tools put on a name server. The file is RocketMQ's: `{"configTable":{"NAMESPACE":{"KEY":"VALUE"}}}`.
 * It is written as a whole beside the old one, synced and renamed; a change is visible, and its promise resolves, when it is
 * durable. Changes that wait while the file is written share the next write.
 * @see RocketMQ KVConfigManager. Divergence: there a change that could not be written is acknowledged all the same.
 */
export class KvConfig {
  readonly #disk: Disk
  readonly #path: string | undefined
  readonly #maxBytes: number
  #table: Table
  #pending: PendingChange[] = []
  #writing: Promise<void> | undefined

  private constructor ({ disk, path, maxBytes }: KvConfigOptions, table: Table) {
    this.#disk = disk
    this.#path = path
    this.#maxBytes = maxBytes
    this.#table = table
  }

  /** @throws MQ_CORRUPT the file is not one of these */
  static async open (options: KvConfigOptions): Promise<KvConfig> {
    const bytes = options.path === undefined ? undefined : await options.disk.readFile(options.path)
    return new KvConfig(options, bytes === undefined ? new Map() : readTable(bytes, options.path!))
  }

  get (namespace: string, key: string): string | undefined { return this.#table.get(namespace)?.get(key) }

  /** Undefined: nothing was ever put there. */
  list (namespace: string): ReadonlyMap<string, string> | undefined { return this.#table.get(namespace) }

  /**
   * @throws MQ_INVALID_ARGUMENT the table would grow beyond its bound
   * @throws MQ_IO the file could not be written
   */
  async put (namespace: string, key: string, value: string): Promise<void> {
    await this.#apply((table) => new Map(table).set(namespace, new Map(table.get(namespace)).set(key, value)))
  }

  /** Fine when there is no such key. @throws MQ_IO the file could not be written */
  async delete (namespace: string, key: string): Promise<void> {
    await this.#apply((table) => {
      if (table.get(namespace)?.has(key) !== true) return table
      const keys = new Map(table.get(namespace))
      keys.delete(key)
      return new Map(table).set(namespace, keys)
    })
  }

  /** Resolves when no change is under way. */
  async close (): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  async #apply (change: Change): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ change, resolve, reject })
      this.#writing ??= this.#writeAll()
    })
  }

  async #writeAll (): Promise<void> {
    while (this.#pending.length > 0) {
      const pending = this.#pending
      this.#pending = []
      await this.#write(pending)
    }
    this.#writing = undefined
  }

  async #write (pending: readonly PendingChange[]): Promise<void> {
    let next = this.#table
    const taken: PendingChange[] = []
    for (const item of pending) {
      const table = item.change(next)
      if (table !== next && sizeOf(table) > this.#maxBytes && sizeOf(table) > sizeOf(next)) {
        item.reject(new MqError('MQ_INVALID_ARGUMENT', `the key-value table would be larger than ${this.#maxBytes} bytes`))
        continue
      }
      next = table
      taken.push(item)
    }
    try {
      if (next !== this.#table && this.#path !== undefined) await this.#save(this.#path, next)
      this.#table = next
      for (const { resolve } of taken) resolve()
    } catch (cause) {
      for (const { reject } of taken) reject(new MqError('MQ_IO', `${this.#path} could not be written: ${String(cause)}`, { cause }))
    }
  }

  async #save (path: string, table: Table): Promise<void> {
    await ensureDirectory(this.#disk, dirname(path))
    await replaceFile(this.#disk, path, encodeTable(table))
  }
}

function encodeTable (table: Table): Uint8Array {
  return encodeJson({ configTable: table })
}

function sizeOf (table: Table): number {
  return encodeTable(table).length
}

function readTable (bytes: Uint8Array, file: string): Table {
  try {
    const table = jsonMap(jsonMap(parseJson(bytes, jsonLimits))?.get('configTable'))
    if (table === undefined) throw new MqError('MQ_INVALID_ARGUMENT', 'it has no configTable')
    return new Map([...table].map(([namespace, keys]) => [String(namespace), readKeys(jsonMap(keys))]))
  } catch (cause) {
    throw new MqError('MQ_CORRUPT', `${file} is no key-value table of a name server (${isMqError(cause) ? cause.message : String(cause)}); restore or remove it`, { cause, file, position: 0 })
  }
}

function readKeys (keys: ReadonlyMap<unknown, unknown> | undefined): Map<string, string> {
  return new Map([...keys ?? []].map(([key, value]) => [String(key), jsonText(value as string) ?? '']))
}
