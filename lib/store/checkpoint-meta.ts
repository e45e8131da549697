import type { ConfState } from '../raft/index.ts'
import { confStateSchema } from '../replica/index.ts'
import { defineValue } from './stored-value.ts'

/** What the state in the kv, or in a base dump, is the state of. */
export interface CheckpointMeta {
  /** Hex; a store of another group's log is not used. */
  readonly groupId: string
  /** The last entry applied. */
  readonly index: number
  /** That of the checkpoint before. */
  readonly previousIndex: number
  readonly term: number
  /** Where entry `index` ends in the log. */
  readonly position: number
  readonly confState: ConfState
  /** Sum of the checksums of all machines' values, hex: shows whether any is missing or old. */
  readonly digest: string
}

export const checkpointMetaValue = defineValue<CheckpointMeta>([{
  type: 'record',
  name: 'CheckpointMeta',
  fields: [
    { name: 'groupId', type: 'string' },
    { name: 'index', type: 'long' },
    { name: 'previousIndex', type: 'long' },
    { name: 'term', type: 'long' },
    { name: 'position', type: 'long' },
    { name: 'confState', type: confStateSchema },
    { name: 'digest', type: 'string' }
  ]
}])

/** A sum of checksums, in which values can be replaced one by one. */
export class Digest {
  #sum: bigint

  constructor (sum = 0n) {
    this.#sum = sum
  }

  static parse (hex: string): Digest { return new Digest(BigInt(`0x${hex}`)) }
  add (checksum: bigint): void { this.#sum = BigInt.asUintN(64, this.#sum + checksum) }
  remove (checksum: bigint): void { this.#sum = BigInt.asUintN(64, this.#sum - checksum) }
  toString (): string { return this.#sum.toString(16) }
}
