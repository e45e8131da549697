import { dirname } from 'node:path'
import { MqError, type Disk, type Logger } from '../base/index.ts'
import type { HardState } from '../raft/index.ts'
import { SlotFile, SlotKind } from './slot-file.ts'

const FORMAT = { kind: SlotKind.vote, valueCount: 2, seed: 0x766f7465n }

/**
 * Term and vote, durable before any message that rests on them leaves (Raft paper, figure 2). Two slots: A is written
 * and synced, then B. One bad slot at start: the other counts. Both bad: the node must not start, because it may have
 * voted in a term it no longer remembers.
 */
export class VoteFile {
  readonly #slots: SlotFile
  #hardState: HardState
  #saving: Promise<void> = Promise.resolve()
  #failure: MqError | undefined

  private constructor (slots: SlotFile, hardState: HardState) {
    this.#slots = slots
    this.#hardState = hardState
  }

  /**
   * Opens or makes the file. `mustExist` refuses a missing one: for a directory that already holds a log.
   * @throws MQ_CORRUPT both slots are bad, or the file is missing and must exist
   */
  static async open (disk: Disk, path: string, logger: Logger, { mustExist = false } = {}): Promise<VoteFile> {
    // A killed process may have made the file without making its name durable.
    await disk.syncDirectory(dirname(path))
    const slots = await SlotFile.open(disk, path, FORMAT)
    if (slots.values === undefined) {
      if (mustExist) throw new MqError('MQ_CORRUPT', `${path} is missing: this node's term and vote are unknown, so it must not vote again under its old id`, { file: path, position: 0 })
      await slots.writeBoth([0, 0])
    } else if (!slots.isAgreed) {
      // A crash between the two writes, or a bad slot: both must agree before anything rests on the newer one.
      if (slots.badSlots.length > 0) logger.warn(`${path}: copy ${slots.badSlots.join()} of term and vote failed its checksum and was restored from the other`, { file: path })
      await slots.writeBoth(slots.values)
    }
    const [term, vote] = slots.values!
    return new VoteFile(slots, { term: term!, vote: vote! })
  }

  /** What was saved last, or is being saved. */
  get hardState (): HardState { return this.#hardState }

  /** Resolves when `hardState` is durable in both slots. After an error every later call rejects. */
  async save (hardState: HardState): Promise<void> {
    this.#hardState = hardState
    this.#saving = this.#saving.then(async () => {
      if (this.#failure !== undefined) throw this.#failure
      try {
        await this.#slots.writeBoth([hardState.term, hardState.vote])
      } catch (cause) {
        throw this.#fail(cause)
      }
    })
    // A later save must see the failure as its own rejection, not as an unhandled one here.
    const saving = this.#saving
    this.#saving = saving.catch(() => {})
    await saving
  }

  async close (): Promise<void> {
    await this.#saving
    await this.#slots.close()
  }

  #fail (cause: unknown): MqError {
    this.#failure ??= new MqError('MQ_IO', `${this.#slots.path} could not be written: ${(cause as Error).message}`, { file: this.#slots.path, cause })
    return this.#failure
  }
}
