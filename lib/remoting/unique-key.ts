import type { Clock, Random } from '../base/index.ts'
import type { Host } from '../message/index.ts'

const DAY_MS = 86_400_000

/**
 * Makes UNIQ_KEYs, the ids that producers give and users see, in upper-case hex, 32 or 56 characters: IP address 4 or 16
 * bytes, process id 2, chance 4 (the hash of a class loader in Java), ms since the start of the month 4, counter 2.
 * @see RocketMQ MessageClientIDSetter. Divergence: months are those of UTC, where Java takes its local ones.
 */
export class UniqueKeys {
  readonly #clock: Clock
  readonly #head: string
  #fromMs = 0
  #toMs = 0
  #monthStartMs = 0
  #counter: number

  constructor (clock: Clock, random: Random, host: Host, processId: number) {
    this.#clock = clock
    const ip = Array.from(host.subarray(0, host.length - 4), (byte) => hex(byte, 2)).join('')
    this.#head = ip + hex(processId & 0xffff, 4) + hex(Math.floor(random.next() * 0x1_0000_0000), 8)
    this.#counter = Math.floor(random.next() * 0x1_0000)
  }

  next (): string {
    const nowMs = this.#clock.wallMs()
    if (nowMs < this.#fromMs || nowMs >= this.#toMs) {
      this.#fromMs = nowMs - nowMs % DAY_MS
      this.#toMs = this.#fromMs + DAY_MS
      this.#monthStartMs = startOfMonthMs(nowMs)
    }
    this.#counter = (this.#counter + 1) & 0xffff
    return this.#head + hex(nowMs - this.#monthStartMs, 8) + hex(this.#counter, 4)
  }
}

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')

/**
 * Start of the month in UTC, of a time since 1970. Days are counted from 1 March 2000, in cycles of 400 years: with the leap
 * day last in its year, months follow from the day alone. @see Hinnant, chrono-compatible low-level date algorithms
 */
export function startOfMonthMs (timeMs: number): number {
  const day = Math.floor(timeMs / DAY_MS)
  const dayOfCycle = (((day - 11_017) % 146_097) + 146_097) % 146_097
  const year = Math.floor((dayOfCycle - Math.floor(dayOfCycle / 1460) + Math.floor(dayOfCycle / 36_524) - Math.floor(dayOfCycle / 146_096)) / 365)
  const dayOfYear = dayOfCycle - (365 * year + Math.floor(year / 4) - Math.floor(year / 100))
  const month = Math.floor((5 * dayOfYear + 2) / 153)
  const dayOfMonth = dayOfYear - Math.floor((153 * month + 2) / 5)
  return (day - dayOfMonth) * DAY_MS
}
