import { fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'

const MIB = 1 << 20
export const RING_BYTES = 512 * MIB

/** A file of written blocks, used round and round: the cheapest durable append there is. */
export class Ring {
  readonly #fd: number
  readonly #sync: boolean
  #position = 0

  constructor (path: string, sync: boolean) {
    this.#sync = sync
    this.#fd = openSync(path, 'wx+')
    const zeros = new Uint8Array(MIB)
    for (let at = 0; at < RING_BYTES; at += MIB) writeSync(this.#fd, zeros, 0, MIB, at)
    fsyncSync(this.#fd)
  }

  /** Writes [0, end) of `slab` and, if asked for, waits for the disk. */
  append (slab: Uint8Array, end: number): void {
    if (this.#position + end > RING_BYTES) this.#position = 0
    writeSync(this.#fd, slab, 0, end, this.#position)
    if (this.#sync) fdatasyncSync(this.#fd)
    this.#position += end
  }
}
