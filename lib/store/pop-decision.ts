import type { EntryBodyWriter } from '../message/index.ts'
import type { MqError } from '../base/index.ts'

/**
 * A decision about pop state that is proposed to the group (the replica's Proposal). `done` resolves once the entry that
 * it rests on was applied, with what was decided.
 */
export abstract class PopDecision<Result> {
  readonly done: Promise<Result>
  protected result: Result | undefined
  #resolve!: (result: Result) => void
  #reject!: (error: MqError) => void

  constructor () {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Upper bound of what `decide` adds to an entry body. */
  abstract readonly costBytes: number

  /** Consuming goes on where sends are refused. */
  get relieves (): boolean { return true }

  /** Decides against what will be, changes the overlay and writes the command that makes all replicas follow. */
  abstract decide (writer: EntryBodyWriter, storeTimestampMs: number): void

  settle (): void { this.#resolve(this.result!) }

  fail (error: MqError): void { this.#reject(error) }
}
