import { diskErrorCode, getInt64, hash64, setInt64, takePlace, viewOf, writeFresh, type Disk } from '../base/index.ts'
import { TermTable } from './term-table.ts'

const MAGIC = 0x4C4D5154
const VERSION = 1

/**
 * The terms of sealed segments, so that opening need not walk those in which the term changed. Derived: when it is
 * missing, damaged or does not fit the segments' headers, they are walked. Big-endian: magic u32, version u32,
 * throughIndex i64, then (term i64, firstIndex i64)…, checksum u64.
 */
export class TermsFile {
  readonly #disk: Disk
  readonly #directory: string
  readonly #groupSeed: bigint
  /** The file holds the terms of all entries through this one; 0 when there is none. */
  throughIndex = 0
  readonly terms = new TermTable()

  constructor (disk: Disk, directory: string, groupSeed: bigint) {
    this.#disk = disk
    this.#directory = directory
    this.#groupSeed = groupSeed
  }

  async load (): Promise<void> {
    const bytes = await this.#disk.readFile(this.#path)
    if (bytes === undefined || bytes.length < 24 || bytes.length % 16 !== 8) return
    const view = viewOf(bytes)
    const end = bytes.length - 8
    if (view.getUint32(0) !== MAGIC || view.getUint32(4) !== VERSION || view.getBigUint64(end) !== hash64(bytes.subarray(0, end), this.#groupSeed)) return
    this.throughIndex = getInt64(view, 8)
    for (let at = 16; at < end; at += 16) this.terms.note(getInt64(view, at + 8), getInt64(view, at))
  }

  /** Where there is no room for it, it stays as it is. */
  async save (terms: TermTable, throughIndex: number): Promise<void> {
    if (terms.hasUnknownThrough(throughIndex)) return
    const pairs = terms.entries().filter(({ firstIndex }) => firstIndex <= throughIndex)
    const bytes = new Uint8Array(24 + 16 * pairs.length)
    const view = viewOf(bytes)
    view.setUint32(0, MAGIC)
    view.setUint32(4, VERSION)
    setInt64(view, 8, throughIndex)
    for (const [i, { term, firstIndex }] of pairs.entries()) {
      setInt64(view, 16 + 16 * i, term)
      setInt64(view, 24 + 16 * i, firstIndex)
    }
    view.setBigUint64(bytes.length - 8, hash64(bytes.subarray(0, bytes.length - 8), this.#groupSeed))
    if (!await this.#hasWritten(bytes)) return
    await takePlace(this.#disk, this.#path)
    this.throughIndex = throughIndex
  }

  async #hasWritten (bytes: Uint8Array): Promise<boolean> {
    try {
      await writeFresh(this.#disk, this.#path, bytes)
      return true
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOSPC') throw error
      return false
    }
  }

  /** Before entries from `index` on are cut: a file that tells of them must be gone. */
  async forgetFrom (index: number): Promise<void> {
    if (index > this.throughIndex) return
    await this.#disk.unlink(this.#path)
    await this.#disk.syncDirectory(this.#directory)
    this.throughIndex = 0
  }

  get #path (): string { return `${this.#directory}/terms` }
}
