import { constants, fdatasync, readSync, writeSync, ftruncateSync, fstatSync, type Stats } from 'node:fs'
import { open, readFile, stat, type FileHandle } from 'node:fs/promises'
import type { DiskFile } from '../../lib/base/index.ts'

const PAGE_BYTES = 4096
/** A disk that answers and syncs nothing of the log's segments, to see that it is noticed. */
const LIES = process.env.LEDGERMQ_CHAOS_DISK === 'lies'

/** What was written to one file since it was synced: only this process has it, so SIGKILL takes it as a power cut takes a page cache. */
class Unsynced {
  /** By number; whole pages. */
  pages = new Map<number, Uint8Array>()
  sizeBytes: number
  /** The least size that the file was cut to; bytes of the file from there on are gone. */
  cutTo = Infinity

  constructor (sizeBytes: number) {
    this.sizeBytes = sizeBytes
  }
}

/** Of files that are open, or were: by inode, as a file keeps its bytes through a rename. */
const unsyncedByInode = new Map<number, Unsynced>()

/** A real file to which bytes come when it is synced. */
export class ForgetfulFile implements DiskFile {
  readonly path: string
  readonly #handle: FileHandle
  readonly #inode: number

  /** `isNew`: there was none of that name; its inode may be that of a file that is gone. */
  static async open (path: string, { create = false, readOnly = false, isNew = false } = {}): Promise<ForgetfulFile> {
    const flags = readOnly ? constants.O_RDONLY : constants.O_RDWR | (create ? constants.O_CREAT : 0)
    const handle = await open(path, flags, 0o644)
    return new ForgetfulFile(path, handle, await handle.stat(), isNew)
  }

  private constructor (path: string, handle: FileHandle, { ino, size }: Stats, isNew: boolean) {
    this.path = path
    this.#handle = handle
    this.#inode = ino
    if (isNew || !unsyncedByInode.has(ino)) unsyncedByInode.set(ino, new Unsynced(size))
  }

  get #lies (): boolean { return LIES && this.path.endsWith('.seg') }
  get #unsynced (): Unsynced { return unsyncedByInode.get(this.#inode)! }

  async sizeBytes (): Promise<number> { return this.#unsynced.sizeBytes }
  async write (bytes: Uint8Array, position: number): Promise<void> { this.writeNow(bytes, position) }
  async writeUncached (bytes: Uint8Array, position: number): Promise<void> { this.writeNow(bytes, position) }

  writeNow (bytes: Uint8Array, position: number): void {
    const unsynced = this.#unsynced
    for (let done = 0; done < bytes.length;) {
      const at = position + done
      const within = at % PAGE_BYTES
      const piece = bytes.subarray(done, done + PAGE_BYTES - within)
      this.#page(Math.floor(at / PAGE_BYTES)).set(piece, within)
      done += piece.length
    }
    unsynced.sizeBytes = Math.max(unsynced.sizeBytes, position + bytes.length)
  }

  async writeThrough (bytes: Uint8Array, position: number): Promise<void> {
    this.writeThroughNow(bytes, position)
  }

  /** These bytes alone are durable: what was written before them still waits for its sync. */
  writeThroughNow (bytes: Uint8Array, position: number): void {
    const unsynced = this.#unsynced
    if (unsynced.pages.size > 0 || unsynced.cutTo !== Infinity) this.writeNow(bytes, position)
    if (this.#lies) return this.writeNow(bytes, position)
    if (unsynced.cutTo !== Infinity) return this.syncNow()
    writeWhole(this.#handle.fd, bytes, position)
    unsynced.sizeBytes = Math.max(unsynced.sizeBytes, position + bytes.length)
  }

  async sync (): Promise<void> {
    this.syncNow()
    await new Promise<void>((resolve, reject) => fdatasync(this.#handle.fd, (error) => error === null ? resolve() : reject(error)))
  }

  /** In the order of the pages: a kill meanwhile leaves some of them. */
  syncNow (): void {
    if (this.#lies) return
    const unsynced = this.#unsynced
    const { pages, cutTo, sizeBytes } = unsynced
    const { fd } = this.#handle
    unsynced.pages = new Map()
    unsynced.cutTo = Infinity
    if (cutTo !== Infinity) ftruncateSync(fd, cutTo)
    for (const [number, page] of pages) {
      const position = number * PAGE_BYTES
      if (position < sizeBytes) writeWhole(fd, page.subarray(0, sizeBytes - position), position)
    }
    if (fstatSync(fd).size !== sizeBytes) ftruncateSync(fd, sizeBytes)
  }

  async read (into: Uint8Array, position: number): Promise<number> { return this.readNow(into, position) }

  readNow (into: Uint8Array, position: number): number {
    const { sizeBytes, pages, cutTo } = this.#unsynced
    const total = Math.max(0, Math.min(into.length, sizeBytes - position))
    if (pages.size === 0 && cutTo === Infinity) return readWhole(this.#handle.fd, into.subarray(0, total), position)
    for (let done = 0; done < total;) {
      const at = position + done
      const within = at % PAGE_BYTES
      const piece = into.subarray(done, Math.min(total, done + PAGE_BYTES - within))
      const page = pages.get(Math.floor(at / PAGE_BYTES))
      if (page !== undefined) piece.set(page.subarray(within, within + piece.length))
      else this.#readSynced(piece, at, cutTo)
      done += piece.length
    }
    return total
  }

  async truncate (sizeBytes: number): Promise<void> {
    const unsynced = this.#unsynced
    for (const [number, page] of unsynced.pages) {
      if (number * PAGE_BYTES >= sizeBytes) unsynced.pages.delete(number)
      else if ((number + 1) * PAGE_BYTES > sizeBytes) page.fill(0, sizeBytes - number * PAGE_BYTES)
    }
    if (sizeBytes < unsynced.sizeBytes) unsynced.cutTo = Math.min(unsynced.cutTo, sizeBytes)
    unsynced.sizeBytes = sizeBytes
  }

  async close (): Promise<void> { await this.#handle.close() }

  #page (number: number): Uint8Array {
    const { pages, cutTo } = this.#unsynced
    let page = pages.get(number)
    if (page === undefined) {
      page = new Uint8Array(PAGE_BYTES)
      this.#readSynced(page, number * PAGE_BYTES, cutTo)
      pages.set(number, page)
    }
    return page
  }

  /** Zeros behind what there is. */
  #readSynced (into: Uint8Array, position: number, cutTo: number): void {
    const there = into.subarray(0, Math.max(0, Math.min(into.length, cutTo - position)))
    into.fill(0, readWhole(this.#handle.fd, there, position))
  }
}

/** All of a file as this process sees it. */
export async function readForgetful (path: string): Promise<Uint8Array | undefined> {
  try {
    const { ino } = await stat(path)
    if (!unsyncedByInode.has(ino)) return await readFile(path)
    const file = await ForgetfulFile.open(path, { readOnly: true })
    const bytes = new Uint8Array(await file.sizeBytes())
    file.readNow(bytes, 0)
    await file.close()
    return bytes
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function writeWhole (fd: number, bytes: Uint8Array, position: number): void {
  for (let from = 0; from < bytes.length;) from += writeSync(fd, bytes, from, bytes.length - from, position + from)
}

function readWhole (fd: number, into: Uint8Array, position: number): number {
  let from = 0
  while (from < into.length) {
    const got = readSync(fd, into, from, into.length - from, position + from)
    if (got === 0) break
    from += got
  }
  return from
}
