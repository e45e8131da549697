import type { AbstractLevel } from 'abstract-level'
import { MemoryLevel } from 'memory-level'
import type { Database, DatabaseOpener } from '../../lib/kv/index.ts'
import type { Random } from '../../lib/base/index.ts'
import { diskError } from '../../lib/adapters/memory-disk.ts'
import { Faults, type Keep } from './faults.ts'
import { SeededRandom } from './seeded-random.ts'

interface Write { readonly type: 'put' | 'del', readonly key: Buffer, readonly value?: Buffer }
interface Batch { readonly writes: readonly Write[], readonly durable: boolean }
interface Range { readonly sync?: boolean, readonly [option: string]: unknown }

export interface FaultyKvOptions {
  readonly faults?: Faults
  readonly schedule?: ((fn: () => void) => void) | undefined
  /** `sync: true` counts for nothing, to see that a spec notices. */
  readonly lies?: boolean
  /** Whether the disk has room for a batch of that size; without it, always. */
  readonly hasRoom?: ((sizeBytes: number) => boolean) | undefined
}

/** What AbstractLevel calls on an implementation; its published types leave these out. */
interface Internals {
  _batch (writes: readonly Write[], options: object): Promise<void>
  _get (key: Buffer, options: object): Promise<Buffer | undefined>
  _getMany (keys: readonly Buffer[], options: object): Promise<Array<Buffer | undefined>>
  _getSync (key: Buffer, options: object): Buffer | undefined
}
const memory = MemoryLevel.prototype as unknown as Internals

/**
 * The machine's key-value database, as a power cut can leave it. Batches are atomic; one written with `sync: true` is
 * durable when it returns. One written without stays at risk for ever: a later synced batch does not cover it, since
 * LevelDB can lose a middle unsynced batch and keep a later one. A database that was removed may come back, whole or as
 * a ruin that does not open, until the first synced batch of the one that took its place.
 */
export class FaultyKv implements DatabaseOpener {
  readonly faults: Faults
  readonly schedule: ((fn: () => void) => void) | undefined
  readonly #lies: boolean
  readonly #hasRoom: ((sizeBytes: number) => boolean) | undefined
  /** Batches in the order they were written; what holds is those from the start. */
  #batches: Batch[] = []
  /** What was removed and may come back. */
  #removed: Batch[] | undefined
  /** Some files of it are missing. */
  #ruined = false
  #open: FaultyLevel | undefined

  constructor ({ faults = new Faults(), schedule, lies = false, hasRoom }: FaultyKvOptions = {}) {
    this.#lies = lies
    this.#hasRoom = hasRoom
    this.faults = faults
    this.schedule = schedule
  }

  async open (): Promise<Database> {
    const level = this.level({ keyEncoding: 'utf8', valueEncoding: 'buffer' })
    await level.open()
    return level
  }

  async destroy (): Promise<void> {
    const verdict = this.faults.admit('unlink', 'database')
    if (verdict === 'dead') return this.faults.dead()
    if (verdict === 'EIO' || verdict === 'ENOSPC') throw diskError(verdict, 'unlink', 'database')
    this.#removed ??= this.#batches
    this.#batches = []
    this.#ruined = verdict === 'stop-middle'
    if (verdict === 'go') return
    this.faults.stop()
    return this.faults.dead()
  }

  /** A level over this database, not yet opened. One at a time. */
  level (options: object = { keyEncoding: 'buffer', valueEncoding: 'buffer' }): AbstractLevel<any, any, any> {
    return new FaultyLevel(this, options) as unknown as AbstractLevel<any, any, any>
  }

