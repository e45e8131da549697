import { dirname } from 'node:path'
import { getInt64, hash64, loadChecksum, MqError, setInt64, viewOf, type Disk, type DiskFile } from '../base/index.ts'

/**
 * A few integers that must survive a crash at any moment: two copies ("slots"), each with a checksum and a sequence
 * number, far enough apart that one torn write or one bad sector never takes both. Big-endian:
 *
 *     0 magic u32 | 4 kind u8 | 5 version u8 | 6 valueCount u16 | 8 sequence i64 | 16 values i64… | checksum u64
 *
 * The file is made under another name and renamed, so a file that exists has had two good slots once; with both bad it
 * has rotted. The checksum is seeded, for files of one group with the group's seed.
 */
export const SlotKind = { vote: 1, syncMark: 2, cutIntent: 3, floor: 4, applied: 5, doubt: 6 } as const
export type SlotKind = typeof SlotKind[keyof typeof SlotKind]

const SLOT_MAGIC = 0x4C4D5153
const SLOT_VERSION = 1
const SLOT_STRIDE = 4096

export interface SlotFileFormat {
  readonly kind: SlotKind
  readonly valueCount: number
  readonly seed: bigint
}

interface Slot { readonly sequence: number, readonly values: readonly number[] }

export class SlotFile {
  readonly path: string
  /** Slots (0 or 1 of 2) that could not be read when the file was opened. */
  readonly badSlots: readonly number[]
  readonly #disk: Disk
  readonly #format: SlotFileFormat
  #file: DiskFile | undefined
  #values: readonly number[] | undefined
  #sequence: number
  #agreed: boolean
  #failure: unknown

  private constructor (disk: Disk, path: string, format: SlotFileFormat, slots: ReadonlyArray<Slot | undefined>) {
    this.#disk = disk
    this.path = path
    this.#format = format
    this.badSlots = slots.flatMap((slot, number) => slot === undefined ? [number] : [])
    const newest = slots.reduce((best, slot) => slot !== undefined && (best === undefined || slot.sequence > best.sequence) ? slot : best, undefined)
    this.#values = newest?.values
    this.#sequence = newest?.sequence ?? 0
    this.#agreed = slots.every((slot) => slot?.values.every((value, i) => value === newest?.values[i]))
  }

  /**
   * Reads the file; one that does not exist has no values and is made by the first write.
   * @throws MQ_CORRUPT both slots are bad
   * @throws MQ_FORMAT_TOO_NEW a newer version wrote it
   */
  static async open (disk: Disk, path: string, format: SlotFileFormat): Promise<SlotFile> {
    await loadChecksum()
    const bytes = await disk.readFile(path)
    if (bytes === undefined) return new SlotFile(disk, path, format, [])
    const slots = [decodeSlot(bytes, 0, path, format), decodeSlot(bytes, SLOT_STRIDE, path, format)]
    if (slots[0] === undefined && slots[1] === undefined) {
      throw new MqError('MQ_CORRUPT', `${path}: both copies (bytes 0 and ${SLOT_STRIDE}) fail their checksum`, { file: path, position: 0 })
    }
    return new SlotFile(disk, path, format, slots)
  }

  /** The newest readable values; undefined while the file does not exist. */
  get values (): readonly number[] | undefined { return this.#values }
  /** Whether both slots hold the newest values. */
  get isAgreed (): boolean { return this.#agreed }

  /** Writes and syncs one slot, then the other: afterwards one bad slot cannot bring back older values. */
  async writeBoth (values: readonly number[]): Promise<void> {
    if (this.#values === undefined) return await this.#create(values)
    // The older slot first: the one that holds the current values stays until the other is safe.
    await this.writeNext(values)
    await this.writeNext(values)
    this.#agreed = true
  }

  /**
   * Writes and syncs the older slot only: cheaper, and a bad slot may later bring back the values before these. After a
   * failure the slot may be torn, and the other is all there is: nothing more is written, every call fails like the first.
   */
  async writeNext (values: readonly number[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#values === undefined) return await this.#create(values)
    const file = this.#file ??= await this.#disk.open(this.path)
    const at = this.#nextSlot * SLOT_STRIDE
    this.#sequence++
    try {
      await file.write(encodeSlot(this.#format, this.#sequence, values), at)
      await file.sync()
    } catch (error) {
      this.#failure = error
      throw error
    }
    this.#values = values
    this.#agreed = false
  }

  async close (): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  /** Sequence numbers alternate between the slots: even ones stand in slot 0. */
  get #nextSlot (): number { return (this.#sequence + 1) % 2 }

  async #create (values: readonly number[]): Promise<void> {
    const fresh = `${this.path}.new`
    const file = await this.#disk.open(fresh, { create: true })
    try {
      await file.write(encodeSlot(this.#format, 2, values), 0)
      await file.write(encodeSlot(this.#format, 3, values), SLOT_STRIDE)
      await file.sync()
      await this.#disk.rename(fresh, this.path)
      await this.#disk.syncDirectory(dirname(this.path))
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
    this.#values = values
    this.#sequence = 3
    this.#agreed = true
  }
}

function encodeSlot ({ kind, valueCount, seed }: SlotFileFormat, sequence: number, values: readonly number[]): Uint8Array {
  const slot = new Uint8Array(24 + 8 * valueCount)
  const view = viewOf(slot)
  view.setUint32(0, SLOT_MAGIC)
  view.setUint8(4, kind)
  view.setUint8(5, SLOT_VERSION)
  view.setUint16(6, valueCount)
  setInt64(view, 8, sequence)
  for (let i = 0; i < valueCount; i++) setInt64(view, 16 + 8 * i, values[i]!)
  view.setBigUint64(16 + 8 * valueCount, hash64(slot.subarray(0, 16 + 8 * valueCount), seed))
  return slot
}

function decodeSlot (bytes: Uint8Array, at: number, path: string, { kind, valueCount, seed }: SlotFileFormat): Slot | undefined {
  if (bytes.length < at + 24) return undefined
  const view = viewOf(bytes)
  const count = view.getUint16(at + 6)
  const end = at + 16 + 8 * count
  if (view.getUint32(at) !== SLOT_MAGIC || end + 8 > bytes.length) return undefined
  if (hash64(bytes.subarray(at, end), seed) !== view.getBigUint64(end)) return undefined
  if (view.getUint8(at + 5) !== SLOT_VERSION) {
    throw new MqError('MQ_FORMAT_TOO_NEW', `${path} has format ${view.getUint8(at + 5)}, newer than ${SLOT_VERSION}`, { file: path })
  }
  if (view.getUint8(at + 4) !== kind || count !== valueCount) return undefined
  return { sequence: getInt64(view, at + 8), values: Array.from({ length: count }, (_, i) => getInt64(view, at + 16 + 8 * i)) }
}
