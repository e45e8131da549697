import { viewOf, type DiskFile } from '../base/index.ts'

const EMPTY = new Uint8Array(0)

/** A piece of a file in memory that moves along a scan. Positions are bytes of the file. */
export class EntryWindow {
  readonly #file: DiskFile
  readonly #reuse: boolean
  bytes: Uint8Array = EMPTY
  view: DataView = viewOf(EMPTY)
  start = 0

  /** `reuse`: nobody keeps views on what was read, so one buffer serves the whole scan. */
  constructor (file: DiskFile, { reuse }: { readonly reuse: boolean }) {
    this.#file = file
    this.#reuse = reuse
  }

  get end (): number { return this.start + this.bytes.length }

  has (from: number, sizeBytes: number): boolean {
    return from >= this.start && from + sizeBytes <= this.end
  }

  /** Reads [from, from + sizeBytes); holds less only at the end of the file. */
  async load (from: number, sizeBytes: number): Promise<void> {
    // Never a Buffer, `slice` of which copies nothing.
    const memory = this.#reuse && this.bytes.buffer.byteLength >= sizeBytes ? this.bytes.buffer : Buffer.allocUnsafeSlow(sizeBytes).buffer
    const whole = new Uint8Array(memory, 0, sizeBytes)
    const bytesRead = await this.#file.read(whole, from)
    this.bytes = bytesRead === sizeBytes ? whole : whole.subarray(0, bytesRead)
    this.view = viewOf(this.bytes)
    this.start = from
  }
}
