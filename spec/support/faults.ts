/** What a device was asked to do; each is one boundary. */
export type FaultKind = 'write' | 'sync' | 'truncate' | 'create' | 'rename' | 'unlink' | 'makeDirectory' | 'syncDirectory' | 'batch'
export type StopPoint = 'before' | 'middle' | 'after'
export type FaultCode = 'EIO' | 'ENOSPC'

/** What is found after a power cut of all that was not synced: nothing, everything, some pieces, or some sectors in any order. */
export type Keep = 'none' | 'all' | 'random' | 'reorder'

/** What becomes of one operation. */
export type Verdict = 'go' | 'dead' | 'stop-middle' | 'stop-after' | FaultCode

interface FailRule { countdown: number, left: number, readonly code: FaultCode, readonly kinds: readonly string[] | undefined, readonly of: string }

/** Marks what calls get after the machine stopped, where they cannot just hang. */
export class MachineStopped extends Error {
  readonly code = 'MACHINE_STOPPED'
  constructor () { super('the machine stopped (planned by the spec)') }
}

/**
 * The plan of faults of one machine, shared by its disk and its database: every mutating operation of either is a
 * boundary, numbered from 1 in the order of the calls. When one device stops, all of the machine stops.
 */
export class Faults {
  boundaries = 0
  reads = 0
  stopped = false
  /** What each boundary was, when tracing. */
  readonly trace: string[] = []
  /** What each read was, when tracing. */
  readonly readTrace: string[] = []
  readonly #tracing: boolean
  readonly #hang: boolean
  #stopAt: { readonly boundary: number, readonly point: StopPoint } | undefined
  #rules: FailRule[] = []
  #onStop: Array<() => void> = []

  /** `afterStop`: what asynchronous calls do once the machine has stopped. Those on the calling thread always throw. */
  constructor ({ trace = false, afterStop = 'hang' }: { readonly trace?: boolean, readonly afterStop?: 'hang' | 'reject' } = {}) {
    this.#tracing = trace
    this.#hang = afterStop === 'hang'
  }

  /** The machine stops at that boundary: it has no effect, half of it, or all of it but no answer. */
  stopAt (boundary: number, point: StopPoint): void { this.#stopAt = { boundary, point } }

  /**
   * The n-th boundary from now on (of those kinds and of what is so named, when given) fails with that code, and the `times - 1` after it.
   * A failed write leaves half of its bytes behind; what a failed sync was to make durable never will be.
   */
  failAt (n: number, code: FaultCode, { kinds, of = '', times = 1 }: { readonly kinds?: readonly FaultKind[], readonly of?: string, readonly times?: number } = {}): void {
    this.#rules.push({ countdown: n, left: times, code, kinds, of })
  }

  /** The n-th read from now on fails. */
  failReadAt (n: number, code: FaultCode, { times = 1 }: { readonly times?: number } = {}): void {
    this.#rules.push({ countdown: n, left: times, code, kinds: ['read'], of: '' })
  }

  stop (): void {
    if (this.stopped) return
    this.stopped = true
    for (const fn of this.#onStop) fn()
  }

  onStop (fn: () => void): void { this.#onStop.push(fn) }

  /** For devices: counts the operation and says what becomes of it. */
  admit (kind: FaultKind, what: string): Verdict {
    if (this.stopped) return 'dead'
    this.boundaries++
    if (this.#tracing) this.trace.push(`${kind} ${what}`)
    if (this.#stopAt?.boundary === this.boundaries) {
      if (this.#stopAt.point === 'before') {
        this.stop()
        return 'dead'
      }
      return this.#stopAt.point === 'middle' ? 'stop-middle' : 'stop-after'
    }
    return this.#failing(kind, what) ?? 'go'
  }

  admitRead (what: string): Verdict {
    if (this.stopped) return 'dead'
    this.reads++
    if (this.#tracing) this.readTrace.push(what)
    return this.#failing('read', what) ?? 'go'
  }

  /** What a call on a stopped machine gets. */
  dead (): Promise<never> {
    return this.#hang ? new Promise<never>(() => {}) : Promise.reject(new MachineStopped())
  }

  #failing (kind: string, what: string): FaultCode | undefined {
    let code: FaultCode | undefined
    for (const rule of this.#rules) {
      if (rule.kinds === undefined ? kind === 'read' : !rule.kinds.includes(kind)) continue
      if (!what.includes(rule.of)) continue
      if (rule.countdown > 1) rule.countdown--
      else if (rule.left > 0) {
        rule.left--
        code ??= rule.code
      }
    }
    return code
  }
}
