/** Reads what one spec file prints (TAP), line by line: tap's closing line `# { total: 6, pass: 4, ... }`, and what explains a failure. */
export class TapReport {
  passed = 0
  failed = 0
  readonly #failures: string[] = []
  /** The last lines: all there is when the file was killed. */
  readonly #recent: string[] = []
  #explaining = 0

  line (line: string): void {
    this.#maybeExplain(line)
    if (this.#recent.push(line) > 15) this.#recent.shift()
    const totals = /^# \{ total: \d+(.*)\}/.exec(line)
    if (totals === null) return
    this.passed = numberAfter('pass', totals[1]!)
    this.failed = numberAfter('fail', totals[1]!)
  }

  /** Results that failed, each with the indented block of facts below it; the last lines when there is none. */
  explanation (): readonly string[] {
    return this.#failures.length > 0 ? this.#failures : this.#recent
  }

  #maybeExplain (line: string): void {
    const result = /^ *(not )?ok \d+/.exec(line)
    if (result?.[1] !== undefined && !/# (TODO|SKIP)/i.test(line)) this.#explaining = 40
    else if (result !== null || /^ *\.\.\.$/.test(line)) this.#explaining = 0
    if (this.#explaining-- > 0) this.#failures.push(line)
  }
}

function numberAfter (word: string, text: string): number {
  return Number(new RegExp(`${word}: (\\d+)`).exec(text)?.[1] ?? 0)
}
