import { invariant, isMqError, MqError } from '../base/index.ts'
import type { Kv, KeyRange } from '../kv/index.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { PageCache } from './page-cache.ts'
import { decodeUnits, PAGE_UNITS, UnitPage } from './unit-page.ts'

/**
 * Units of one queue from `offset` on, at most to the end of a page: those numbered [from, to) within `page`. The page
 * may grow afterwards; what lies in [from, to) does not change.
 */
export interface Units {
  readonly offset: number
  readonly page: UnitPage
  readonly from: number
  readonly to: number
}

const PAGES_PREFIX = 'page'
const EMPTY_PAGE = new UnitPage(0, 0, 0)

/** Keys of the pieces of pages [fromPage, toPage) of a queue. */
export function pageRange (queueNumber: number, fromPage: number, toPage: number): KeyRange {
  return { gte: `${queueKey(queueNumber)}${hex(fromPage, 8)}`, lt: `${queueKey(queueNumber)}${hex(toPage, 8)}` }
}

/** Keys of all pages of a queue. */
export function queueRange (queueNumber: number): KeyRange {
  return { gte: queueKey(queueNumber), lt: queueKey(queueNumber + 1) }
}

/** Key of the piece of a page that begins at the unit numbered `start` within it; a whole page begins at 0. */
export function pageKey (queueNumber: number, pageNumber: number, start: number): string {
  return `${queueKey(queueNumber)}${hex(pageNumber, 8)}/${hex(start, 3)}`
}

function queueKey (queueNumber: number): string { return `${PAGES_PREFIX}/${hex(queueNumber, 10)}/` }
function hex (value: number, digits: number): string { return value.toString(16).padStart(digits, '0') }

/**
 * Reads units, from memory where they are there, else from the kv through a small cache of decoded pages. Where a
 * queue's units lie may change while a read waits; a unit itself never does.
 */
export class UnitReader {
  readonly cache: PageCache
  readonly #kv: Kv
  readonly #onDamage: (error: MqError) => void
  readonly #loading = new Map<string, Promise<UnitPage>>()

  constructor ({ kv, cacheBytes, onDamage }: { readonly kv: Kv, readonly cacheBytes: number, readonly onDamage: (error: MqError) => void }) {
    this.#kv = kv
    this.#onDamage = onDamage
    this.cache = new PageCache(cacheBytes)
  }

  /** Units from `offset` on; none at or past the queue's end; undefined when they are in the kv only: use `units`. */
  unitsNow (queue: ConsumeQueue, offset: number, maxUnits: number): Units | undefined {
    if (offset >= queue.nextOffset) return { offset, page: EMPTY_PAGE, from: 0, to: 0 }
    const pageNumber = Math.floor(offset / PAGE_UNITS)
    const unit = offset - pageNumber * PAGE_UNITS
    const page = queue.residentPage(offset) ?? this.cache.get(queue.number, pageNumber, unit)
    return page === undefined ? undefined : { offset, page, from: unit, to: Math.min(page.end, unit + maxUnits) }
  }

  /**
   * @throws MQ_OFFSET_TOO_SMALL `offset` is below the queue's `minOffset`
   * @throws MQ_CORRUPT the stored page is damaged or has a gap; the store is rebuilt at its next start
   */
  async units (queue: ConsumeQueue, offset: number, maxUnits: number): Promise<Units> {
    for (;;) {
      const units = this.unitsNow(queue, offset, maxUnits)
      if (units !== undefined) return units
      if (offset < queue.minOffset) {
        throw new MqError('MQ_OFFSET_TOO_SMALL', `${queue.topic}/${queue.queueId} begins at ${queue.minOffset}, offset ${offset} was removed`, { minOffset: queue.minOffset })
      }
      invariant(offset < queue.persistedTo, `unit ${offset} of ${queue.topic}/${queue.queueId} is neither in memory nor in the kv`)
      const page = await this.#load(queue, Math.floor(offset / PAGE_UNITS), offset)
      const unit = offset % PAGE_UNITS
      if (unit >= page.start && unit < page.end) return { offset, page, from: unit, to: Math.min(page.end, unit + maxUnits) }
    }
  }

  async #load (queue: ConsumeQueue, pageNumber: number, offset: number): Promise<UnitPage> {
    const key = `${queue.number}/${pageNumber}/${queue.persistedTo}`
    let loading = this.#loading.get(key)
    if (loading === undefined) {
      const end = Math.min(queue.persistedTo - pageNumber * PAGE_UNITS, PAGE_UNITS)
      loading = this.loadPieces(queue.number, pageNumber, end)
      this.#loading.set(key, loading)
      loading.then((page) => { this.cache.set(queue.number, page) }, () => {}).finally(() => { this.#loading.delete(key) })
    }
    try {
      const page = await loading
      if (offset < page.firstOffset && offset >= queue.minOffset) throw gap(queue.number, pageNumber)
      return page
    } catch (error) {
      // Retention or a deletion may have taken the page while it was read: then the caller's next look says so.
      if (isMqError(error, 'MQ_CORRUPT')) {
        if (offset < queue.minOffset || queue.isRetired) throw new MqError('MQ_OFFSET_TOO_SMALL', `offset ${offset} was removed`, { minOffset: queue.minOffset })
        this.#onDamage(error)
      }
      throw error
    }
  }

  /** What the kv holds of a page, as one piece; it must reach to the unit numbered `end` at least. */
  async loadPieces (queueNumber: number, pageNumber: number, end: number): Promise<UnitPage> {
    let whole: UnitPage | undefined
    for await (const [, value] of this.#kv.entries(pageRange(queueNumber, pageNumber, pageNumber + 1))) {
      const piece = decodeUnits(pageNumber, value)
      if (whole === undefined) {
        whole = piece
      } else if (piece.end > whole.end) {
        // Pieces may overlap after a crash between two writes; they never contradict each other.
        if (piece.start > whole.end) throw gap(queueNumber, pageNumber)
        whole.append(piece, whole.end, piece.end)
      }
    }
    if (whole === undefined || whole.end < end) throw gap(queueNumber, pageNumber)
    return whole
  }
}

function gap (queueNumber: number, pageNumber: number): MqError {
  const key = pageKey(queueNumber, pageNumber, 0)
  return new MqError('MQ_CORRUPT', `state store: units of page ${pageNumber} of consume queue ${queueNumber} are missing (key ${key})`, { key })
}
