import { hash64, invariant } from '../base/index.ts'
import { DelayPiece, type DelayUnit } from './delay-units.ts'
import { defineValue } from './stored-value.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** How wide buckets are for messages that wait that long, from when they are scheduled: few buckets however far the future. */
const levels = [
  { widthMs: MINUTE_MS, upToMs: 2 * HOUR_MS },
  { widthMs: HOUR_MS, upToMs: 3 * DAY_MS },
  { widthMs: DAY_MS, upToMs: Infinity }
] as const

/** Names the buckets of a span: by level and index, in one number. */
function bucketKey (level: number, index: number): number { return index * levels.length + level }

/** Which bucket a message belongs to. */
export function bucketKeyOf (deliverAtMs: number, nowMs: number): number {
  let level = 0
  while (deliverAtMs - nowMs >= levels[level]!.upToMs) level++
  return bucketKey(level, Math.floor(deliverAtMs / levels[level]!.widthMs))
}

/** Every bucket that a message of that time may be in: it depends on how long it has waited. */
export function bucketKeysAt (deliverAtMs: number): readonly number[] {
  return levels.map(({ widthMs }, level) => bucketKey(level, Math.floor(deliverAtMs / widthMs)))
}

/** What is saved of a bucket beside its units. */
interface SavedBucket {
  readonly number: number
  readonly level: number
  readonly index: number
  readonly count: number
  readonly removedCount: number
  /** A bit for each unit, the lowest first; what is missing at the end is 0. */
  readonly removed: Buffer
  readonly firstPosition: number
  /** Hex. */
  readonly digest: string
}

const bucketValue = defineValue<SavedBucket>([{
  type: 'record',
  name: 'DelayBucket',
  fields: [
    { name: 'number', type: 'long' },
    { name: 'level', type: 'int' },
    { name: 'index', type: 'long' },
    { name: 'count', type: 'long' },
    { name: 'removedCount', type: 'long' },
    { name: 'removed', type: 'bytes' },
    { name: 'firstPosition', type: 'long' },
    { name: 'digest', type: 'string' }
  ]
}])

/** Messages that are due in the same span of time. Units have ordinals in the order they came, so their positions ascend. */
export class DelayBucket {
  /** Never used twice. */
  readonly number: number
  readonly level: number
  readonly index: number
  count = 0
  removedCount = 0
  /** Of the unit 0. */
  firstPosition = -1
  /** Units below are in the kv. */
  persistedTo = 0
  /** Units in memory, consecutive up to `count`. */
  pieces: DelayPiece[] = []
  /** Everything was delivered or taken out: it is no more. */
  isGone = false
  #removed = new Uint8Array(0)
  #digest = 0n

  /** `key` as of `bucketKeyOf`. */
  static of (number: number, key: number): DelayBucket { return new DelayBucket(number, key % levels.length, Math.floor(key / levels.length)) }

  constructor (number: number, level: number, index: number) {
    this.number = number
    this.level = level
    this.index = index
  }

  get fromMs (): number { return this.index * levels[this.level]!.widthMs }
  get toMs (): number { return (this.index + 1) * levels[this.level]!.widthMs }
  get key (): number { return bucketKey(this.level, this.index) }
  get isEmpty (): boolean { return this.removedCount === this.count }

  /** Returns the unit's ordinal. */
  add (unit: DelayUnit): number {
    let piece = this.pieces.at(-1)
    if (piece === undefined || piece.isFull) this.pieces.push(piece = new DelayPiece(this.count))
    this.#digest = hash64(piece.push(unit), this.#digest)
    if (this.count === 0) this.firstPosition = unit.physicalOffset
    return this.count++
  }

  isRemoved (ordinal: number): boolean {
    return ((this.#removed[ordinal >>> 3] ?? 0) & (1 << (ordinal & 7))) !== 0
  }

  remove (ordinal: number): void {
    invariant(ordinal < this.count && !this.isRemoved(ordinal), `delayed message ${ordinal} of bucket ${this.number} does not wait`)
    const at = ordinal >>> 3
    if (at >= this.#removed.length) {
      const grown = new Uint8Array(Math.max(at + 1, Math.min(2 * this.#removed.length, (this.count + 7) >>> 3)))
      grown.set(this.#removed)
      this.#removed = grown
    }
    this.#removed[at]! |= 1 << (ordinal & 7)
    this.removedCount++
  }

  encode (): Uint8Array {
    const { number, level, index, count, removedCount, firstPosition } = this
    let end = this.#removed.length
    while (end > 0 && this.#removed[end - 1] === 0) end--
    return bucketValue.encode({ number, level, index, count, removedCount, removed: Buffer.from(this.#removed.subarray(0, end)), firstPosition, digest: this.#digest.toString(16) })
  }

  /** As loaded: all its units are in the kv. */
  static decode (key: string, value: Uint8Array): DelayBucket {
    const { number, level, index, count, removedCount, removed, firstPosition, digest } = bucketValue.decode(key, value)
    const bucket = new DelayBucket(number, level, index)
    bucket.count = bucket.persistedTo = count
    bucket.removedCount = removedCount
    bucket.firstPosition = firstPosition
    bucket.#removed = Uint8Array.from(removed)
    bucket.#digest = BigInt(`0x${digest}`)
    return bucket
  }
}
