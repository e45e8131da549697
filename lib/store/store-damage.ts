import type { MqError } from '../base/index.ts'

/** Damage that was met in the database of an open store: known at once, told once it is durable that the next opening rebuilds the store. */
export class StoreDamage {
  found: MqError | undefined
  #listener: ((error: MqError) => void) | undefined
  #isTold = false

  /** The listener may not throw. */
  listen (listener: (error: MqError) => void): void {
    this.#listener = listener
    if (this.#isTold) listener(this.found!)
  }

  /** Only the first time counts. */
  tell (): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#listener?.(this.found!)
  }
}
