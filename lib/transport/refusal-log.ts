import type { Logger } from '../base/index.ts'
import type { Refusal, RefusalCode } from './introduction.ts'

/** What is told of; others are forgotten for it. */
const MAX_REMEMBERED = 256
/** Lines between two reports: whoever connects could write as many names into the log as it likes. */
const MAX_LINES = 16
const REPORT_EVERY_MS = 10_000
/** These belong to a group that is being formed. */
const expected: readonly RefusalCode[] = ['no-group', 'itself']

/** Says once why two nodes do not come together, however often they try; when it would be too much, how many they were. */
export class RefusalLog {
  readonly #logger: Logger
  readonly #said = new Set<string>()
  #lines = 0
  #unsaid = 0
  #crowdedOut = { silent: 0, strangers: 0 }
  #reportedAtMs = -Infinity

  constructor (logger: Logger) {
    this.#logger = logger
  }

  /** `who` tried or was tried. */
  note (what: string, who: string, { code, reason }: Refusal): void {
    const key = `${what} ${who} ${code}`
    if (this.#said.has(key)) return
    if (this.#said.size >= MAX_REMEMBERED) this.#said.delete(this.#said.values().next().value!)
    this.#said.add(key)
    if (this.#lines >= MAX_LINES) {
      this.#unsaid++
      return
    }
    this.#lines++
    this.#logger[expected.includes(code) ? 'info' : 'warn'](`${what} was refused: ${reason}`, { peer: who, code })
  }

  /** A connection was closed for a newer one, before it had introduced itself or, as a stranger's, after that. */
  noteCrowd (isSilent: boolean): void { this.#crowdedOut[isSilent ? 'silent' : 'strangers']++ }

  /** Says how many there were that nothing was said of. To be called now and then. */
  report (nowMs: number): void {
    if (nowMs - this.#reportedAtMs < REPORT_EVERY_MS) return
    this.#reportedAtMs = nowMs
    const { silent, strangers } = this.#crowdedOut
    if (silent > 0) this.#logger.warn(`${silent} connections that had not introduced themselves were closed for newer ones (maxUnknownConnections)`)
    if (strangers > 0) this.#logger.warn(`${strangers} connections of strangers were closed for newer ones (maxUnknownConnections)`)
    if (this.#unsaid > 0) this.#logger.warn(`${this.#unsaid} more refusals of other nodes are not told one by one`)
    this.#lines = this.#unsaid = 0
    this.#crowdedOut = { silent: 0, strangers: 0 }
  }

  /** They have come together: should they be parted again, that is news. */
  forget (who: string): void {
    for (const key of this.#said) if (key.includes(` ${who} `)) this.#said.delete(key)
  }
}
