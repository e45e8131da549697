import type { EntryBodyWriter } from '../message/index.ts'
import { keyedChange, valueBytesOf, type KeyedChange, type KeyedValue } from './keyed-commands.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { PendingValues } from './pending-values.ts'
import { defineValue } from './stored-value.ts'

/** The data format that has this command. */
export const KEYED_FORMAT = 3

/** What a key takes in memory beside its text and its value, about. */
const KEY_OVERHEAD_BYTES = 128
/** What a key that has changed takes until a checkpoint has written it, about. */
const CHANGED_BYTES = 1024

const storedValue = defineValue<KeyedValue>([['string', 'bytes']])

/**
 * Values by key that users keep beside their messages, to change both at once. All of them are in memory: they are meant to be few
 * and small, and whoever proposes keeps them within a bound.
 */
export class KeyedMachine implements Machine {
  readonly name = 'keyed'
  readonly #values = new Map<string, KeyedValue>()
  readonly #changed = new Set<string>()
  readonly #pending = new PendingValues<KeyedValue>()
  #bytes = 0
  /** Once all that is proposed is applied; below 0: nothing was proposed in this term. */
  #proposedBytes = -1

  readonly handlers = [on(keyedChange, ({ changes }) => { for (const { key, value } of changes) this.#apply(key, value) })]

  /** As applied; bytes are the machine's: copy what is to be changed. */
  get (key: string): KeyedValue | undefined { return this.#values.get(key) }

  get count (): number { return this.#values.size }
  /** What keys and values take in memory, about. */
  get sizeBytes (): number { return this.#bytes }
  /** What is not in a checkpoint yet takes until it is, about. */
  get unpersistedBytes (): number { return this.#changed.size * CHANGED_BYTES }

  // For proposals.

  /** What keys and values would take with these changes over all that is proposed. */
  bytesWith (changes: readonly KeyedChange[]): number {
    return changes.reduce((sum, { key, value }) => sum + sizeOf(key, value) - sizeOf(key, this.#proposed(key)), this.#proposedBytes < 0 ? this.#bytes : this.#proposedBytes)
  }

  /** Each key once. Costs `keyedCost.command` and for each change `keyedCost.change`. */
  change (writer: EntryBodyWriter, changes: readonly KeyedChange[]): void {
    this.#proposedBytes = this.bytesWith(changes)
    for (const { key, value } of changes) this.#pending.propose(key, value ?? undefined)
    writer.addCommand(keyedChange.type, keyedChange.encode({ changes: changes.map(({ key, value }) => ({ key, value: typeof value === 'string' || value === null ? value : bufferOf(value) })) }))
  }

  #proposed (key: string): KeyedValue | undefined { return this.#pending.get(key, this.#values.get(key)) }

  resetOverlay (): void {
    this.#pending.reset()
    this.#proposedBytes = -1
  }

  // Apply.

  #apply (key: string, value: KeyedValue | null): void {
    this.#pending.settle(key)
    this.#bytes += sizeOf(key, value) - sizeOf(key, this.#values.get(key))
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, owned(value))
    this.#changed.add(key)
  }

  // Checkpoints.

  freeze (): KeyChange[] {
    const changes = [...this.#changed].map((key) => ({ key, value: encoded(this.#values.get(key)) }))
    this.#changed.clear()
    return changes
  }

  load (key: string, value: Uint8Array): void {
    const loaded = owned(storedValue.decode(key, value))
    this.#values.set(key, loaded)
    this.#bytes += sizeOf(key, loaded)
  }

  * values (): Generator<KeyValue> {
    for (const [key, value] of this.#values) yield { key, value: encoded(value)! }
  }

  clear (): void {
    this.#values.clear()
    this.#changed.clear()
    this.resetOverlay()
    this.#bytes = 0
  }
}

function sizeOf (key: string, value: KeyedValue | null | undefined): number {
  return value === undefined || value === null ? 0 : KEY_OVERHEAD_BYTES + key.length + valueBytesOf(value)
}

function encoded (value: KeyedValue | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : storedValue.encode(typeof value === 'string' ? value : bufferOf(value))
}

function bufferOf (bytes: Uint8Array): Buffer { return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }

/** What was decoded may be a view on a whole entry. */
function owned (value: KeyedValue): KeyedValue { return typeof value === 'string' ? value : new Uint8Array(value) }
