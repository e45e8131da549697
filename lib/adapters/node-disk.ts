import { execFile } from 'node:child_process'
import { close, closeSync, constants, fdatasync, fdatasyncSync, fstat, fsync, ftruncate, open, openSync, read, readSync, write, writeSync } from 'node:fs'
import { link, mkdir, readFile, readdir, rename, rm, stat, statfs, unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { DirectoryItem, Disk, DiskFile } from '../base/index.ts'

const onWindows = process.platform === 'win32'
const onLinux = process.platform === 'linux'
/** Logical blocks of disks are 512 or 4096 bytes. */
const BLOCK_BYTES = 4096
const WASM_PAGE_BYTES = 65_536
/** A global that no library of types for Node alone declares. */
declare const WebAssembly: { readonly Memory: new (size: { readonly initial: number, readonly maximum: number }) => { readonly buffer: ArrayBuffer } }
const openFile = promisify(open)
const closeFile = promisify(close)
const fsyncFile = promisify(fsync)
const truncateFile = promisify(ftruncate)
const statFile = promisify(fstat)

/**
 * The file system of this machine. Where platforms differ:
 * - Linux: fdatasync; aligned writes through are O_DIRECT and O_DSYNC, which spares the page cache and a second call;
 *   the boot id is the kernel's.
 * - macOS: libuv turns fdatasync into F_FULLFSYNC, so bytes reach the medium; the boot id is the boot session's uuid.
 * - Windows: a directory cannot be synced (NTFS journals names itself), so `syncDirectory` does nothing; a file open in
 *   this process can be renamed and unlinked, but a virus scanner may hold it for a moment, so both are tried again
 *   a few times; there is no boot id, which callers take as "may have rebooted".
 */
export class NodeDisk implements Disk {
  readonly alignBytes = onLinux ? BLOCK_BYTES : 1

  /** The only memory of a script that surely begins at a page is WebAssembly's. */
  alignedMemory (sizeBytes: number): Uint8Array {
    if (!onLinux) return new Uint8Array(sizeBytes)
    const pages = Math.ceil(sizeBytes / WASM_PAGE_BYTES)
    try {
      return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, sizeBytes)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      // It takes some GiB of addresses, which are limited here (ulimit -v). Other memory does too: where it is not aligned, writes go through the page cache.
      return new Uint8Array(sizeBytes)
    }
  }

  async open (path: string, { create = false, readOnly = false } = {}): Promise<DiskFile> {
    const flags = readOnly ? constants.O_RDONLY : constants.O_RDWR | (create ? constants.O_CREAT : 0)
    return new NodeFile(path, await openFile(path, flags, 0o644))
  }

  async readFile (path: string): Promise<Uint8Array | undefined> {
    return await absentAsUndefined(readFile(path))
  }

  async list (directory: string): Promise<DirectoryItem[] | undefined> {
    const items = await absentAsUndefined(readdir(directory, { withFileTypes: true }))
    return items?.map((item) => ({ name: item.name, isDirectory: item.isDirectory() }))
  }

  async makeDirectory (directory: string): Promise<void> { await mkdir(directory, { recursive: true }) }
  async rename (from: string, to: string): Promise<void> { await whileHeldByOthers(() => rename(from, to)) }
  async link (from: string, to: string): Promise<void> { await link(from, to) }
  async isLinked (path: string): Promise<boolean> { return (await stat(path)).nlink > 1 }
  async unlink (path: string): Promise<void> { await whileHeldByOthers(() => unlink(path)) }
  async removeTree (directory: string): Promise<void> { await rm(directory, { recursive: true, force: true, maxRetries: onWindows ? 5 : 0 }) }

  async syncDirectory (directory: string): Promise<void> {
    if (onWindows) return
    const fd = await openFile(directory, constants.O_RDONLY)
    try {
      await fsyncFile(fd)
    } finally {
      await closeFile(fd)
    }
  }

  async room (directory: string): Promise<{ readonly freeBytes: number, readonly totalBytes: number }> {
    const { bavail, blocks, bsize } = await statfs(directory)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  }

  async bootId (directory: string): Promise<string | undefined> {
    try {
      if (process.platform === 'linux') {
        const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()
        const mount = await mountOf(directory)
        return boot === '' || mount === undefined ? undefined : `${boot} ${mount}`
      }
      if (process.platform === 'darwin') return (await promisify(execFile)('sysctl', ['-n', 'kern.bootsessionuuid'])).stdout.trim() || undefined
    } catch {
      // Unknown: the caller must assume a reboot.
    }
    return undefined
  }
}

