import { invariant, MqError } from '../base/index.ts'
import { ENTRY_HEADER_BYTES, bodyOf, stampMsOf } from '../log/index.ts'
import { deleteGroup, deleteTopic, EntryBody, raiseFormat, setFloor, type BodyCommand, type EntryBodyWriter } from '../message/index.ts'
import { EntryKind, type ConfState, type RaftEntry } from '../raft/index.ts'
import type { KeyRange, KvSnapshot } from '../kv/index.ts'
import type { BaseDump, WriteBaseDump } from '../replica/index.ts'
import type { Pair } from './base-file.ts'
import type { CheckpointMeta } from './checkpoint-meta.ts'
import { commitCheckpoint, freezeMachines, MACHINE_RANGE, readMeta } from './checkpoints.ts'
import type { CommitLog, HiddenRecord, LocatedRecord } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { ConsumerOffsets } from './consumer-offsets.ts'
import type { ApplyContext, CommandHandler, Machine } from './machine.ts'
import type { DedupeMachine } from './dedupe-machine.ts'
import { DELAY_RANGE, delayChange, type DelayMachine } from './delay-machine.ts'
import type { HalfMachine } from './half-machine.ts'
import { locateHidden } from './hidden-record.ts'
import type { KeyedMachine } from './keyed-machine.ts'
import type { LockMachine } from './lock-machine.ts'
import type { Metadata } from './metadata.ts'
import { hashState } from './state-hash.ts'
import type { StoreDamage } from './store-damage.ts'
import { openStore } from './store-opening.ts'
import { NO_MEMBERS, type StoreOptions, type StoreParts, type StoreRecovery } from './store-options.ts'
import { UNIT_BYTES } from './unit-page.ts'

/** Lists of delayed messages are in memory so often while a checkpoint writes them. */
const DELAYED_COPIES = 6
/** A checkpoint that was begun when one was due is awaited when so many times as much waits for it and the next one. */
const OVERDUE = 4
/** A base dump for which there was no room is tried again after so long, or when the state has changed by another checkpoint's worth. */
const DUMP_AGAIN_MS = 10 * 60_000

/**
 * The state machines of a raft group over one kv. Memory is the state at `appliedIndex`; checkpoints bring it to the kv
 * now and then; what came after the last one is applied again from the log at the next start.
 */
export class Store {
  readonly recovery: StoreRecovery
  readonly commitLog: CommitLog
  readonly consumeQueues: ConsumeQueues
  readonly consumerOffsets: ConsumerOffsets
  readonly metadata: Metadata
  readonly locks: LockMachine
  readonly delays: DelayMachine
  readonly dedupe: DedupeMachine
  readonly halves: HalfMachine
  readonly keyed: KeyedMachine
  readonly #machines: readonly Machine[]
  readonly #handlers = new Map<number, CommandHandler[]>()
  readonly #parts: StoreParts
  readonly #onEntry: StoreOptions['onEntry']
  #appliedIndex: number
  #appliedTerm: number
  #appliedPosition: number
  #confState: ConfState
  #meta: CheckpointMeta | undefined
  /** Something that a checkpoint writes has changed since the last one. */
  #isChanged = false
  #floorAtCheckpoint: number
  /** No base dump is due before the state has come to that position of the log, or to that time: where sends are refused there is little that moves it on. */
  #nextDump = { position: 0, stampMs: 0 }
  lacksRoomForBaseDump = false
  /** Retention moved queues' minOffset, which is not yet in the kv. */
  #hasSettled: boolean
  #isClosed = false

  /** Opens, loads or rebuilds the state; then the log's entries after `appliedIndex` are to be applied. */
  static async open (options: StoreOptions): Promise<Store> {
    return new Store(await openStore(options), options.onEntry)
  }

  /** @private */
  constructor (parts: StoreParts, onEntry?: StoreOptions['onEntry']) {
    const { core, machines, meta, hasSettled, recovery } = this.#parts = parts
    this.recovery = recovery
    this.#onEntry = onEntry
    this.commitLog = core.commitLog
    this.consumeQueues = core.consumeQueues
    this.consumerOffsets = core.consumerOffsets
    this.metadata = core.metadata
    this.locks = core.locks
    this.delays = core.delays
    this.dedupe = core.dedupe
    this.halves = core.halves
    this.keyed = core.keyed
    this.#machines = machines
    for (const { handlers } of machines) {
      for (const handler of handlers) this.#handlers.set(handler.command.type, [...this.#handlers.get(handler.command.type) ?? [], handler])
    }
    this.#meta = meta
    this.#appliedIndex = meta?.index ?? 0
    this.#appliedTerm = meta?.term ?? 0
    this.#appliedPosition = meta?.position ?? 0
    this.#confState = meta?.confState ?? NO_MEMBERS
    this.#floorAtCheckpoint = core.commitLog.floorPosition
    this.#hasSettled = hasSettled
  }

