import { Violation } from './ledger.ts'

/**
 * What a value may be that is written by one after the other and read by anybody: the last one that is known to be written,
 * or one whose writing was not known to have failed. (A write that nobody knows of may still come.)
 */
export class Register<Value> {
  readonly #name: string
  #written: Value | undefined
  readonly #maybe = new Set<Value>()
  /** All that was begun, in order. */
  readonly #begun: Value[] = []

  constructor (name: string) {
    this.#name = name
  }

  /** Returns what to call with the outcome: known to be written, known not to be, or unknown. */
  write (value: Value): (outcome: 'applied' | 'not-applied' | 'unknown') => void {
    this.#maybe.add(value)
    this.#begun.push(value)
    return (outcome) => {
      if (outcome === 'unknown') return
      this.#maybe.delete(value)
      if (outcome === 'applied') this.#written = value
    }
  }

  /** Returns what to call with what was read, as of any moment since. */
  read (): (value: Value | undefined) => void {
    const before = new Set([this.#written, ...this.#maybe])
    const begun = this.#begun.length
    return (value) => {
      if (before.has(value) || (value !== undefined && this.#begun.indexOf(value, begun) !== -1)) return
      throw new Violation('reads are linearizable', `${this.#name} reads as ${String(value)}, it was ${String(this.#written)} before, or one of ${JSON.stringify([...this.#maybe])}`)
    }
  }
}
