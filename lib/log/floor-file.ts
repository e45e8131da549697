import type { Disk } from '../base/index.ts'
import { SlotFile, SlotKind } from './slot-file.ts'

/** Where the log begins: the first entry kept is `index` + 1, at `physicalOffset`, and follows an entry of `term`. */
export interface LogFloor {
  readonly index: number
  readonly term: number
  readonly physicalOffset: number
}

const START: LogFloor = { index: 0, term: 0, physicalOffset: 0 }

/** The floor, durable before anything below it is removed (Raft paper, section 7). */
export class FloorFile {
  readonly #slots: SlotFile

  private constructor (slots: SlotFile) {
    this.#slots = slots
  }

  static async open (disk: Disk, directory: string, groupSeed: bigint): Promise<FloorFile> {
    return new FloorFile(await SlotFile.open(disk, `${directory}/floor`, { kind: SlotKind.floor, valueCount: 3, seed: groupSeed }))
  }

  get exists (): boolean { return this.#slots.values !== undefined }

  get floor (): LogFloor {
    const values = this.#slots.values
    return values === undefined ? START : { index: values[0]!, term: values[1]!, physicalOffset: values[2]! }
  }

  /** A process killed while it wrote may leave what only the system's cache has: makes what was read durable. */
  async settle (): Promise<void> {
    if (!this.#slots.isAgreed) await this.#slots.writeBoth(this.#slots.values!)
  }

  async save ({ index, term, physicalOffset }: LogFloor): Promise<void> {
    await this.#slots.writeBoth([index, term, physicalOffset])
  }

  async close (): Promise<void> { await this.#slots.close() }
}
