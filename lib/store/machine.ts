import type { CommandType } from '../message/index.ts'

/** The entry a command came in. All that `apply` may know beside its own state and the command. */
export interface ApplyContext {
  readonly index: number
  readonly term: number
  /** The leader's stamp: the only clock of `apply`. Never smaller than that of the entry before. */
  readonly storeTimestampMs: number
  /** Position of the entry in the log. */
  readonly physicalOffset: number
  /** Where the record begins that is applied next after the command, or would. */
  readonly recordPosition: number
}

export interface KeyValue {
  readonly key: string
  readonly value: Uint8Array
}

/** `undefined` removes the key. */
export interface KeyChange {
  readonly key: string
  readonly value: Uint8Array | undefined
}

export interface CommandHandler {
  readonly command: CommandType<any>
  apply (value: any, context: ApplyContext): void
}

/** Binds a command to what a machine does with it. */
export function on<T> (command: CommandType<T>, apply: (value: T, context: ApplyContext) => void): CommandHandler {
  return { command, apply }
}

/**
 * A state machine of the store. Its state is a set of values by key, which the store writes to the kv at checkpoints, and
 * from which the machine is loaded again. Memory is the truth in between: current to the applied index. Everything is
 * synchronous, and the same commands in the same order give the same values on every replica.
 *
 * What the leader has proposed and not yet applied is the machine's overlay: kept beside the state, by methods that
 * proposals call while they decide, and dropped whole when a term ends.
 */
export interface Machine {
  /** Lower-case letters; stands before the machine's keys in the kv and in base dumps. Never changed. */
  readonly name: string
  /** The commands it obeys. Several machines may obey the same one (deleteTopic); they do so in the order they were given. */
  readonly handlers: readonly CommandHandler[]
  /** Drops what was proposed and not applied. Called when this node starts or stops leading. */
  resetOverlay (): void
  /** The leader proposes to delete that topic (or group): what follows in its entries comes after the deletion. */
  proposeDeleteTopic? (topic: string): void
  proposeDeleteGroup? (group: string, removeOffsets: boolean): void
  /**
   * The values changed since the last call, encoded now: they are written later, when the state may have moved on. A
   * checkpoint that fails stops the store, so nothing needs to be remembered for another attempt.
   */
  freeze (): KeyChange[]
  /** Takes one value in, on an empty machine. Values come in key order. @throws MQ_CORRUPT, MQ_FORMAT_TOO_NEW */
  load (key: string, value: Uint8Array): void
  /** Every value of the present state, in any order: for the state hash. Equal states give equal bytes. */
  values (): Iterable<KeyValue>
  /** Forgets everything, overlay included. */
  clear (): void
}
