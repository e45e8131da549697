/**
 * Reads a TAP stream line by line: counts the innermost results, tells of each finished file, keeps what explains a
 * failure. Tap's own closing line `# { total: 6, pass: 4, ... }` is taken for the totals when it comes.
 */
export class TapTotals {
  passed = 0
  failed = 0
  readonly #onFile: (line: string) => void
  #explanation: string[] = []
  /** The last lines before a file's result: all there is when it was killed. */
  #recent: string[] = []
  #explaining = 0

  constructor (onFile: (line: string) => void) {
    this.#onFile = onFile
  }

  line (line: string): void {
    const result = /^( *)(not )?ok \d+ - ([^#{]*)(#.*)?/.exec(line)
    if (result !== null && result[1] === '') this.#fileEnded(result[2] !== undefined, result[3]!.trim(), result[4] ?? '')
    else this.#maybeExplain(line, result !== null && result[2] !== undefined && !/# (TODO|SKIP)/i.test(line))
    if (this.#recent.push(line) > 15) this.#recent.shift()
    const totals = /^# \{ total: \d+(.*)\}/.exec(line)
    if (totals !== null) {
      this.passed = numberAfter('pass', totals[1]!)
      this.failed = numberAfter('fail', totals[1]!)
    }
  }

  #fileEnded (failed: boolean, file: string, remark: string): void {
    const time = /time=([\d.]+)ms/.exec(remark)
    this.#onFile(`${failed ? 'FAILED' : 'ok'} ${file}${time === null ? '' : ` (${(Number(time[1]) / 1000).toFixed(1)} s)`}`)
    if (failed) for (const line of this.#explanation.length > 0 ? this.#explanation : this.#recent) this.#onFile(line)
    this.#explanation = []
    this.#recent = []
  }

  /** Keeps a failed result and the indented block of facts below it. */
  #maybeExplain (line: string, isFailure: boolean): void {
    if (isFailure) this.#explaining = 40
    else if (/^ *\.\.\.$/.test(line) || /^ *ok /.test(line)) this.#explaining = 0
    if (this.#explaining-- > 0) this.#explanation.push(line)
  }
}

function numberAfter (word: string, text: string): number {
  return Number(new RegExp(`${word}: (\\d+)`).exec(text)?.[1] ?? 0)
}
