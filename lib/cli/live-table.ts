import type { WriteStream } from 'node:tty'

/** Text that is shown in the place of the one before; where that cannot be, below it, when something has changed. */
export class LiveTable {
  readonly #out: WriteStream | NodeJS.WriteStream
  #lines = 0
  #last = ''
  #isClosed = false

  constructor (out: NodeJS.WriteStream) {
    this.#out = out
  }

  /** `rough`: the same without what changes all the time. */
  show (text: string, rough: string): void {
    if (this.#isClosed) return
    if (this.#out.isTTY) {
      const up = this.#lines === 0 ? '' : `\x1b[${this.#lines}A`
      this.#out.write(`${up}\x1b[0J${text}\n`)
      this.#lines = text.split('\n').length
    } else if (rough !== this.#last) {
      this.#out.write(`\n${rough}\n`)
    }
    this.#last = rough
  }

  /** What is shown stays. */
  close (): void { this.#isClosed = true }
}
