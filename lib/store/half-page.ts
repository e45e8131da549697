import { HalfOutcome } from './half-commands.ts'
import { defineValue } from './stored-value.ts'

/** Half messages of one page. */
export const HALF_PAGE_UNITS = 256

/** A half message that is not decided. */
export interface HalfUnit {
  /** Its number among all, which its producer holds (RocketMQ: its offset in the half queue). */
  readonly halfOffset: number
  /** Where it was stored first, which its producer holds too. */
  readonly preparedPosition: number
  readonly preparedAtMs: number
  /** Where its bytes are: a hidden record, or once it is discarded the message that tells of it. */
  readonly physicalOffset: number
  readonly sizeBytes: number
  /** Stamp of the entry that they are in. */
  readonly storedAtMs: number
  readonly topic: string
  readonly queueId: number
  readonly tagsCode: number
  readonly producerGroup: string
  readonly idHash: number
  readonly immuneUntilMs: number
  readonly checkTimes: number
  readonly checkAtMs: number
  readonly isDiscarded: boolean
}

interface SavedPage {
  readonly units: readonly HalfUnit[]
  readonly outcomes: Buffer
}

const pageValue = defineValue<SavedPage>([{
  type: 'record',
  name: 'HalfPage',
  fields: [
    {
      name: 'units',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'HalfUnit',
          fields: [
            ...['halfOffset', 'preparedPosition', 'preparedAtMs', 'physicalOffset', 'sizeBytes', 'storedAtMs', 'queueId', 'immuneUntilMs', 'checkTimes', 'checkAtMs'].map((name) => ({ name, type: 'long' })),
            ...['tagsCode', 'idHash'].map((name) => ({ name, type: 'int' })),
            ...['topic', 'producerGroup'].map((name) => ({ name, type: 'string' })),
            { name: 'isDiscarded', type: 'boolean' }
          ]
        }
      }
    },
    { name: 'outcomes', type: 'bytes' }
  ]
} as never])

/** Fields of a row, in the order of `Rows.numbers` and `Rows.codes`. */
const Field = { preparedPosition: 0, preparedAtMs: 1, physicalOffset: 2, storedAtMs: 3, immuneUntilMs: 4, checkAtMs: 5 } as const
const NUMBERS = 6
/** `sizeBytes` and `queueId` are u32. */
const Code = { tagsCode: 0, idHash: 1, checkTimes: 2, topic: 3, producerGroup: 4, sizeBytes: 5, queueId: 6 } as const
const CODES = 7
const MAX_SPARE_ROWS = 16
const spare: Rows[] = []

/** What is known of the half messages of a page that are not decided. As objects, of which each lives for a while, they cost the collector as much as all else of a transaction. */
class Rows {
  readonly numbers = new Float64Array(HALF_PAGE_UNITS * NUMBERS)
  readonly codes = new Int32Array(HALF_PAGE_UNITS * CODES)
  /** Topics and producer groups: few, and mostly the last ones again. */
  readonly names: string[] = []

  static take (): Rows { return spare.pop() ?? new Rows() }

  giveBack (): void {
    this.names.length = 0
    if (spare.length < MAX_SPARE_ROWS) spare.push(this)
  }

  numberOf (name: string): number {
    const number = this.names.lastIndexOf(name)
    return number >= 0 ? number : this.names.push(name) - 1
  }
}

const Row = { none: 0, waiting: 1, discarded: 2 } as const

/** Reads one row in place, as long as nothing changes; `copy` to keep it. */
export class HalfRow implements HalfUnit {
  halfOffset = 0
  isDiscarded = false
  #rows: Rows | undefined
  #numbers = 0
  #codes = 0

  /** @private for HalfPage */
  moveTo (rows: Rows, halfOffset: number, isDiscarded: boolean): this {
    const at = halfOffset % HALF_PAGE_UNITS
    this.halfOffset = halfOffset
    this.isDiscarded = isDiscarded
    this.#rows = rows
    this.#numbers = at * NUMBERS
    this.#codes = at * CODES
    return this
  }

