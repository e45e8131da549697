/** An expression that cannot be compiled: where, and why. */
export class FilterSyntaxError extends Error {
  /** Of the character that the trouble begins with, from 1. */
  readonly position: number

  constructor (position: number, reason: string) {
    super(`invalid SQL92 expression at character ${position}: ${reason}`)
    this.position = position
  }
}
