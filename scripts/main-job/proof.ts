import { createHash, type Hash } from 'node:crypto'
import type { DeliveredLine } from './frames.ts'
import type { InputFile } from './input.ts'

/**
 * What came out of the queue, held against what went in. The topic is new, so the offsets of each of its queues run
 * 0, 1, 2, ...: a lower one than expected was delivered before, a higher one means that something is missing.
 */
export class Proof {
  delivered = 0
  redelivered = 0
  /** The first few things that should not have happened. */
  readonly complaints: string[] = []
  readonly #files: readonly InputFile[]
  readonly #hashes: Hash[]
  readonly #lines: number[]
  readonly #nextOffsets = new Map<number, number>()

  constructor (files: readonly InputFile[]) {
    this.#files = files
    this.#hashes = files.map(() => createHash('sha256'))
    this.#lines = files.map(() => 0)
  }

  take ({ queueId, queueOffset, file, bytes }: DeliveredLine): void {
    const expected = this.#nextOffsets.get(queueId) ?? 0
    if (queueOffset < expected) {
      this.redelivered++
      return
    }
    if (queueOffset > expected) this.complain(`queue ${queueId}: offset ${queueOffset} came after ${expected - 1}`)
    this.#nextOffsets.set(queueId, queueOffset + 1)
    this.delivered++
    this.#lines[file]!++
    this.#hashes[file]!.update(bytes)
  }

  complain (what: string): void {
    if (this.complaints.length < 20) this.complaints.push(what)
  }

  /** Compares every file; returns how many lines are missing, a file with a wrong digest counting whole. Call once. */
  finish (): number {
    let lost = 0
    this.#files.forEach(({ name, lines, digest }, i) => {
      const got = this.#lines[i]!
      if (this.#hashes[i]!.digest('hex') === digest && got === lines) return
      this.complain(`${name}: ${got} of ${lines} lines came back, digest ${got === lines ? 'differs' : 'cannot agree'}`)
      lost += Math.max(lines - got, 1)
      if (got >= lines) lost += lines - 1
    })
    return lost
  }
}