  get appliedIndex (): number { return this.#appliedIndex }
  get appliedTerm (): number { return this.#appliedTerm }
  /** Where the last applied entry ends in the log. */
  get appliedPosition (): number { return this.#appliedPosition }
  /** The same of the last checkpoint. */
  get checkpointPosition (): number { return this.#meta?.position ?? 0 }
  get confState (): ConfState { return this.#confState }
  get floorPosition (): number { return this.commitLog.floorPosition }
  /** The data format that the group writes: nothing of a later one may go into the log or to other nodes. */
  get formatVersion (): number { return this.#parts.core.format.version }
  /** The one this node reads up to. */
  get newestFormat (): number { return this.#parts.core.format.newest }
  machine (name: string): Machine | undefined { return this.#machines.find((machine) => machine.name === name) }

  /**
   * Applies the next entry: its records and commands, in their order. What cannot be applied is not begun.
   * @throws MQ_FORMAT_TOO_NEW a command that this code does not know; MQ_CORRUPT the body is malformed
   */
  apply (entry: RaftEntry): void {
    invariant(entry.index === this.#appliedIndex + 1, `entry ${entry.index} cannot be applied after ${this.#appliedIndex}`)
    const stampMs = this.commitLog.advanceTime(entry.physicalOffset, stampMsOf(entry))
    const body = entry.kind === EntryKind.normal ? this.#applyBody(entry, stampMs) : undefined
    this.#appliedIndex = entry.index
    this.#appliedTerm = entry.term
    this.#appliedPosition = entry.physicalOffset + entry.sizeBytes
    this.#isChanged = true
    this.#onEntry?.(entry, body)
    this.consumeQueues.tellAppended()
  }

  #applyBody (entry: RaftEntry, stampMs: number): EntryBody {
    const body = new EntryBody(bodyOf(entry))
    const directory = this.consumeQueues.directory(body, entry.physicalOffset + ENTRY_HEADER_BYTES, stampMs)
    if (body.commands.length > 0) {
      const context = { index: entry.index, term: entry.term, storeTimestampMs: stampMs, physicalOffset: entry.physicalOffset, recordPosition: 0 }
      // what cannot be read is found out before anything is applied
      const values = body.commands.map(this.#decode)
      for (let i = 0; i < values.length; i++) {
        const { recordsBefore, type } = body.commands[i]!
        directory.apply(recordsBefore)
        context.recordPosition = directory.position
        for (const handler of this.#handlers.get(type)!) handler.apply(values[i], context satisfies ApplyContext)
      }
    }
    directory.apply(body.messageCount)
    directory.finish()
    return body
  }

  readonly #decode = ({ type, payload }: BodyCommand): unknown => {
    const handlers = this.#handlers.get(type)
    if (handlers === undefined) throw new MqError('MQ_FORMAT_TOO_NEW', `the log holds a command of type 0x${type.toString(16)}, which this code does not know`)
    return handlers[0]!.command.decode(payload)
  }

  setConfState (state: ConfState): void {
    this.#confState = state
    this.#isChanged = true
  }

  startLeading (): void { this.#resetOverlay() }
  stopLeading (): void { this.#resetOverlay() }

  #resetOverlay (): void {
    for (const machine of this.#machines) machine.resetOverlay()
  }

  // For proposals: changes that concern several machines, written into the entry being sealed.

  deleteTopic (writer: EntryBodyWriter, topic: string): void {
    for (const machine of this.#machines) machine.proposeDeleteTopic?.(topic)
    writer.addCommand(deleteTopic.type, deleteTopic.encode({ topic }))
  }

  deleteGroup (writer: EntryBodyWriter, group: string, { removeOffsets }: { readonly removeOffsets: boolean }): void {
    for (const machine of this.#machines) machine.proposeDeleteGroup?.(group, removeOffsets)
    writer.addCommand(deleteGroup.type, deleteGroup.encode({ group, removeOffsets }))
  }

  /** Retention: `position` is where a segment of the log begins, at most `appliedPosition`. */
  setFloor (writer: EntryBodyWriter, position: number): void {
    this.halves.proposeFloor(position)
    writer.addCommand(setFloor.type, setFloor.encode({ position }))
  }

  /** Every member reads `version`, the leader has made sure. */
  raiseFormat (writer: EntryBodyWriter, version: number): void {
    writer.addCommand(raiseFormat.type, raiseFormat.encode({ version }))
  }

  /** The record that begins at a position given by a client; undefined when there is none, or not any more, or not yet. */
  async locate (physicalOffset: number): Promise<LocatedRecord | undefined> {
    const found = await this.commitLog.locate(physicalOffset, this.#appliedPosition)
    if (found === undefined || 'queueOffset' in found) return found
    if (found.halfOffset !== undefined && this.halves.isUndelivered(found.halfOffset)) return undefined
    return await locateHidden(this.consumeQueues, found)
  }

  /** The same, also of what no consumer may see: it waits, or was taken back, or its transaction is not committed. For whoever explains that. */
  async locateAny (physicalOffset: number): Promise<LocatedRecord | HiddenRecord | undefined> {
    return await this.locate(physicalOffset) ?? await this.commitLog.locate(physicalOffset, this.#appliedPosition)
  }

  get checkpointDue (): boolean {
    return this.#isCheckpointDue(1) || this.commitLog.floorPosition !== this.#floorAtCheckpoint || this.#hasSettled
  }

  get isCheckpointOverdue (): boolean { return this.#isCheckpointDue(OVERDUE) }

  #isCheckpointDue (times: number): boolean {
    const { checkpointBytes, unpersistedBytes } = this.#parts.settings
    return this.#appliedPosition - (this.#meta?.position ?? 0) >= times * checkpointBytes ||
      this.consumeQueues.pages.unpersistedUnits * UNIT_BYTES + DELAYED_COPIES * this.delays.unpersistedBytes + this.keyed.unpersistedBytes >= times * unpersistedBytes
  }

  /**
   * Brings the state as of the call to the kv. Whole pages of consume queues and whole pieces of delay buckets go first, in
   * slices; all else follows in one batch with the index. The log must be durable through `appliedIndex`. Two never overlap.
   */
  async checkpoint (): Promise<void> {
    if (!this.#isChanged && !this.#hasSettled) return
    const { kv, appliedFile, groupId } = this.#parts
    const { pages } = this.consumeQueues
    // Frozen here, before the first await; `pages` first, because the queues' heads say how their units are stored.
    const units = pages.freeze()
    const delayed = this.delays.freezePieces()
    const changes = freezeMachines(this.#machines)
    const frozen = { groupId, index: this.#appliedIndex, term: this.#appliedTerm, position: this.#appliedPosition, confState: this.#confState }
    const floorPosition = this.commitLog.floorPosition
    this.#isChanged = this.#hasSettled = false

    await pages.writeWhole(units)
    await this.delays.writeWhole(delayed)
    this.#meta = await commitCheckpoint(kv, frozen, changes, [...await pages.pieceChanges(units), ...delayed.parts.map(delayChange)], this.#meta)
    await appliedFile.write(frozen.index)
    await pages.finish(units)
    await this.delays.finish(delayed)
    if (floorPosition !== this.#floorAtCheckpoint) {
      this.#floorAtCheckpoint = floorPosition
      if (await this.consumeQueues.settle(floorPosition)) this.#hasSettled = true
    }
  }

  /** The entry through which the log's head is no longer needed: a base dump holds its effect, and an older one too if there is one. */
  get baseDumpIndex (): number { return this.#parts.bases.kept.at(-1)?.index ?? 0 }

  get baseDump (): BaseDump | undefined {
    const base = this.#parts.bases.bases.find(({ meta }) => meta !== undefined)
    return base === undefined ? undefined : { index: base.index, term: base.meta!.term, position: base.position, confState: base.meta!.confState, path: base.path }
  }

  /** Keeps the file of that base dump until the function returned is called. */
  holdBaseDump (index: number): () => void { return this.#parts.bases.hold(index) }

  get baseDumpDue (): boolean {
    const { bases: { kept }, settings } = this.#parts
    const newest = kept[0]
    if (this.#appliedIndex === (newest?.index ?? 0)) return false
    if (this.#appliedPosition < this.#nextDump.position && this.commitLog.lastStampMs < this.#nextDump.stampMs) return false
    return this.#appliedPosition - (newest?.position ?? 0) >= settings.baseDumpBytes || (kept.at(-1)?.position ?? 0) < this.floorPosition
  }

  /** Fixes the state as of the call, for a file of its own: a checkpoint, and a snapshot of the kv as it leaves that. */
  async beginBaseDump (): Promise<WriteBaseDump> {
    await this.checkpoint()
    const { kv, bases, settings } = this.#parts
    const snapshot = kv.snapshot()
    this.lacksRoomForBaseDump = false
    return async (isWanted) => {
      try {
        const meta = await readMeta(snapshot)
        if (meta === undefined) return 0
        const isWritten = await bases.write(meta, entriesOf(snapshot, [MACHINE_RANGE, DELAY_RANGE]), isWanted)
        // what there was no room for is not tried at every step
        this.lacksRoomForBaseDump = !isWritten
        if (!isWritten) this.#nextDump = { position: this.#appliedPosition + settings.checkpointBytes, stampMs: this.commitLog.lastStampMs + DUMP_AGAIN_MS }
        return isWritten ? meta.index : undefined
      } finally {
        await snapshot.close()
      }
    }
  }

  /** Equal for equal states, on every replica and after every restart or rebuild. Reads all units; nothing may be applied meanwhile. */
  async stateHash (): Promise<bigint> {
    if (await this.consumeQueues.settle(this.floorPosition)) this.#hasSettled = true
    return await hashState({ index: this.#appliedIndex, confState: this.#confState, machines: this.#machines, consumeQueues: this.consumeQueues })
  }

  /** Damage that was met in the database since it was opened. */
  get damage (): StoreDamage { return this.#parts.damage }

  /** Lets go of the kv. A checkpoint before it saves the next start the replay. */
  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#parts.appliedFile.close()
    await this.#parts.kv.close()
  }
}

async function * entriesOf (snapshot: KvSnapshot, ranges: readonly KeyRange[]): AsyncGenerator<Pair> {
  for (const range of ranges) yield * snapshot.entries(range)
}
