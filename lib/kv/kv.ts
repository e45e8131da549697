import type { AbstractLevel } from 'abstract-level'
import { hash64, isMqError, MqError } from '../base/index.ts'

/** The database below: any abstract-level with string keys and Buffer values (`level` on disk, `memory-level`). */
export type Database = AbstractLevel<any, string, Buffer>

/** Gives the database, opened, and can remove it whole. Implemented in adapters/. */
export interface DatabaseOpener {
  /** The database, open. Rejects when another process has it, or when it cannot be read. */
  open (): Promise<Database>
  /** Removes the database; it is not open. Fine when there is none. */
  destroy (): Promise<void>
}

export interface KeyRange {
  readonly gte: string
  readonly lt: string
}

/** `value: undefined` removes the key. */
export interface Change {
  readonly key: string
  readonly value: Uint8Array | undefined
}

const CHECKSUM_BYTES = 8
/** Pairs fetched from an iterator at a time, as many as are about so long together. LevelDB's own measure is 16 KiB: a turn of the loop for each two pages. */
const STEP = 256
const STEP_BYTES = 256 * 1024
const utf8 = new TextEncoder()

/**
 * Ordered keys and values. Every value is stored behind an xxHash64 of key and value and verified when it is read:
 * LevelDB serves flipped bytes as values. Keys are ordered by their UTF-8 bytes. Writes are durable when they resolve.
 */
export class Kv {
  readonly #db: Database
  readonly #guard: Guard

  /** Takes over `db`, which is open: `close` closes it. `onDamage` hears of every MQ_CORRUPT, before the caller does. */
  constructor (db: Database, onDamage: (error: MqError) => void = () => {}) {
    this.#db = db
    this.#guard = new Guard(onDamage)
  }

  /** @throws MQ_CORRUPT the stored value does not fit its checksum (`error.key` names it), or the database found itself damaged */
  async get (key: string): Promise<Uint8Array | undefined> {
    return await this.#guard.watch(async () => {
      const stored = await this.#db.get(key)
      return stored === undefined ? undefined : verified(key, stored)
    })
  }

  /** `get` for many keys at once; the values are in the order of the keys. */
  async getMany (keys: readonly string[]): Promise<Array<Uint8Array | undefined>> {
    if (keys.length === 0) return []
    return await this.#guard.watch(async () => {
      const stored = await this.#db.getMany([...keys])
      return stored.map((value, i) => value === undefined ? undefined : verified(keys[i]!, value))
    })
  }

  /** All changes or none, durable on resolution. A key may occur once. */
  async batch (changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return
    const operations = changes.map(({ key, value }) => value === undefined
      ? { type: 'del' as const, key }
      : { type: 'put' as const, key, value: sealed(key, value) })
    await this.#guard.watch(() => this.#db.batch(operations, { sync: true } as object))
  }

  /** Keys and values in [gte, lt), in order, as they are now; later writes do not show. */
  async * entries (range: KeyRange): AsyncGenerator<readonly [string, Uint8Array]> {
    yield * stepThrough(this.#db, this.#guard, range, {})
  }

  /** The last key and value in [gte, lt), if there is one. */
  async last (range: KeyRange): Promise<readonly [string, Uint8Array] | undefined> {
    return await this.#guard.watch(async () => {
      const iterator = this.#db.iterator({ ...range, reverse: true, limit: 1 })
      try {
        const [pair] = await iterator.nextv(1)
        return pair === undefined ? undefined : [pair[0], verified(pair[0], pair[1])] as const
      } finally {
        await iterator.close()
      }
    })
  }

  /** The state of now, for reading at leisure while writes go on. Must be closed, before the database is. */
  snapshot (): KvSnapshot {
    return new KvSnapshot(this.#db, this.#guard)
  }

  /** Removes a range. Not atomic and not synced: only for what nobody will read again. */
  async discard (range: KeyRange): Promise<void> {
    await this.#guard.watch(() => this.#db.clear(range))
  }

  async close (): Promise<void> {
    await this.#db.close()
  }
}

export class KvSnapshot {
  readonly #db: Database
  readonly #guard: Guard
  readonly #snapshot: ReturnType<Database['snapshot']>

  /** @private */
  constructor (db: Database, guard: Guard) {
    this.#db = db
    this.#guard = guard
    this.#snapshot = db.snapshot()
  }

  async get (key: string): Promise<Uint8Array | undefined> {
    return await this.#guard.watch(async () => {
      const stored = await this.#db.get(key, { snapshot: this.#snapshot } as object)
      return stored === undefined ? undefined : verified(key, stored)
    })
  }

  async * entries (range: KeyRange): AsyncGenerator<readonly [string, Uint8Array]> {
    yield * stepThrough(this.#db, this.#guard, range, { snapshot: this.#snapshot })
  }

  async close (): Promise<void> {
    await this.#snapshot.close()
  }
}

/** An iterator closes with its database. */
const CLOSED_CODES: readonly string[] = ['LEVEL_DATABASE_NOT_OPEN', 'LEVEL_ITERATOR_NOT_OPEN']

/** Gives damage one name, whoever found it, and tells of it. */
class Guard {
  readonly #onDamage: (error: MqError) => void

  constructor (onDamage: (error: MqError) => void) {
    this.#onDamage = onDamage
  }

  async watch<T> (call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      const damage = damageIn(error)
      // whoever reads while the store closes hears that, in words of ours
      if (damage === undefined) throw CLOSED_CODES.includes((error as { readonly code?: string }).code!) ? new MqError('MQ_CLOSED', 'the state store is closed', { cause: error }) : error
      this.#onDamage(damage)
      throw damage
    }
  }
}

function damageIn (error: unknown): MqError | undefined {
  if (isMqError(error, 'MQ_CORRUPT')) return error
  const { code, message } = error as { readonly code?: string, readonly message?: string }
  return code === 'LEVEL_CORRUPTION' ? new MqError('MQ_CORRUPT', `state store: ${message}`, { cause: error }) : undefined
}

async function * stepThrough (db: Database, guard: Guard, range: KeyRange, options: object): AsyncGenerator<readonly [string, Uint8Array]> {
  const iterator = await guard.watch(async () => db.iterator({ ...range, ...options, highWaterMarkBytes: STEP_BYTES } as object))
  try {
    for (;;) {
      const step = await guard.watch(async () => {
        const pairs = await iterator.nextv(STEP)
        return pairs.map(([key, stored]) => [key, verified(key, stored)] as const)
      })
      if (step.length === 0) return
      yield * step
    }
  } finally {
    await iterator.close()
  }
}

/** The checksum that is stored with a value. */
export function checksumOf (key: string, value: Uint8Array): bigint {
  return hash64(value, hash64(utf8.encode(key), 0n))
}

function sealed (key: string, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(CHECKSUM_BYTES + value.length)
  stored.writeBigUInt64BE(checksumOf(key, value))
  stored.set(value, CHECKSUM_BYTES)
  return stored
}

function verified (key: string, stored: Uint8Array): Uint8Array {
  if (stored.length >= CHECKSUM_BYTES) {
    const value = stored.subarray(CHECKSUM_BYTES)
    const expected = new DataView(stored.buffer, stored.byteOffset, CHECKSUM_BYTES).getBigUint64(0)
    if (checksumOf(key, value) === expected) return value
  }
  throw new MqError('MQ_CORRUPT', `state store: the value of key ${JSON.stringify(key)} fails its checksum`, { key })
}
