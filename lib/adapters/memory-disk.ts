import { basename, dirname, join, normalize } from 'node:path'
import type { DirectoryItem, Disk, DiskFile } from '../base/index.ts'
import { PagedBytes } from './paged-bytes.ts'

/** An error as `fs` reports it: `code` set, the call and the path in the text. */
export function diskError (code: string, call: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path })
}

/**
 * A disk in memory, for queues that live as long as their process. Sync calls have nothing to do. Removing a file
 * leaves its open handles usable, as on Unix.
 */
export class MemoryDisk implements Disk {
  readonly alignBytes = 1
  readonly #files = new Map<string, PagedBytes>()
  readonly #directories = new Set<string>(['/', '.'])

  alignedMemory (sizeBytes: number): Uint8Array { return new Uint8Array(sizeBytes) }

  async open (path: string, { create = false, readOnly = false }: { readonly create?: boolean, readonly readOnly?: boolean } = {}): Promise<DiskFile> {
    const name = normalize(path)
    let bytes = this.#files.get(name)
    if (bytes === undefined) {
      if (!create || !this.#directories.has(dirname(name))) throw diskError('ENOENT', 'open', path)
      bytes = new PagedBytes()
      this.#files.set(name, bytes)
    }
    return new MemoryFile(path, bytes, readOnly)
  }

  async readFile (path: string): Promise<Uint8Array | undefined> {
    return this.#files.get(normalize(path))?.toBytes()
  }

  async list (directory: string): Promise<DirectoryItem[] | undefined> {
    const name = normalize(directory)
    if (!this.#directories.has(name)) return undefined
    const items: DirectoryItem[] = []
    for (const path of this.#files.keys()) if (dirname(path) === name) items.push({ name: basename(path), isDirectory: false })
    for (const path of this.#directories) if (path !== name && dirname(path) === name) items.push({ name: basename(path), isDirectory: true })
    return items
  }

  async makeDirectory (directory: string): Promise<void> {
    for (let name = normalize(directory); !this.#directories.has(name); name = dirname(name)) this.#directories.add(name)
  }

  async rename (from: string, to: string): Promise<void> {
    const bytes = this.#files.get(normalize(from))
    if (bytes === undefined || !this.#directories.has(dirname(normalize(to)))) throw diskError('ENOENT', 'rename', from)
    this.#files.delete(normalize(from))
    this.#files.set(normalize(to), bytes)
  }

  async link (from: string, to: string): Promise<void> {
    const bytes = this.#files.get(normalize(from))
    if (bytes === undefined || !this.#directories.has(dirname(normalize(to)))) throw diskError('ENOENT', 'link', from)
    if (this.#files.has(normalize(to))) throw diskError('EEXIST', 'link', to)
    this.#files.set(normalize(to), bytes)
  }

  async isLinked (path: string): Promise<boolean> {
    const bytes = this.#files.get(normalize(path))
    if (bytes === undefined) throw diskError('ENOENT', 'stat', path)
    return [...this.#files.values()].filter((other) => other === bytes).length > 1
  }

  async unlink (path: string): Promise<void> {
    if (!this.#files.delete(normalize(path))) throw diskError('ENOENT', 'unlink', path)
  }

  async removeTree (directory: string): Promise<void> {
    const name = normalize(directory)
    const below = join(name, '/')
    for (const path of this.#files.keys()) if (path.startsWith(below)) this.#files.delete(path)
    for (const path of this.#directories) if (path === name || path.startsWith(below)) this.#directories.delete(path)
  }

  async syncDirectory (directory: string): Promise<void> {
    if (!this.#directories.has(normalize(directory))) throw diskError('ENOENT', 'fsync', directory)
  }

  async room (): Promise<{ readonly freeBytes: number, readonly totalBytes: number }> {
    return { freeBytes: Number.MAX_SAFE_INTEGER, totalBytes: Number.MAX_SAFE_INTEGER }
  }

  async bootId (): Promise<string | undefined> { return 'memory' }
}

class MemoryFile implements DiskFile {
  readonly path: string
  readonly #bytes: PagedBytes

  readonly #readOnly: boolean

  constructor (path: string, bytes: PagedBytes, readOnly: boolean) {
    this.path = path
    this.#bytes = bytes
    this.#readOnly = readOnly
  }

  writeNow (bytes: Uint8Array, position: number): void {
    if (this.#readOnly) throw diskError('EBADF', 'write', this.path)
    this.#bytes.write(bytes, position)
  }

  async sizeBytes (): Promise<number> { return this.#bytes.sizeBytes }
  async write (bytes: Uint8Array, position: number): Promise<void> { this.writeNow(bytes, position) }
  async writeUncached (bytes: Uint8Array, position: number): Promise<void> { this.writeNow(bytes, position) }
  async writeThrough (bytes: Uint8Array, position: number): Promise<void> { this.writeNow(bytes, position) }
  writeThroughNow (bytes: Uint8Array, position: number): void { this.writeNow(bytes, position) }
  async sync (): Promise<void> {}
  syncNow (): void {}
  async read (into: Uint8Array, position: number): Promise<number> { return this.#bytes.read(into, position) }
  readNow (into: Uint8Array, position: number): number { return this.#bytes.read(into, position) }
  async truncate (sizeBytes: number): Promise<void> { this.#bytes.truncate(sizeBytes) }
  async close (): Promise<void> {}
}