  get preparedPosition (): number { return this.#rows!.numbers[this.#numbers + Field.preparedPosition]! }
  get preparedAtMs (): number { return this.#rows!.numbers[this.#numbers + Field.preparedAtMs]! }
  get physicalOffset (): number { return this.#rows!.numbers[this.#numbers + Field.physicalOffset]! }
  get sizeBytes (): number { return this.#rows!.codes[this.#codes + Code.sizeBytes]! >>> 0 }
  get storedAtMs (): number { return this.#rows!.numbers[this.#numbers + Field.storedAtMs]! }
  get queueId (): number { return this.#rows!.codes[this.#codes + Code.queueId]! >>> 0 }
  get immuneUntilMs (): number { return this.#rows!.numbers[this.#numbers + Field.immuneUntilMs]! }
  get checkAtMs (): number { return this.#rows!.numbers[this.#numbers + Field.checkAtMs]! }
  get tagsCode (): number { return this.#rows!.codes[this.#codes + Code.tagsCode]! }
  get idHash (): number { return this.#rows!.codes[this.#codes + Code.idHash]! }
  get checkTimes (): number { return this.#rows!.codes[this.#codes + Code.checkTimes]! }
  get topic (): string { return this.#rows!.names[this.#rows!.codes[this.#codes + Code.topic]!]! }
  get producerGroup (): string { return this.#rows!.names[this.#rows!.codes[this.#codes + Code.producerGroup]!]! }

  copy (): HalfUnit {
    const { halfOffset, preparedPosition, preparedAtMs, physicalOffset, sizeBytes, storedAtMs, topic, queueId, tagsCode, producerGroup, idHash, immuneUntilMs, checkTimes, checkAtMs, isDiscarded } = this
    return { halfOffset, preparedPosition, preparedAtMs, physicalOffset, sizeBytes, storedAtMs, topic, queueId, tagsCode, producerGroup, idHash, immuneUntilMs, checkTimes, checkAtMs, isDiscarded }
  }
}

const shared = new HalfRow()

/** The half messages [number * HALF_PAGE_UNITS, …): those that are not decided, and what became of the others. */
export class HalfPage {
  readonly number: number
  readonly #states = new Uint8Array(HALF_PAGE_UNITS)
  readonly #outcomes = new Uint8Array(HALF_PAGE_UNITS)
  /** What those that are not decided are proposed to become, under one leadership. */
  readonly #proposed = new Uint8Array(HALF_PAGE_UNITS)
  #leadership = -1
  /** While any is not decided. */
  #rows: Rows | undefined
  /** Not decided. */
  count = 0
  /** Of the first check, or earlier. */
  earliestCheckMs = Infinity

  constructor (number: number) {
    this.number = number
  }

  get (halfOffset: number): HalfUnit | undefined { return this.row(halfOffset, shared)?.copy() }
  outcomeOf (halfOffset: number): HalfOutcome { return this.#outcomes[halfOffset % HALF_PAGE_UNITS] as HalfOutcome }

  /** The same, read by `row`; undefined: it is decided, or there is none. */
  row (halfOffset: number, row: HalfRow): HalfRow | undefined {
    const state = this.#states[halfOffset % HALF_PAGE_UNITS]!
    return state === Row.none ? undefined : row.moveTo(this.#rows!, halfOffset, state === Row.discarded)
  }

  * units (): Generator<HalfUnit> {
    for (let at = 0; at < HALF_PAGE_UNITS; at++) {
      const unit = this.get(this.number * HALF_PAGE_UNITS + at)
      if (unit !== undefined) yield unit
    }
  }

  set ({ halfOffset, preparedPosition, preparedAtMs, physicalOffset, sizeBytes, storedAtMs, topic, queueId, tagsCode, producerGroup, idHash, immuneUntilMs, checkTimes, checkAtMs, isDiscarded }: HalfUnit): void {
    this.write(halfOffset, preparedPosition, preparedAtMs, physicalOffset, sizeBytes, storedAtMs, topic, queueId, tagsCode, producerGroup, idHash, immuneUntilMs, checkTimes, checkAtMs, isDiscarded)
  }

  /** `set`, without an object. */
  write (
    halfOffset: number, preparedPosition: number, preparedAtMs: number, physicalOffset: number, sizeBytes: number, storedAtMs: number, topic: string, queueId: number,
    tagsCode: number, producerGroup: string, idHash: number, immuneUntilMs: number, checkTimes: number, checkAtMs: number, isDiscarded: boolean
  ): void {
    const at = halfOffset % HALF_PAGE_UNITS
    if (this.#states[at] === Row.none) this.count++
    this.#states[at] = isDiscarded ? Row.discarded : Row.waiting
    const rows = this.#rows ??= Rows.take()
    const { numbers, codes } = rows
    const number = at * NUMBERS
    numbers[number + Field.preparedPosition] = preparedPosition
    numbers[number + Field.preparedAtMs] = preparedAtMs
    numbers[number + Field.physicalOffset] = physicalOffset
    numbers[number + Field.storedAtMs] = storedAtMs
    numbers[number + Field.immuneUntilMs] = immuneUntilMs
    numbers[number + Field.checkAtMs] = checkAtMs
    const code = at * CODES
    codes[code + Code.tagsCode] = tagsCode
    codes[code + Code.idHash] = idHash
    codes[code + Code.checkTimes] = checkTimes
    codes[code + Code.sizeBytes] = sizeBytes
    codes[code + Code.queueId] = queueId
    codes[code + Code.topic] = rows.numberOf(topic)
    codes[code + Code.producerGroup] = rows.numberOf(producerGroup)
    if (checkAtMs < this.earliestCheckMs && !isDiscarded) this.earliestCheckMs = checkAtMs
  }

  /** `leadership`: a number of its own for each time that this node leads. */
  propose (halfOffset: number, outcome: HalfOutcome, leadership: number): void {
    if (this.#leadership !== leadership) {
      this.#leadership = leadership
      this.#proposed.fill(HalfOutcome.unknown)
    }
    this.#proposed[halfOffset % HALF_PAGE_UNITS] = outcome
  }

  /** What it will have become, or has. */
  proposedOutcomeOf (halfOffset: number, leadership: number): HalfOutcome {
    const at = halfOffset % HALF_PAGE_UNITS
    return ((this.#leadership === leadership && this.#proposed[at]) || this.#outcomes[at]) as HalfOutcome
  }

  end (halfOffset: number, outcome: HalfOutcome): void {
    const at = halfOffset % HALF_PAGE_UNITS
    this.#states[at] = Row.none
    this.#proposed[at] = HalfOutcome.unknown
    this.#outcomes[at] = outcome
    if (--this.count > 0) return
    this.#rows?.giveBack()
    this.#rows = undefined
  }

  /** Those whose time has come; knows the next time exactly afterwards, unless there are more than `max`. */
  due (nowMs: number, max: number): HalfUnit[] {
    const due: HalfUnit[] = []
    let earliestMs = Infinity
    for (let at = 0; at < HALF_PAGE_UNITS; at++) {
      if (this.#states[at] !== Row.waiting) continue
      const { checkAtMs } = this.row(this.number * HALF_PAGE_UNITS + at, shared)!
      if (checkAtMs <= nowMs && due.length < max) due.push(shared.copy())
      earliestMs = Math.min(earliestMs, checkAtMs)
    }
    this.earliestCheckMs = earliestMs
    return due
  }

  encode (): Uint8Array { return pageValue.encode({ units: [...this.units()], outcomes: Buffer.from(this.#outcomes) }) }

  static decode (key: string, number: number, value: Uint8Array, intern: (text: string) => string): HalfPage {
    const { units, outcomes } = pageValue.decode(key, value)
    const page = new HalfPage(number)
    page.#outcomes.set(outcomes)
    for (const unit of units) page.set({ ...unit, topic: intern(unit.topic), producerGroup: intern(unit.producerGroup) })
    return page
  }
}
