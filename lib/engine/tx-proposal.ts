import { MqError } from '../base/index.ts'
import type { EntryBodyWriter } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { acknowledge, isHeld, keyedCost, KEYED_FORMAT, partsCostBytes, popCost, type KeyedChange, type LeasedRange, type PopMachine, type Store } from '../store/index.ts'
import { leaseLost } from './coalesced-acks.ts'
import type { Delivery } from './delivery.ts'
import { rangesOf } from './pops.ts'
import { PutBatchProposal, type PutProposal } from './put-proposal.ts'
import type { PutResult } from './put-result.ts'

/** What keys and values may take in all, unless somebody says otherwise. */
export const DEFAULT_KEYED_BYTES = 64 * 1024 * 1024

export interface TxParts {
  /** Each message once. */
  readonly acks: readonly Delivery[]
  readonly puts: readonly PutProposal[]
  /** Each key once. */
  readonly changes: readonly KeyedChange[]
}

export interface TxPorts {
  readonly store: Store
  readonly machine: PopMachine
  readonly maxKeyedBytes: number
}

/**
 * Acknowledgements, messages and values by key, in one entry: all of them, or none. Refused whole when one of the leases has
 * ended; whose it was is in `lost` then.
 */
export class TxProposal extends PutBatchProposal implements Proposal {
  readonly #ports: TxPorts
  readonly #acks: readonly Delivery[]
  readonly #ranges: readonly LeasedRange[]
  readonly #changes: readonly KeyedChange[]
  /** Work that leaves, and nothing that comes. */
  readonly relieves: boolean
  lost: readonly Delivery[] = []

  constructor (ports: TxPorts, { acks, puts, changes }: TxParts, resolve: (results: PutResult[]) => void, reject: (error: unknown) => void) {
    const ranges = rangesOf(acks)
    super(puts, resolve, reject, popCost.command + partsCostBytes(ranges, ports.machine.applied) + changes.reduce((sum, change) => sum + keyedCost.change(change), keyedCost.command))
    this.#ports = ports
    this.#acks = acks
    this.#ranges = ranges
    this.#changes = changes
    this.relieves = puts.length === 0 && changes.every(({ value }) => value === null)
  }

  override get isOfSeveral (): boolean { return this.puts.length !== 1 || this.#acks.length + this.#changes.length > 0 }

  protected override prepare (writer: EntryBodyWriter): MqError | undefined {
    const { machine } = this.#ports
    this.lost = this.#acks.filter((delivery) => !isHeld(machine, delivery))
    if (this.lost.length > 0) return leaseLost(this.lost.length)
    return this.#refusalOfChanges() ?? super.prepare(writer)
  }

  #refusalOfChanges (): MqError | undefined {
    if (this.#changes.length === 0) return undefined
    const { store: { formatVersion, keyed }, maxKeyedBytes } = this.#ports
    if (formatVersion < KEYED_FORMAT) return new MqError('MQ_UNAVAILABLE', 'the group cannot keep values by key before all of its nodes run this version: leave them out, or try later')
    const sizeBytes = keyed.bytesWith(this.#changes)
    // what makes it less is taken, also where it was too much already
    if (sizeBytes <= maxKeyedBytes || sizeBytes <= keyed.bytesWith([])) return undefined
    return new MqError('MQ_BUSY', `keys and values would take ${sizeBytes} bytes, the limit is ${maxKeyedBytes} (maxKeyedBytes): delete some`, { sizeBytes, setting: 'maxKeyedBytes', bound: maxKeyedBytes, retryable: false })
  }

  protected override write (writer: EntryBodyWriter, storeTimestampMs: number): void {
    super.write(writer, storeTimestampMs)
    const { machine, store } = this.#ports
    if (this.#ranges.length > 0) acknowledge(writer, machine, this.#ranges)
    if (this.#changes.length > 0) store.keyed.change(writer, this.#changes)
  }
}
