/** A place between two entries of the log. */
export interface LogPoint {
  /** Of the entry before it. */
  readonly index: number
  readonly term: number
  /** Log position behind that entry. */
  readonly position: number
}
