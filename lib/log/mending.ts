import { isMqError, MqError, type Logger } from '../base/index.ts'
import { decodeHeader, ENTRY_HEADER_BYTES } from './entry.ts'
import type { ChainPoint } from './entry-walk.ts'
import type { LogUpkeep } from './log-upkeep.ts'
import { endOfEntries, type Refetch } from './refetch.ts'
import type { SegmentStore } from './segment-store.ts'
import type { Writer } from './writer.ts'

/** So many damaged places are mended for one read, or one start. */
export const MAX_PLACES = 64

export interface MendingOptions {
  readonly refetch: Refetch
  readonly logger: Logger
  readonly groupSeed: bigint
  readonly segments: SegmentStore
  readonly writer: Writer
  readonly upkeep: LogUpkeep
  /** The term of an entry that is in the log. */
  readonly term: (index: number) => number | undefined
  /** Stops the log, as a disk that fails always does; returns what it fails with from then on. */
  readonly onFailure: (error: unknown) => MqError
}

/**
 * Entries that are found damaged when they are read are written anew from other nodes, in their place. Only what fits
 * between the entries before and behind is taken, so it is what stood there. A stop in the middle leaves what was
 * damaged damaged, and nothing else.
 */
export class Mending {
  readonly #options: MendingOptions
  readonly #underWay = new Map<number, Promise<boolean>>()

  constructor (options: MendingOptions) {
    this.#options = options
  }

  /** The result of `read`, which is tried again where what it met was mended. */
  async reading<T> (read: () => Promise<T>): Promise<T> {
    for (let places = 0; ; places++) {
      try {
        return await read()
      } catch (error) {
        if (places === MAX_PLACES || !isMqError(error, 'MQ_CORRUPT') || !await this.#mended(error)) throw error
      }
    }
  }

  async #mended (error: MqError): Promise<boolean> {
    const { physicalOffset: from, resumePosition: to, index } = error
    if (typeof from !== 'number' || typeof to !== 'number' || typeof index !== 'number') return false
    let mending = this.#underWay.get(from)
    if (mending === undefined) {
      mending = this.#mend(from, to, index, error).finally(() => { this.#underWay.delete(from) })
      this.#underWay.set(from, mending)
    }
    return await mending
  }

  async #mend (from: number, to: number, index: number, { message }: MqError): Promise<boolean> {
    const { refetch, logger, groupSeed, segments, writer, upkeep, term, onFailure } = this.#options
    const behind = await this.#pointAt(to, from)
    const bytes = await refetch({ from, to }, (bytes) => {
      const end = endOfEntries(bytes, groupSeed, { position: from, index, prevTerm: term(index - 1) }, to)
      return end !== undefined && end.prevTerm === (term(end.index - 1) ?? (behind?.index === end.index ? behind.prevTerm : undefined))
    })
    if (bytes === undefined) return false
    let isDone = false
    await upkeep.inTurn(async () => {
      const segment = segments.containing(from)
      if (segment === undefined || segment.isRemoved || to > segment.endPosition) return
      // No other write of that file meanwhile.
      await writer.hold()
      try {
        await segment.use(async (file) => {
          await file.write(bytes, from - segment.basePosition)
          await file.sync()
        })
        isDone = true
      } catch (error) {
        throw error instanceof MqError ? error : onFailure(error)
      } finally {
        writer.release()
      }
    })
    if (isDone) logger.warn(`${message}; written anew from another node`, { from, to })
    return isDone
  }

  /** What the entry at `position` says of itself, or the file that begins there: of damage before it the terms may be unknown. */
  async #pointAt (position: number, inSegmentOf: number): Promise<ChainPoint | undefined> {
    const { groupSeed, segments } = this.#options
    const segment = segments.containing(inSegmentOf)
    if (segment === undefined || segment.isRemoved) return undefined
    if (position === segment.endPosition) {
      const next = segments.after(segment)
      return next && { position, index: next.firstIndex, prevTerm: next.prevTerm }
    }
    const bytes = new Uint8Array(ENTRY_HEADER_BYTES)
    await segment.use((file) => file.read(bytes, position - segment.basePosition))
    const header = decodeHeader(bytes, new DataView(bytes.buffer), 0, groupSeed)
    return header?.physicalOffset === position ? { position, index: header.index, prevTerm: header.prevTerm } : undefined
  }
}
