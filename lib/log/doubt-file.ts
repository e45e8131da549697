import { dirname } from 'node:path'
import { hash64, type Disk, type Logger } from '../base/index.ts'
import { NO_DOUBT, type Doubt } from '../raft/index.ts'
import { SlotFile, SlotKind } from './slot-file.ts'

/** Its name in a data directory. */
export const DOUBT_FILE = 'doubt'

const SEED = 0x646f756274n
const FORMAT = { kind: SlotKind.doubt, valueCount: 3, seed: SEED }
/** Entries were acknowledged that may not be on disk. */
const UNSYNCED = 1
const IN_DOUBT = 2

/**
 * Whether this node may lack entries that it acknowledged: it acknowledged some that were only written, was not closed,
 * and runs on another boot of the machine, or another mount of the file system, than then; or its log was damaged, and another
 * node's has taken its place. A process that ends leaves all that it wrote with the system. Each change is durable before
 * anything rests on it. While neither was ever the case there is no file.
 *
 *     values: life | flags | hash of boot and mount, 52 bits; 0: unknown
 */
export class DoubtFile {
  readonly #slots: SlotFile
  readonly #boot: number
  #doubt: Doubt
  #isUnsynced: boolean

  private constructor (slots: SlotFile, boot: number, [life = 0, flags = 0]: readonly number[]) {
    this.#slots = slots
    this.#boot = boot
    this.#doubt = life === 0 ? NO_DOUBT : { life, inDoubt: (flags & IN_DOUBT) !== 0 }
    this.#isUnsynced = (flags & UNSYNCED) !== 0
  }

  /**
   * Before anything else of a node is touched: what is found in doubt is so durably when this resolves.
   * @throws MQ_CORRUPT nobody knows whether this node is in doubt
   */
  static async open (disk: Disk, path: string, logger: Logger): Promise<DoubtFile> {
    const directory = dirname(path)
    await disk.syncDirectory(directory)
    const slots = await SlotFile.open(disk, path, FORMAT)
    const values = slots.values ?? []
    const bootId = values.length === 0 ? undefined : await disk.bootId(directory)
    const file = new DoubtFile(slots, bootHash(bootId), values)
    const [, , boot] = values
    if (file.#isUnsynced && (file.#boot === 0 || file.#boot !== boot)) {
      file.#doubt = { life: file.#doubt.life + 1, inDoubt: true }
      await file.#write()
      logger.warn('the machine of this node was stopped before all that it had confirmed was on its disk (flushDiskType ASYNC_FLUSH): it neither votes nor counts until it has it again', { life: file.#doubt.life })
    } else if (values.length > 0 && !slots.isAgreed) {
      await file.#write()
    }
    return file
  }

  get doubt (): Doubt { return this.#doubt }

  /** Entries are acknowledged from now on when they are written. */
  async noteUnsynced (disk: Disk): Promise<void> {
    if (this.#isUnsynced && this.#slots.values?.[2] === this.#boot && this.#boot !== 0) return
    const boot = bootHash(await disk.bootId(dirname(this.#slots.path)))
    this.#isUnsynced = true
    await this.#write(boot)
  }

  /** All that was acknowledged is on disk, and from now on nothing is before it is. */
  async noteSynced (): Promise<void> {
    if (!this.#isUnsynced) return
    this.#isUnsynced = false
    await this.#write()
  }

  /** What was acknowledged may have been lost otherwise: with a log that another one takes the place of. */
  async begin (): Promise<void> {
    this.#doubt = { life: this.#doubt.life + 1, inDoubt: true }
    await this.#write()
  }

  /** Nothing is missing any more. */
  async end (): Promise<void> {
    this.#doubt = { ...this.#doubt, inDoubt: false }
    await this.#write()
  }

  async close (): Promise<void> { await this.#slots.close() }

  async #write (boot = this.#boot): Promise<void> {
    const { life, inDoubt } = this.#doubt
    await this.#slots.writeBoth([life, (inDoubt ? IN_DOUBT : 0) | (this.#isUnsynced ? UNSYNCED : 0), boot])
  }
}

function bootHash (bootId: string | undefined): number {
  return bootId === undefined ? 0 : Number(hash64(Buffer.from(bootId), SEED) >> 12n) || 1
}
