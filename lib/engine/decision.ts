import { isMqError, type MqError } from '../base/index.ts'
import type { EntryBodyWriter } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'

/** A decision of the engine's that is no hot path: `decide` is given as a function, `done` resolves with its result once that is applied. */
export class Decision<Result> implements Proposal {
  readonly costBytes: number
  /** Mostly: small, and of what must be possible on a full disk, as opening, removing, dead letters. */
  readonly relieves: boolean
  readonly done: Promise<Result>
  readonly #decide: (writer: EntryBodyWriter, storeTimestampMs: number) => Result
  #result: Result | undefined
  #refusal: MqError | undefined
  #resolve!: (result: Result) => void
  #reject!: (error: unknown) => void

  /** `decide` may throw an MqError before it has written anything: the promise rejects with it when the entries before are applied. */
  constructor (costBytes: number, decide: (writer: EntryBodyWriter, storeTimestampMs: number) => Result, { relieves = true } = {}) {
    this.costBytes = costBytes
    this.relieves = relieves
    this.#decide = decide
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    try {
      this.#result = this.#decide(writer, storeTimestampMs)
    } catch (error) {
      if (!isMqError(error) || error.code === 'MQ_INVARIANT') throw error
      this.#refusal = error
    }
  }

  settle (): void {
    if (this.#refusal === undefined) this.#resolve(this.#result!)
    else this.#reject(this.#refusal)
  }

  fail (error: MqError): void { this.#reject(error) }
}
