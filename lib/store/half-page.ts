import { HalfOutcome } from './half-commands.ts'
import { defineValue } from './stored-value.ts'

/** Half messages of one page. */
export const HALF_PAGE_UNITS = 256

/** A half message that is not decided. Never changed: another one takes its place. */
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

/** The half messages [number * HALF_PAGE_UNITS, …): those that are not decided, and what became of the others. */
export class HalfPage {
  readonly number: number
  readonly #units: Array<HalfUnit | undefined> = new Array<undefined>(HALF_PAGE_UNITS).fill(undefined)
  readonly #outcomes = new Uint8Array(HALF_PAGE_UNITS)
  /** What those that are not decided are proposed to become, under one leadership. */
  readonly #proposed = new Uint8Array(HALF_PAGE_UNITS)
  #leadership = -1
  /** Not decided. */
  count = 0
  /** Of the first check, or earlier. */
  earliestCheckMs = Infinity

  constructor (number: number) {
    this.number = number
  }

  get (halfOffset: number): HalfUnit | undefined { return this.#units[halfOffset % HALF_PAGE_UNITS] }
  outcomeOf (halfOffset: number): HalfOutcome { return this.#outcomes[halfOffset % HALF_PAGE_UNITS] as HalfOutcome }
  * units (): Generator<HalfUnit> { for (const unit of this.#units) if (unit !== undefined) yield unit }

  set (unit: HalfUnit): void {
    const at = unit.halfOffset % HALF_PAGE_UNITS
    if (this.#units[at] === undefined) this.count++
    this.#units[at] = unit
    if (unit.checkAtMs < this.earliestCheckMs && !unit.isDiscarded) this.earliestCheckMs = unit.checkAtMs
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
    this.#units[at] = undefined
    this.#proposed[at] = HalfOutcome.unknown
    this.#outcomes[at] = outcome
    this.count--
  }

  /** Those whose time has come; knows the next time exactly afterwards, unless there are more than `max`. */
  due (nowMs: number, max: number): HalfUnit[] {
    const due: HalfUnit[] = []
    let earliestMs = Infinity
    for (const unit of this.units()) {
      if (unit.isDiscarded) continue
      if (unit.checkAtMs <= nowMs && due.length < max) due.push(unit)
      earliestMs = Math.min(earliestMs, unit.checkAtMs)
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
