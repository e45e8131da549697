import type { DirectoryItem, Disk, DiskFile } from '../../lib/base/index.ts'

/** Reads below this many bytes are copied each time. */
const VIEW_BYTES = 4096
/** So many flips are between two looks whether someone has written to what was read. */
const FLIPS_PER_LOOK = 1024

/** What a large read of the flipped file has left in a buffer. */
interface View {
  readonly into: Uint8Array
  readonly position: number
  /** The byte of the file that was flipped then. */
  flipped: number
  /** Bytes [from, to) of the buffer were overwritten by a smaller read. */
  from: number
  to: number
}

/**
 * A fixed set of files, one of them with one bit flipped; what is written to it is thrown away by `flip`. Where the same
 * bytes of that file are read into the same memory again, only those that have changed are copied: nobody writes to what
 * was read, which `flip` looks at now and then.
 */
export class FlipDisk implements Disk {
  readonly alignBytes = 1
  readonly #pristine: ReadonlyMap<string, Uint8Array>
  readonly #image: Uint8Array
  readonly #path: string
  readonly #files: Map<string, Uint8Array>
  #touched = new Set<string>()
  #dirty = false
  #flipped = 0
  #views = new Map<ArrayBufferLike, View>()
  #flips = 0

  constructor (files: ReadonlyMap<string, Uint8Array>, path: string) {
    this.#pristine = files
    this.#path = path
    this.#image = Uint8Array.from(files.get(path)!)
    this.#files = new Map(files).set(path, this.#image)
  }

  /** Restores everything, then flips one bit of that byte. */
  flip (at: number, mask: number): void {
    if (++this.#flips % FLIPS_PER_LOOK === 0) this.#lookAtViews()
    const pristine = this.#pristine.get(this.#path)!
    if (this.#dirty) this.#image.set(pristine)
    else this.#image[this.#flipped] = pristine[this.#flipped]!
    this.#dirty = false
    this.#flipped = at
    this.#image[at]! ^= mask
    for (const path of this.#touched) this.#restore(path)
    this.#touched.clear()
  }

  #restore (path: string): void {
    const pristine = this.#pristine.get(path)
    if (pristine === undefined) this.#files.delete(path)
    else this.#files.set(path, pristine)
  }

  async open (path: string, { create = false } = {}): Promise<DiskFile> {
    if (!this.#files.has(path)) {
      if (!create) throw Object.assign(new Error(path), { code: 'ENOENT' })
      this.#files.set(path, new Uint8Array(0))
      this.#touched.add(path)
    }
    return new FlipFile(this, path)
  }

  /** Writes to the flipped file go into its one image, which keeps its size. */
  write (path: string, bytes: Uint8Array, position: number): void {
    const old = this.#files.get(path)!
    if (path === this.#path) {
      this.#dirty = true
      this.#views.clear()
    } else {
      this.#files.set(path, new Uint8Array(Math.max(old.length, position + bytes.length)))
      this.#touched.add(path)
    }
    const target = this.#files.get(path)!
    if (target !== old) target.set(old)
    target.set(bytes.subarray(0, Math.max(0, target.length - position)), position)
  }

  read (path: string, into: Uint8Array, position: number): number {
    const bytes = this.#files.get(path)!.subarray(position, position + into.length)
    const view = this.#views.get(into.buffer)
    if (path !== this.#path || bytes.length < VIEW_BYTES) {
      if (view !== undefined) overwrite(view, into.byteOffset - view.into.byteOffset, bytes.length)
      into.set(bytes)
    } else if (view?.position === position && view.into.byteOffset === into.byteOffset && view.into.length === bytes.length) {
      this.#refresh(view, bytes)
    } else {
      into.set(bytes)
      this.#views.set(into.buffer, { into: into.subarray(0, bytes.length), position, flipped: this.#flipped, from: 0, to: 0 })
    }
    return bytes.length
  }

  /** Puts right what has changed since. */
  #refresh (view: View, bytes: Uint8Array): void {
    if (view.to > view.from) view.into.set(bytes.subarray(view.from, view.to), view.from)
    for (const at of [view.flipped, this.#flipped]) {
      if (at >= view.position && at < view.position + bytes.length) view.into[at - view.position] = bytes[at - view.position]!
    }
    view.flipped = this.#flipped
    view.from = view.to = 0
  }

  #lookAtViews (): void {
    for (const view of this.#views.values()) {
      const bytes = this.#image.subarray(view.position, view.position + view.into.length)
      this.#refresh(view, bytes)
      if (Buffer.compare(view.into, bytes) !== 0) throw new Error(`what was read from byte ${view.position} on has been written to`)
    }
  }

  alignedMemory (sizeBytes: number): Uint8Array { return new Uint8Array(sizeBytes) }
  sizeOf (path: string): number { return this.#files.get(path)!.length }

  async readFile (path: string): Promise<Uint8Array | undefined> { return this.#files.get(path) }
  async list (): Promise<DirectoryItem[]> { return [...this.#files.keys()].map((path) => ({ name: path.slice(path.lastIndexOf('/') + 1), isDirectory: false })) }
  async makeDirectory (): Promise<void> {}
  async rename (): Promise<void> {}
  async link (): Promise<void> {}
  async isLinked (): Promise<boolean> { return false }
  async unlink (path: string): Promise<void> {
    this.#files.delete(path)
    this.#touched.add(path)
  }

  async removeTree (): Promise<void> {}
  async syncDirectory (): Promise<void> {}
  async room (): Promise<{ freeBytes: number, totalBytes: number }> { return { freeBytes: 1, totalBytes: 1 } }
  async bootId (): Promise<undefined> {}
}

function overwrite (view: View, at: number, sizeBytes: number): void {
  const isFirst = view.to === view.from
  view.from = Math.max(0, isFirst ? at : Math.min(view.from, at))
  view.to = Math.max(view.to, at + sizeBytes)
}

/** A class, since half a million openings make a few of these each. */
class FlipFile implements DiskFile {
  readonly path: string
  readonly #disk: FlipDisk

  constructor (disk: FlipDisk, path: string) {
    this.#disk = disk
    this.path = path
  }

  async sizeBytes (): Promise<number> { return this.#disk.sizeOf(this.path) }
  async write (bytes: Uint8Array, position: number): Promise<void> { this.#disk.write(this.path, bytes, position) }
  writeNow (bytes: Uint8Array, position: number): void { this.#disk.write(this.path, bytes, position) }
  async writeUncached (bytes: Uint8Array, position: number): Promise<void> { this.#disk.write(this.path, bytes, position) }
  async writeThrough (bytes: Uint8Array, position: number): Promise<void> { this.#disk.write(this.path, bytes, position) }
  writeThroughNow (bytes: Uint8Array, position: number): void { this.#disk.write(this.path, bytes, position) }
  async sync (): Promise<void> {}
  syncNow (): void {}
  async read (into: Uint8Array, position: number): Promise<number> { return this.#disk.read(this.path, into, position) }
  readNow (into: Uint8Array, position: number): number { return this.#disk.read(this.path, into, position) }
  async truncate (): Promise<void> {}
  async close (): Promise<void> {}
}
