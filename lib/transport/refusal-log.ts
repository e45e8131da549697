import type { Logger } from '../base/index.ts'
import type { Refusal, RefusalCode } from './introduction.ts'

/** What is told of; others are forgotten for it. */
const MAX_REMEMBERED = 256
/** These belong to a group that is being formed. */
const expected: readonly RefusalCode[] = ['no-group', 'itself', 'busy']

/** Says once why two nodes do not come together, however often they try. */
export class RefusalLog {
  readonly #logger: Logger
  readonly #said = new Set<string>()

  constructor (logger: Logger) {
    this.#logger = logger
  }

  /** `who` tried or was tried. */
  note (what: string, who: string, { code, reason }: Refusal): void {
    const key = `${what} ${who} ${code}`
    if (this.#said.has(key)) return
    if (this.#said.size >= MAX_REMEMBERED) this.#said.delete(this.#said.values().next().value!)
    this.#said.add(key)
    this.#logger[expected.includes(code) ? 'info' : 'warn'](`${what} was refused: ${reason}`, { peer: who, code })
  }

  /** They have come together: should they be parted again, that is news. */
  forget (who: string): void {
    for (const key of this.#said) if (key.includes(` ${who} `)) this.#said.delete(key)
  }
}
