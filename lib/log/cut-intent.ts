import type { Disk } from '../base/index.ts'
import { SlotFile, SlotKind } from './slot-file.ts'

/** A truncation under way: everything in [from, to) is to become zeros. Positions of the log. */
export interface Cut {
  readonly from: number
  readonly to: number
}

/** Remembers a truncation from before its first zero until after its last, so that a start after a crash finishes it. */
export class CutIntent {
  readonly #slots: SlotFile

  private constructor (slots: SlotFile) {
    this.#slots = slots
  }

  static async open (disk: Disk, directory: string, groupSeed: bigint): Promise<CutIntent> {
    return new CutIntent(await SlotFile.open(disk, `${directory}/intent`, { kind: SlotKind.cutIntent, valueCount: 3, seed: groupSeed }))
  }

  get cut (): Cut | undefined {
    const values = this.#slots.values
    return values?.[0] === 1 ? { from: values[1]!, to: values[2]! } : undefined
  }

  /** A process killed while it wrote may leave what only the system's cache has: makes what was read durable. */
  async settle (): Promise<void> {
    if (!this.#slots.isAgreed) await this.#slots.writeBoth(this.#slots.values!)
  }

  async set ({ from, to }: Cut): Promise<void> { await this.#slots.writeBoth([1, from, to]) }
  /** Both slots: a cut that is done must never be done again. */
  async clear (): Promise<void> { await this.#slots.writeBoth([0, 0, 0]) }
  async close (): Promise<void> { await this.#slots.close() }
}
