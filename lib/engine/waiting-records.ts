import { isMqError, type Clock, type MqError } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'
import type { ConsumeQueue, Store } from '../store/index.ts'

/** Records that are stored anew together. */
export const STORED_ANEW_BYTES = 256 * 1024
const AGED_CHECK_MS = 60_000

/** The queue that a message which waits goes to, within a decision; undefined: its topic is gone. */
export function queueToBe ({ metadata, consumeQueues }: Store, { topic, queueId }: { readonly topic: string, readonly queueId: number }): ConsumeQueue | undefined {
  const config = metadata.proposedTopic(topic)
  return config === undefined ? undefined : consumeQueues.proposed(topic, queueId % Math.max(1, config.readQueueNums, config.writeQueueNums))
}

/** The bytes of a message that waits, which are the caller's; undefined: they cannot be read any more, which is told before. */
export async function readWaiting (log: Pick<RaftLog, 'read'>, { physicalOffset, sizeBytes }: { readonly physicalOffset: number, readonly sizeBytes: number }, onUnreadable: (error: MqError) => void): Promise<Uint8Array | undefined> {
  try {
    return (await log.read(physicalOffset, sizeBytes)).slice()
  } catch (error) {
    if (!isMqError(error, 'MQ_CORRUPT') && !isMqError(error, 'MQ_MESSAGE_NOT_FOUND')) throw error
    onUnreadable(error)
    return undefined
  }
}

/** What stands below `position` is too near to the end of its time in the log to be delivered where it stands. Looked at now and then. */
export class AgedBelow {
  readonly #clock: Clock
  readonly #agedBelow: () => Promise<number>
  #checkedMs = -Infinity
  position = 0

  constructor (clock: Clock, agedBelow: () => Promise<number>) {
    this.#clock = clock
    this.#agedBelow = agedBelow
  }

  async look (): Promise<void> {
    if (this.#clock.nowMs() - this.#checkedMs < AGED_CHECK_MS) return
    this.#checkedMs = this.#clock.nowMs()
    this.position = await this.#agedBelow()
  }
}

/** Collects messages until their records are as many as go into one entry. */
export class Batch<Loaded extends { readonly record: Uint8Array | undefined }> {
  readonly #flush: (loaded: readonly Loaded[]) => Promise<void>
  #loaded: Loaded[] = []
  #bytes = 0

  constructor (flush: (loaded: readonly Loaded[]) => Promise<void>) {
    this.#flush = flush
  }

  async add (loaded: Loaded): Promise<void> {
    this.#loaded.push(loaded)
    this.#bytes += loaded.record?.length ?? 0
    if (this.#bytes >= STORED_ANEW_BYTES) await this.finish()
  }

  async finish (): Promise<void> {
    const loaded = this.#loaded
    this.#loaded = []
    this.#bytes = 0
    if (loaded.length > 0) await this.#flush(loaded)
  }
}