/** Which device is mounted there, and by which mount. */
async function mountOf (directory: string): Promise<string | undefined> {
  const fd = await openFile(directory, constants.O_RDONLY)
  try {
    const [, mount] = /^mnt_id:\s*(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? []
    return mount === undefined ? undefined : `${(await statFile(fd)).dev} ${mount}`
  } finally {
    await closeFile(fd)
  }
}

const NO_FD = -1

function isAligned (bytes: Uint8Array, position: number): boolean {
  return position % BLOCK_BYTES === 0 && bytes.length % BLOCK_BYTES === 0 && bytes.byteOffset % BLOCK_BYTES === 0
}

/** A file opened once more, for writes that go straight to the device. */
class DirectHandle {
  readonly #fileFd: number
  readonly #flags: number
  /** Undefined before the first use, NO_FD where there are none. */
  #fd: number | undefined = onLinux ? undefined : NO_FD

  constructor (fileFd: number, moreFlags: number) {
    this.#fileFd = fileFd
    this.#flags = constants.O_RDWR | constants.O_DIRECT | moreFlags
  }

  /** For these bytes; NO_FD: write them otherwise. */
  fdFor (bytes: Uint8Array, position: number): number {
    if (!isAligned(bytes, position)) return NO_FD
    if (this.#fd === undefined) {
      try {
        // By the open handle, since the file may have been renamed.
        this.#fd = openSync(`/proc/self/fd/${this.#fileFd}`, this.#flags)
      } catch {
        this.#fd = NO_FD
      }
    }
    return this.#fd
  }

  /** Not every file system has such writes; EINVAL means that it looked at the request alone, and wrote nothing. Any other error is one of the disk. */
  giveUp (error: unknown): void {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    closeSync(this.#fd!)
    this.#fd = NO_FD
  }

  async close (): Promise<void> {
    const fd = this.#fd
    this.#fd = NO_FD
    if (fd !== undefined && fd !== NO_FD) await closeFile(fd)
  }
}

class NodeFile implements DiskFile {
  readonly path: string
  readonly #fd: number
  readonly #through: DirectHandle
  readonly #uncached: DirectHandle

  constructor (path: string, fd: number) {
    this.path = path
    this.#fd = fd
    this.#through = new DirectHandle(fd, constants.O_DSYNC)
    this.#uncached = new DirectHandle(fd, 0)
  }

  async sizeBytes (): Promise<number> { return (await statFile(this.#fd)).size }

  write (bytes: Uint8Array, position: number): Promise<void> { return this.#write(this.#fd, bytes, position) }

  writeNow (bytes: Uint8Array, position: number): void { this.#writeNow(this.#fd, bytes, position) }

  async writeUncached (bytes: Uint8Array, position: number): Promise<void> {
    if (!await this.#writeDirect(this.#uncached, bytes, position)) await this.write(bytes, position)
  }

  async writeThrough (bytes: Uint8Array, position: number): Promise<void> {
    if (await this.#writeDirect(this.#through, bytes, position)) return
    await this.write(bytes, position)
    await this.sync()
  }

  writeThroughNow (bytes: Uint8Array, position: number): void {
    const through = this.#through
    const fd = through.fdFor(bytes, position)
    if (fd !== NO_FD) {
      try {
        this.#writeNow(fd, bytes, position)
        return
      } catch (error) {
        through.giveUp(error)
      }
    }
    this.writeNow(bytes, position)
    this.syncNow()
  }

  /** Returns whether it did. */
  async #writeDirect (handle: DirectHandle, bytes: Uint8Array, position: number): Promise<boolean> {
    const fd = handle.fdFor(bytes, position)
    if (fd === NO_FD) return false
    try {
      await this.#write(fd, bytes, position)
      return true
    } catch (error) {
      handle.giveUp(error)
      return false
    }
  }

  #write (fd: number, bytes: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const writeFrom = (from: number): void => {
        write(fd, bytes, from, bytes.length - from, position + from, (error, written) => {
          if (error !== null) reject(error)
          else if (from + written === bytes.length) resolve()
          else if (written === 0) reject(wroteNothing(this.path))
          else writeFrom(from + written)
        })
      }
      writeFrom(0)
    })
  }

  #writeNow (fd: number, bytes: Uint8Array, position: number): void {
    for (let from = 0; from < bytes.length;) {
      const written = writeSync(fd, bytes, from, bytes.length - from, position + from)
      if (written === 0) throw wroteNothing(this.path)
      from += written
    }
  }

  sync (): Promise<void> {
    return new Promise((resolve, reject) => fdatasync(this.#fd, (error) => error === null ? resolve() : reject(error)))
  }

  syncNow (): void { fdatasyncSync(this.#fd) }

  read (into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const readFrom = (from: number): void => {
        read(this.#fd, into, from, into.length - from, position + from, (error, bytesRead) => {
          if (error !== null) reject(error)
          else if (bytesRead === 0 || from + bytesRead === into.length) resolve(from + bytesRead)
          else readFrom(from + bytesRead)
        })
      }
      readFrom(0)
    })
  }

  readNow (into: Uint8Array, position: number): number {
    let from = 0
    while (from < into.length) {
      const bytesRead = readSync(this.#fd, into, from, into.length - from, position + from)
      if (bytesRead === 0) break
      from += bytesRead
    }
    return from
  }

  async truncate (sizeBytes: number): Promise<void> { await truncateFile(this.#fd, sizeBytes) }

  async close (): Promise<void> {
    await this.#through.close()
    await this.#uncached.close()
    await closeFile(this.#fd)
  }
}

function wroteNothing (path: string): Error {
  return Object.assign(new Error(`the file system took no bytes of ${path}`), { code: 'EIO' })
}

async function absentAsUndefined<T> (result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function whileHeldByOthers (action: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const held = onWindows && (code === 'EPERM' || code === 'EBUSY' || code === 'EACCES')
      if (!held || attempt === 8) throw error
      await new Promise((resolve) => setTimeout(resolve, 5 << attempt))
    }
  }
}
