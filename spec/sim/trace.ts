/** A running fingerprint of everything that happened: two runs that differ in one event differ here. */
export class Trace {
  #high = 0x9e3779b9
  #low = 0x85ebca6b
  events = 0
  readonly #print: ((line: string) => void) | undefined

  /** `print`: also tells every event as it happens. */
  constructor (print?: (line: string) => void) {
    this.#print = print
  }

  note (atMs: number, what: string, ...numbers: readonly number[]): void {
    this.events++
    this.#mix(Math.round(atMs * 1000))
    for (let i = 0; i < what.length; i++) this.#mix(what.charCodeAt(i))
    for (const number of numbers) this.#mix(number)
    this.#print?.(`${atMs.toFixed(3).padStart(10)}  ${what} ${numbers.join(' ')}`)
  }

  get hash (): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0')
  }

  #mix (number: number): void {
    const low = number | 0
    const high = Math.floor(number / 0x1_0000_0000) | 0
    this.#low = Math.imul(this.#low ^ low, 0x01000193) ^ (this.#high >>> 13)
    this.#high = Math.imul(this.#high ^ high ^ this.#low, 0x5bd1e995) ^ (this.#low >>> 15)
  }
}