  /** The database as found after a power cut. */
  powerCut ({ keep, random = new SeededRandom(1), ...options }: FaultyKvOptions & { readonly keep: Keep, readonly random?: Random }): FaultyKv {
    this.faults.stop()
    const next = new FaultyKv({ schedule: this.schedule, hasRoom: this.#hasRoom, ...options })
    const fate = this.#removed === undefined || keep === 'all' ? 'gone' : keep === 'none' ? 'back' : (['gone', 'back', 'ruined'] as const)[Math.floor(random.next() * 3)]
    next.#ruined = fate === 'ruined' || (fate === 'gone' && this.#ruined)
    for (const { writes, durable } of fate === 'back' ? this.#removed! : this.#batches) {
      if (durable || keep === 'all' || (keep !== 'none' && random.next() < 0.5)) next.#batches.push({ writes, durable: true })
    }
    return next
  }

  /** The database as the next process finds it. */
  kill (options: FaultyKvOptions = {}): FaultyKv {
    this.faults.stop()
    const next = new FaultyKv({ schedule: this.schedule, hasRoom: this.#hasRoom, ...options })
    next.#batches = this.#batches.slice()
    next.#removed = this.#removed
    next.#ruined = this.#ruined
    return next
  }

  /** True when there is nothing in it. */
  get isEmpty (): boolean { return this.contents().size === 0 }

  /** What it holds, keys and values as latin1 text. */
  contents (): Map<string, Buffer> {
    const contents = new Map<string, Buffer>()
    for (const { writes } of this.#batches) {
      for (const { type, key, value } of writes) {
        if (type === 'put') contents.set(key.toString('latin1'), value!)
        else contents.delete(key.toString('latin1'))
      }
    }
    return new Map([...contents].sort(([a], [b]) => a < b ? -1 : 1))
  }

  /** Rot: replaces one value (undefined removes it), past all checks. For a database that is not open. */
  tamper (key: string, value: Uint8Array | undefined): void {
    const write: Write = value === undefined ? { type: 'del', key: Buffer.from(key, 'latin1') } : { type: 'put', key: Buffer.from(key, 'latin1'), value: Buffer.from(value) }
    this.#batches.push({ writes: [write], durable: true })
  }

  /** Removes everything, as deleting the database's directory does. For a database that is not open. */
  wipe (): void { this.#batches = [] }

  /** Some of its files are missing: it does not open until it is destroyed. */
  ruin (): void { this.#ruined = true }

  /** For levels. */
  acquire (level: FaultyLevel): readonly Write[] {
    if (this.#open !== undefined) throw Object.assign(new Error('the database is open already'), { code: 'LEVEL_LOCKED' })
    if (this.#ruined) throw Object.assign(new Error('Corruption: files are missing'), { code: 'LEVEL_CORRUPTION' })
    this.#open = level
    return this.#batches.flatMap(({ writes }) => writes)
  }

  release (level: FaultyLevel): void { if (this.#open === level) this.#open = undefined }

  async commit (writes: readonly Write[], sync: boolean, show: () => Promise<void>): Promise<void> {
    const verdict = this.faults.admit('batch', `${writes.length} writes${sync ? ', synced' : ''}`)
    if (verdict === 'dead') return this.faults.dead()
    if (this.schedule !== undefined) await new Promise<void>((resolve) => { this.schedule!(resolve) })
    if (this.faults.stopped) return this.faults.dead()
    if (verdict === 'EIO' || verdict === 'ENOSPC') throw diskError(verdict, 'batch', 'database')
    if (this.#hasRoom?.(writes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)) === false) throw diskError('ENOSPC', 'batch', 'database')
    const batch = { writes, durable: sync && !this.#lies && verdict !== 'stop-middle' }
    this.#batches.push(batch)
    if (batch.durable) this.#removed = undefined
    if (verdict === 'go') return show()
    this.faults.stop()
    return this.faults.dead()
  }

  async read (): Promise<void> {
    const verdict = this.faults.admitRead('database')
    if (verdict === 'dead') return this.faults.dead()
    if (this.schedule !== undefined) await new Promise<void>((resolve) => { this.schedule!(resolve) })
    if (this.faults.stopped) return this.faults.dead()
    if (verdict !== 'go') throw diskError(verdict, 'read', 'database')
  }
}

class FaultyLevel extends MemoryLevel<any, any> {
  readonly #kv: FaultyKv

  constructor (kv: FaultyKv, options: object) {
    super({ ...options, storeEncoding: 'buffer' })
    this.#kv = kv
  }

  async _open (): Promise<void> {
    const writes = this.#kv.acquire(this)
    await memory._batch.call(this as unknown as Internals, writes, {})
  }

  async _close (): Promise<void> { this.#kv.release(this) }

  async _put (key: Buffer, value: Buffer, options: object): Promise<void> { return this._batch([{ type: 'put', key, value }], options) }

  async _del (key: Buffer, options: object): Promise<void> { return this._batch([{ type: 'del', key }], options) }

  async _batch (writes: readonly Write[], { sync = false }: { readonly sync?: boolean }): Promise<void> {
    const copies = writes.map(({ type, key, value }): Write => type === 'put' ? { type, key: Buffer.from(key), value: Buffer.from(value!) } : { type, key: Buffer.from(key) })
    return this.#kv.commit(copies, sync, () => memory._batch.call(this as unknown as Internals, copies, {}))
  }

  async _clear (range: Range): Promise<void> {
    const writes: Write[] = []
    for await (const key of this.keys({ ...range, keyEncoding: 'buffer' } as object) as AsyncIterable<Buffer>) writes.push({ type: 'del', key })
    return this._batch(writes, range)
  }

  async _get (key: Buffer, options: object): Promise<Buffer | undefined> {
    await this.#kv.read()
    return memory._get.call(this as unknown as Internals, key, options)
  }

  async _getMany (keys: readonly Buffer[], options: object): Promise<Array<Buffer | undefined>> {
    await this.#kv.read()
    return memory._getMany.call(this as unknown as Internals, keys, options)
  }

  _getSync (key: Buffer, options: object): Buffer | undefined {
    if (this.#kv.faults.admitRead('database') !== 'go') throw diskError('EIO', 'read', 'database')
    return memory._getSync.call(this as unknown as Internals, key, options)
  }
}
