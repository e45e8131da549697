/**
 * The seam between LedgerMQ and the machine. Core code is given these ports and touches nothing else, so that the
 * simulator can run the shipped code on virtual time and a virtual disk.
 */

export interface Timer { cancel (): void }

export interface Clock {
  /** Wall-clock time in ms since 1970. May jump. Only stamps and user-visible times use it. */
  wallMs (): number
  /** Monotonic time in ms, with fractions; the origin is arbitrary. All time-outs use it. */
  nowMs (): number
  /** Runs `fn` once, not before `delayMs` have passed. Production timers do not keep a process alive. */
  setTimer (delayMs: number, fn: () => void): Timer
  /** Runs `fn` once, after what is ready now has been served (`setImmediate`). Keeps the process alive until it ran. */
  defer (fn: () => void): void
}

export interface Random {
  /** Uniform in [0, 1). */
  next (): number
}

export interface DirectoryItem {
  readonly name: string
  readonly isDirectory: boolean
}

/**
 * A disk. Paths are those of the platform. Nothing is durable before the `sync` that covers it: `DiskFile.sync` for a
 * file's bytes, `syncDirectory` for create, rename and unlink. Every failure rejects (or throws, in a `*Now` call) with
 * the platform's error, `code` set (`ENOSPC`, `EIO`, `ENOENT`, ...).
 */
export interface Disk {
  /**
   * `writeThrough` is at its best, straight from memory to the device, when position and length are multiples of this and
   * the bytes begin at a multiple of it in memory from `alignedMemory`. 1: alignment gains nothing here.
   */
  readonly alignBytes: number
  /** Zeroed memory that begins at a multiple of `alignBytes`. */
  alignedMemory (sizeBytes: number): Uint8Array
  /** Opens for reading and writing; `create: true` makes the file when it is missing. One handle for a file's life. */
  open (path: string, options?: { readonly create?: boolean, readonly readOnly?: boolean }): Promise<DiskFile>
  /** The whole file, or undefined when there is none. */
  readFile (path: string): Promise<Uint8Array | undefined>
  /** Names in a directory, in no particular order; undefined when there is none. */
  list (directory: string): Promise<DirectoryItem[] | undefined>
  /** Makes the directory and its parents; fine when it is there already. */
  makeDirectory (directory: string): Promise<void>
  rename (from: string, to: string): Promise<void>
  /** A second name for the file, which then has two; `to` is not there yet. Fails, with varying codes, where the file system has no such names. */
  link (from: string, to: string): Promise<void>
  /** The file has other names, as `link` makes them; fails when it is missing. */
  isLinked (path: string): Promise<boolean>
  unlink (path: string): Promise<void>
  /** Removes a directory and all in it; fine when there is none. Not atomic. */
  removeTree (directory: string): Promise<void>
  /** Makes create, rename and unlink in that directory durable. A no-op where the platform has no such call. */
  syncDirectory (directory: string): Promise<void>
  /** Bytes free for this user, and in all, on the file system that holds `directory`. */
  room (directory: string): Promise<{ readonly freeBytes: number, readonly totalBytes: number }>
  /** Changes at every boot of the machine, and when the file system of that directory is mounted anew; undefined where that cannot be told. */
  bootId (directory: string): Promise<string | undefined>
}

export interface DiskFile {
  readonly path: string
  sizeBytes (): Promise<number>
  /** Writes all of `bytes` at `position` (a short write is completed) or rejects. Callers never overlap two writes of a file. */
  write (bytes: Uint8Array, position: number): Promise<void>
  /** The same on the calling thread. */
  writeNow (bytes: Uint8Array, position: number): void
  /** `write` of much that nobody reads soon: past the page cache where the disk and the alignment allow. Not durable before `sync`. */
  writeUncached (bytes: Uint8Array, position: number): Promise<void>
  /** `write` and `sync` of these bytes in one step. Bytes written otherwise still need their `sync`. */
  writeThrough (bytes: Uint8Array, position: number): Promise<void>
  /** The same on the calling thread. */
  writeThroughNow (bytes: Uint8Array, position: number): void
  /** fdatasync. */
  sync (): Promise<void>
  /** The same on the calling thread. */
  syncNow (): void
  /** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  read (into: Uint8Array, position: number): Promise<number>
  readNow (into: Uint8Array, position: number): number
  /** Cuts or extends (with zeros) to that size. */
  truncate (sizeBytes: number): Promise<void>
  close (): Promise<void>
}

/** Where diagnostics go; console and pino fit. */
export interface Logger {
  debug (message: string, facts?: object): void
  info (message: string, facts?: object): void
  warn (message: string, facts?: object): void
  error (message: string, facts?: object): void
}

export const silentLogger: Logger = { debug () {}, info () {}, warn () {}, error () {} }
