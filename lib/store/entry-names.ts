import type { EntryBodyWriter } from '../message/index.ts'

/** What a name takes of the command that spells it, at most. */
export function nameBytes (name: string): number { return 5 + 3 * name.length }

/** Names that a command of an entry spells once, and its units name by number. */
export class EntryNames {
  readonly #numbers = new Map<string, number>()

  /** In the order of their numbers. */
  get names (): string[] { return [...this.#numbers.keys()] }

  /** Within a decision: the command grows by a new one. */
  numberOf (writer: EntryBodyWriter, name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    const number = this.#numbers.size
    this.#numbers.set(name, number)
    writer.grow(nameBytes(name))
    return number
  }
}
