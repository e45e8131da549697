import { basename, dirname, join, normalize } from 'node:path'
import { invariant, type DirectoryItem, type Disk, type DiskFile, type Random } from '../../lib/base/index.ts'
import { diskError } from '../../lib/adapters/memory-disk.ts'
import type { PagedBytes } from '../../lib/adapters/paged-bytes.ts'
import { FaultyFile, type WritePiece } from './faulty-file.ts'
import { Faults, MachineStopped, type FaultKind, type Keep } from './faults.ts'
import { SeededRandom } from './seeded-random.ts'

/** One change of names; durable once one of its directories was synced. */
interface NameChange {
  readonly directories: readonly string[]
  readonly remove?: string
  readonly add?: string
  /** Undefined in a change of directories. */
  readonly file?: FaultyFile
}

interface Names {
  readonly files: Map<string, FaultyFile>
  readonly directories: Set<string>
}

export interface FaultyDiskOptions {
  /** The plan of faults; share it with a FaultyKv to make one machine of the two. */
  readonly faults?: Faults
  /** Every asynchronous operation takes effect and completes in the function given here; default: at once. */
  readonly schedule?: ((fn: () => void) => void) | undefined
  /** What a power cut leaves whole. */
  readonly sectorBytes?: number
  readonly capacityBytes?: number
  /** What write-throughs must be multiples of; by default alignment gains nothing. */
  readonly alignBytes?: number
  /** Calls that answer and do nothing, to see that a spec notices. */
  readonly lies?: ReadonlyArray<'sync' | 'syncDirectory'>
  /** Told of every file that was renamed. */
  readonly onRename?: ((from: string, to: string) => void) | undefined
  /** Directories that are there and durable from the start. */
  readonly directories?: readonly string[]
}

/**
 * A disk in memory that forgets what was not synced, stops at a chosen operation, and fails when told to.
 *
 * Bytes are durable by `sync` of their file, names (of files and of directories) by `syncDirectory`. `powerCut` gives
 * the disk as the next boot finds it, `kill` as the next process does; both leave this one stopped for ever and may be
 * called several times, so that one stopped machine gives many outcomes.
 *
 * It also watches its caller: a buffer that changes while it is being written, and two writes of overlapping ranges
 * under way at once, throw in the spec.
 */
export class FaultyDisk implements Disk {
  readonly alignBytes: number
  readonly faults: Faults
  capacityBytes: number
  /** What files that are nobody's here take of that. */
  takenBytes = 0
  /** Handles that were opened and not closed. */
  openHandles = 0
  readonly lies: ReadonlySet<string>
  readonly #sectorBytes: number
  #schedule: ((fn: () => void) => void) | undefined
  readonly #onRename: ((from: string, to: string) => void) | undefined
  #now: Names = { files: new Map(), directories: new Set() }
  #durable: Names = { files: new Map(), directories: new Set() }
  #pending: NameChange[] = []
  #boot = 1

  constructor ({ faults = new Faults(), schedule, onRename, sectorBytes = 512, capacityBytes = 2 ** 50, alignBytes = 1, directories = [], lies = [] }: FaultyDiskOptions = {}) {
    this.alignBytes = alignBytes
    this.faults = faults
    this.#schedule = schedule
    this.#onRename = onRename
    this.#sectorBytes = sectorBytes
    this.capacityBytes = capacityBytes
    this.lies = new Set(lies)
    for (const directory of ['/', '.', ...directories.flatMap(withParents)]) {
      this.#now.directories.add(directory)
      this.#durable.directories.add(directory)
    }
  }

  alignedMemory (sizeBytes: number): Uint8Array { return new Uint8Array(sizeBytes) }

