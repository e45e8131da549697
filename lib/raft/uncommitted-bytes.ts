import { IndexedWindow } from './indexed-window.ts'

/** How many bytes a leader has appended in its term that are not committed yet. */
export class UncommittedBytes {
  readonly #endPositions = new IndexedWindow<number>(1)
  #committedPosition = 0
  #endPosition = 0

  get bytes (): number { return this.#endPosition - this.#committedPosition }

  /** A term of leadership begins: the next entry is `nextIndex`, at `position`. */
  restart (nextIndex: number, position: number): void {
    this.#endPositions.restart(nextIndex)
    this.#committedPosition = this.#endPosition = position
  }

  /** The next entry ends at `endPosition`. */
  appended (endPosition: number): void {
    this.#endPositions.push(endPosition)
    this.#endPosition = endPosition
  }

  committedTo (index: number): void {
    if (index < this.#endPositions.firstIndex) return
    this.#committedPosition = this.#endPositions.at(index)
    this.#endPositions.dropBefore(index + 1)
  }
}