  async open (path: string, { create = false, readOnly = false }: { readonly create?: boolean, readonly readOnly?: boolean } = {}): Promise<DiskFile> {
    const name = normalize(path)
    let file = this.#now.files.get(name)
    if (file === undefined && create) {
      await this.mutate('create', name, () => {
        if (!this.#now.directories.has(dirname(name))) throw diskError('ENOENT', 'open', path)
        file = this.#now.files.get(name) ?? new FaultyFile()
        this.#change({ directories: [dirname(name)], add: name, file })
      })
    } else {
      await this.read(`open ${name}`)
      file = this.#now.files.get(name)
    }
    if (file === undefined) throw diskError('ENOENT', 'open', path)
    this.openHandles++
    return new Handle(this, path, file, readOnly)
  }

  async readFile (path: string): Promise<Uint8Array | undefined> {
    await this.read(`file ${path}`)
    return this.#now.files.get(normalize(path))?.now.toBytes()
  }

  async list (directory: string): Promise<DirectoryItem[] | undefined> {
    await this.read(`list ${directory}`)
    const name = normalize(directory)
    if (!this.#now.directories.has(name)) return undefined
    const items: DirectoryItem[] = []
    for (const path of this.#now.files.keys()) if (dirname(path) === name) items.push({ name: basename(path), isDirectory: false })
    for (const path of this.#now.directories) if (path !== name && dirname(path) === name) items.push({ name: basename(path), isDirectory: true })
    return items
  }

  async makeDirectory (directory: string): Promise<void> {
    for (const name of withParents(normalize(directory))) {
      if (this.#now.directories.has(name)) continue
      await this.mutate('makeDirectory', name, () => { this.#change({ directories: [dirname(name)], add: name }) })
    }
  }

  async rename (from: string, to: string): Promise<void> {
    const [remove, add] = [normalize(from), normalize(to)]
    await this.mutate('rename', `${remove} -> ${add}`, () => {
      const file = this.#now.files.get(remove)
      if (file === undefined || !this.#now.directories.has(dirname(add))) throw diskError('ENOENT', 'rename', from)
      this.#change({ directories: [dirname(remove), dirname(add)], remove, add, file })
    })
    this.#onRename?.(remove, add)
  }

  async link (from: string, to: string): Promise<void> {
    const [source, add] = [normalize(from), normalize(to)]
    await this.mutate('create', `${add} for ${source}`, () => {
      const file = this.#now.files.get(source)
      if (file === undefined || !this.#now.directories.has(dirname(add))) throw diskError('ENOENT', 'link', from)
      if (this.#now.files.has(add)) throw diskError('EEXIST', 'link', to)
      this.#change({ directories: [dirname(add)], add, file })
    })
  }

  async isLinked (path: string): Promise<boolean> {
    await this.read(`links of ${path}`)
    const file = this.#now.files.get(normalize(path))
    if (file === undefined) throw diskError('ENOENT', 'stat', path)
    return [...this.#now.files.values()].filter((other) => other === file).length > 1
  }

  async unlink (path: string): Promise<void> {
    const remove = normalize(path)
    await this.mutate('unlink', remove, () => {
      if (!this.#now.files.has(remove)) throw diskError('ENOENT', 'unlink', path)
      this.#change({ directories: [dirname(remove)], remove })
    })
  }

  async removeTree (directory: string): Promise<void> {
    const name = normalize(directory)
    const isBelow = (path: string) => path.startsWith(join(name, '/'))
    for (const path of [...this.#now.files.keys()].filter(isBelow)) await this.unlink(path)
    const directories = [...this.#now.directories].filter((path) => path === name || isBelow(path)).sort().reverse()
    for (const remove of directories) await this.mutate('unlink', remove, () => { this.#change({ directories: [dirname(remove)], remove }) })
  }

  async syncDirectory (directory: string): Promise<void> {
    const name = normalize(directory)
    const covered = new Set(this.lies.has('syncDirectory') ? [] : this.#pending.filter(({ directories }) => directories.includes(name)))
    await this.mutate('syncDirectory', name, () => {
      if (!this.#now.directories.has(name)) throw diskError('ENOENT', 'fsync', directory)
      this.#makeDurable(covered)
    }, () => { this.#makeDurable(new Set([...covered].slice(0, covered.size >> 1))) })
  }

  async room (): Promise<{ readonly freeBytes: number, readonly totalBytes: number }> {
    await this.read('room')
    return { freeBytes: this.freeBytes, totalBytes: this.capacityBytes }
  }

  async bootId (): Promise<string | undefined> { return `boot-${this.#boot}` }

  /**
   * The disk as found after a power cut of this machine. `random`: unsynced writes are kept, dropped or torn, name
   * changes kept up to some point; `reorder`: each sector and each name change by itself.
   */
  powerCut ({ keep, random = new SeededRandom(1), ...options }: FaultyDiskOptions & { readonly keep: Keep, readonly random?: Random }): FaultyDisk {
    this.faults.stop()
    const next = this.#successor(options)
    next.#boot = this.#boot + 1
    const names: Names = { files: new Map(this.#durable.files), directories: new Set(this.#durable.directories) }
    const journal = keep === 'all' ? this.#pending.length : keep === 'random' ? Math.floor(random.next() * (this.#pending.length + 1)) : 0
    this.#pending.forEach((change, at) => {
      if (keep === 'reorder' ? random.next() < 0.5 : at < journal) applyChange(names, change)
    })
    const copies = new Map<FaultyFile, FaultyFile>()
    for (const directory of names.directories) if (reachable(names, directory)) next.#addDirectory(directory)
    for (const [path, file] of names.files) {
      if (!reachable(names, dirname(path))) continue
      const copy = copies.get(file) ?? file.afterPowerCut(keep, random, this.#sectorBytes)
      copies.set(file, copy)
      next.#now.files.set(path, copy)
      next.#durable.files.set(path, copy)
    }
    return next
  }

  /**
   * The disk as the next process finds it after this one was killed: all that was written is there, though what was not
   * synced can still be lost to a later power cut. With `random` a write under way may be cut short.
   */
  kill ({ random, ...options }: FaultyDiskOptions & { readonly random?: Random } = {}): FaultyDisk {
    this.faults.stop()
    const next = this.#successor(options)
    const copies = new Map<FaultyFile, FaultyFile>()
    const copyOf = (file: FaultyFile) => {
      const copy = copies.get(file) ?? file.afterKill(random)
      copies.set(file, copy)
      return copy
    }
    for (const [path, file] of this.#now.files) next.#now.files.set(path, copyOf(file))
    for (const [path, file] of this.#durable.files) next.#durable.files.set(path, copyOf(file))
    next.#now.directories.clear()
    for (const directory of this.#now.directories) next.#now.directories.add(directory)
    for (const directory of this.#durable.directories) next.#durable.directories.add(directory)
    next.#pending = this.#pending.map((change) => change.file === undefined ? change : { ...change, file: copyOf(change.file) })
    return next
  }

  /** All files the system shows, sorted. */
  paths (): string[] { return [...this.#now.files.keys()].sort() }

  /** A file's bytes as the system shows them. */
  contents (path: string): Uint8Array | undefined { return this.#now.files.get(normalize(path))?.now.toBytes() }

  /**
   * Files whose names begin so, as a power cut would surely leave them (or, `durable` false, as the system shows them).
   * Views on what the disk holds: read at once, do not change.
   */
  * images (prefix: string, durable = true): Generator<readonly [path: string, bytes: PagedBytes]> {
    for (const [path, file] of (durable ? this.#durable : this.#now).files) if (path.startsWith(prefix)) yield [path, durable ? file.durable : file.now]
  }

  /** True when a power cut could lose something of that file's bytes. */
  hasUnsynced (path: string): boolean {
    const file = this.#now.files.get(normalize(path))
    return file !== undefined && file.pending.length + file.dropped.length + file.inFlight.size > 0
  }

  /** Rot: changes bits of one byte, on the medium and in the system's cache alike. */
  flip (path: string, position: number, mask = 1): void {
    const file = this.#now.files.get(normalize(path))
    invariant(file !== undefined && position < file.now.sizeBytes, `no byte ${position} in ${path}`)
    for (const image of [file.now, file.durable]) {
      const byte = new Uint8Array(1)
      if (image.read(byte, position) === 0) continue
      byte[0]! ^= mask
      image.write(byte, position)
    }
  }

  /** The file is gone for good. Returns whether there was one. */
  lose (path: string): boolean {
    const name = normalize(path)
    this.#durable.files.delete(name)
    this.#pending = this.#pending.filter(({ add }) => add !== name)
    return this.#now.files.delete(name)
  }

  /** Puts a file there, durable. */
  plant (path: string, bytes: Uint8Array): void {
    const name = normalize(path)
    for (const directory of withParents(dirname(name))) this.#addDirectory(directory)
    const file = new FaultyFile()
    file.apply({ kind: 'write', position: 0, bytes: bytes.slice() })
    file.makeDurable(file.written)
    this.#now.files.set(name, file)
    this.#durable.files.set(name, file)
  }

  /** For handles: one mutating operation. `half` is what happens when the machine stops or fails in the middle of it. */
  async mutate<T> (kind: FaultKind, what: string, whole: () => T, half: () => void = () => {}, failed: () => void = half): Promise<T> {
    const verdict = this.faults.admit(kind, what)
    if (verdict === 'dead') return this.faults.dead()
    await this.#completion()
    if (this.faults.stopped) return this.faults.dead()
    if (verdict === 'go') return whole()
    if (verdict === 'EIO' || verdict === 'ENOSPC') {
      failed()
      throw diskError(verdict, kind, what)
    }
    if (verdict === 'stop-middle') half()
    else whole()
    this.faults.stop()
    return this.faults.dead()
  }

  /** The same on the calling thread. */
  mutateNow<T> (kind: FaultKind, what: string, whole: () => T, half: () => void, failed: () => void = half): T {
    const verdict = this.faults.admit(kind, what)
    if (verdict === 'dead') throw new MachineStopped()
    if (verdict === 'go') return whole()
    if (verdict === 'EIO' || verdict === 'ENOSPC') {
      failed()
      throw diskError(verdict, kind, what)
    }
    if (verdict === 'stop-middle') half()
    else whole()
    this.faults.stop()
    throw new MachineStopped()
  }

  async read (what: string): Promise<void> {
    const verdict = this.faults.admitRead(what)
    if (verdict === 'dead') return this.faults.dead()
    await this.#completion()
    if (this.faults.stopped) return this.faults.dead()
    if (verdict !== 'go') throw diskError(verdict, 'read', what)
  }

  readNow (what: string): void {
    const verdict = this.faults.admitRead(what)
    if (verdict === 'dead') throw new MachineStopped()
    if (verdict !== 'go') throw diskError(verdict, 'read', what)
  }

  assertRoom (growthBytes: number, path: string): void {
    if (growthBytes > this.freeBytes) throw diskError('ENOSPC', 'write', path)
  }

  get usedBytes (): number {
    let usedBytes = 0
    for (const file of this.#now.files.values()) usedBytes += file.now.sizeBytes
    return usedBytes
  }

  get freeBytes (): number { return Math.max(0, this.capacityBytes - this.takenBytes - this.usedBytes) }

  #completion (): Promise<void> | undefined {
    const schedule = this.#schedule
    return schedule === undefined ? undefined : new Promise((resolve) => { schedule(resolve) })
  }

  #change (change: NameChange): void {
    applyChange(this.#now, change)
    this.#pending.push(change)
  }

  #makeDurable (covered: ReadonlySet<NameChange>): void {
    for (const change of this.#pending) if (covered.has(change)) applyChange(this.#durable, change)
    this.#pending = this.#pending.filter((change) => !covered.has(change))
  }

  #addDirectory (directory: string): void {
    this.#now.directories.add(directory)
    this.#durable.directories.add(directory)
  }

  #successor (options: FaultyDiskOptions): FaultyDisk {
    const next = new FaultyDisk({ schedule: this.#schedule, onRename: this.#onRename, sectorBytes: this.#sectorBytes, capacityBytes: this.capacityBytes, alignBytes: this.alignBytes, ...options })
    next.#boot = this.#boot
    next.takenBytes = this.takenBytes
    return next
  }
}

function applyChange ({ files, directories }: Names, { remove, add, file }: NameChange): void {
  if (remove !== undefined) {
    files.delete(remove)
    directories.delete(remove)
  }
  if (add !== undefined) {
    if (file === undefined) directories.add(add)
    else files.set(add, file)
  }
}

function withParents (name: string): string[] {
  const parent = dirname(name)
  return parent === name ? [name] : [...withParents(parent), name]
}

const reachable = ({ directories }: Names, directory: string) => withParents(directory).every((name) => directories.has(name))

class Handle implements DiskFile {
  readonly path: string
  readonly #disk: FaultyDisk
  readonly #file: FaultyFile
  readonly #readOnly: boolean
  #closed = false

  constructor (disk: FaultyDisk, path: string, file: FaultyFile, readOnly: boolean) {
    this.path = path
    this.#disk = disk
    this.#file = file
    this.#readOnly = readOnly
  }

  async sizeBytes (): Promise<number> {
    this.#assertOpen('fstat')
    await this.#disk.read(`size ${this.path}`)
    return this.#file.now.sizeBytes
  }

  async write (bytes: Uint8Array, position: number): Promise<void> {
    const piece = this.#issue(bytes, position)
    const written = this.#disk.mutate('write', `${this.path} ${position}+${bytes.length}`, () => {
      invariant(sameBytes(bytes, piece.bytes), `${this.path}: the buffer changed while it was being written at ${position}`)
      this.#land(piece, piece)
    }, () => { this.#land(piece, firstHalf(piece)) })
    if (!this.#disk.faults.stopped) this.#file.inFlight.add(piece)
    return written
  }

  writeNow (bytes: Uint8Array, position: number): void {
    const piece = this.#issue(bytes, position)
    this.#disk.mutateNow('write', `${this.path} ${position}+${bytes.length}`, () => { this.#land(piece, piece) }, () => { this.#land(piece, firstHalf(piece)) })
  }

  async writeUncached (bytes: Uint8Array, position: number): Promise<void> {
    this.#assertAligned(bytes, position)
    await this.write(bytes, position)
  }

  async writeThrough (bytes: Uint8Array, position: number): Promise<void> {
    this.#assertAligned(bytes, position)
    await this.write(bytes, position)
    await this.sync()
  }

  writeThroughNow (bytes: Uint8Array, position: number): void {
    this.#assertAligned(bytes, position)
    this.writeNow(bytes, position)
    this.syncNow()
  }

  async sync (): Promise<void> {
    this.#assertOpen('fdatasync')
    const { covered, whole, half, failed } = this.#syncing()
    await this.#disk.mutate('sync', `${this.path} ${covered.length} pieces`, whole, half, failed)
  }

  syncNow (): void {
    this.#assertOpen('fdatasync')
    const { covered, whole, half, failed } = this.#syncing()
    this.#disk.mutateNow('sync', `${this.path} ${covered.length} pieces`, whole, half, failed)
  }

  async read (into: Uint8Array, position: number): Promise<number> {
    this.#assertOpen('read')
    await this.#disk.read(`${this.path} ${position}+${into.length}`)
    return this.#file.now.read(into, position)
  }

  readNow (into: Uint8Array, position: number): number {
    this.#assertOpen('read')
    this.#disk.readNow(`${this.path} ${position}+${into.length}`)
    return this.#file.now.read(into, position)
  }

  async truncate (sizeBytes: number): Promise<void> {
    this.#assertOpen('ftruncate')
    await this.#disk.mutate('truncate', `${this.path} ${sizeBytes}`, () => {
      const beforeBytes = this.#file.now.sizeBytes
      this.#disk.assertRoom(sizeBytes - beforeBytes, this.path)
      this.#file.apply({ kind: 'truncate', sizeBytes, beforeBytes })
    })
  }

  async close (): Promise<void> {
    this.#assertOpen('close')
    this.#closed = true
    this.#disk.openHandles--
  }

  #issue (bytes: Uint8Array, position: number): WritePiece {
    this.#assertOpen('write')
    if (this.#readOnly) throw diskError('EBADF', 'write', this.path)
    const piece = { kind: 'write', position, bytes: bytes.slice() } as const
    for (const other of this.#file.inFlight) {
      invariant(position >= other.position + other.bytes.length || other.position >= position + bytes.length,
        `${this.path}: two writes of the same bytes at once, at ${other.position}+${other.bytes.length} and ${position}+${bytes.length}`)
    }
    return piece
  }

  #land (issued: WritePiece, landed: WritePiece): void {
    this.#file.inFlight.delete(issued)
    const { position, bytes } = landed
    const { sizeBytes } = this.#file.now
    const growthBytes = position + bytes.length - sizeBytes
    const freeBytes = growthBytes > 0 ? this.#disk.freeBytes : 0
    if (growthBytes <= freeBytes) {
      this.#file.apply(landed)
      return
    }
    // as much as there is room for, as the first of several calls for the same bytes does
    const fitting = Math.max(0, sizeBytes + freeBytes - position)
    if (fitting > 0) this.#file.apply({ ...landed, bytes: bytes.subarray(0, fitting) })
    throw diskError('ENOSPC', 'write', this.path)
  }

  #syncing () {
    const covered = this.#disk.lies.has('sync') ? [] : this.#file.written
    return {
      covered,
      whole: () => { this.#file.makeDurable(covered) },
      half: () => { this.#file.makeDurable(covered.slice(0, covered.length >> 1)) },
      failed: () => { this.#file.drop(covered) }
    }
  }

  #assertAligned (bytes: Uint8Array, position: number): void {
    const { alignBytes } = this.#disk
    invariant(position % alignBytes === 0 && bytes.length % alignBytes === 0 && bytes.byteOffset % alignBytes === 0, `${this.path}: a write through of ${bytes.length} bytes at ${position} is not aligned`)
  }

  #assertOpen (call: string): void {
    if (this.#closed) throw diskError('EBADF', call, this.path)
  }
}

const firstHalf = (piece: WritePiece) => ({ ...piece, bytes: piece.bytes.subarray(0, piece.bytes.length >> 1) })

function sameBytes (a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
