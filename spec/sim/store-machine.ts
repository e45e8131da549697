import { silentLogger, viewOf, type Disk } from '../../lib/base/index.ts'
import type { DatabaseOpener } from '../../lib/kv/index.ts'
import { ENTRY_HEADER_BYTES, type RaftLog } from '../../lib/log/index.ts'
import { EntryBody, EntryBodyWriter, RecordView } from '../../lib/message/index.ts'
import { EntryKind, type ConfState, type RaftEntry } from '../../lib/raft/index.ts'
import type { Proposal } from '../../lib/replica/index.ts'
import { Store, type ConsumeQueue, type StoreSettings } from '../../lib/store/index.ts'
import { message } from '../store/leader.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { Violation } from './ledger.ts'
import type { SimMachine } from './sim-machine.ts'

const TOPIC = 'sim'
const GROUP = 'readers'
const QUEUES = 3
const OVERHEAD_BYTES = 400
const HASH_RANGE = 1n << 64n

/** By queue: the ids of its messages, in the order of their queue offsets, as first applied anywhere. */
export type QueueContents = number[][]

export const emptyContents = (): QueueContents => Array.from({ length: QUEUES }, () => [])

export interface StoreMachineOptions {
  readonly disk: Disk
  readonly database: DatabaseOpener
  readonly directory: string
  readonly groupId: Uint8Array
  readonly log: RaftLog
  readonly settings: Partial<StoreSettings>
  readonly contents: QueueContents
  readonly random: SeededRandom
  /** Nobody needs the head of the log to catch up, so retention may remove it. */
  readonly mayRemove: boolean
}

/**
 * The shipped store: each request is a message to one of some queues, sometimes with a consumer's commit or a retention
 * floor in the same entry. Offsets given while sealing must be those the messages come to stand at, for ever.
 */
export class StoreMachine implements SimMachine {
  readonly #options: StoreMachineOptions
  readonly #store: Store
  /** Where applied entries begin: what a retention floor may be raised to. */
  readonly #positions: number[] = []
  onApply: SimMachine['onApply']
  beforeCheckpoint: SimMachine['beforeCheckpoint']

  private constructor (options: StoreMachineOptions, store: Store) {
    this.#options = options
    this.#store = store
  }

  static async open (options: StoreMachineOptions): Promise<StoreMachine> {
    const { disk, database, directory, groupId, log, settings } = options
    return new StoreMachine(options, await Store.open({ disk, database, logger: silentLogger, directory, log, groupId, settings }))
  }

  get appliedIndex (): number { return this.#store.appliedIndex }
  get confState (): ConfState { return this.#store.confState }
  get floorPosition (): number { return this.#store.floorPosition }
  get checkpointDue (): boolean { return this.#store.checkpointDue }
  get baseDumpDue (): boolean { return this.#store.baseDumpDue }
  get baseDumpIndex (): number { return this.#store.baseDumpIndex }

  get hash (): bigint {
    let hash = BigInt(this.#store.floorPosition)
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      hash = hash * 1_000_003n + BigInt(this.#queue(queueId)?.nextOffset ?? 0)
      hash = hash * 1_000_003n + BigInt(this.#queue(queueId)?.lastStampMs ?? 0)
      hash = hash * 1_000_003n + BigInt(this.#store.consumerOffsets.offset(GROUP, TOPIC, queueId) ?? 0)
    }
    return hash % HASH_RANGE
  }

  apply (entry: RaftEntry): void {
    const before = Array.from({ length: QUEUES }, (_, queueId) => this.#queue(queueId)?.nextOffset ?? 0)
    this.#store.apply(entry)
    const ids: number[] = []
    if (entry.kind === EntryKind.normal) {
      this.#positions.push(entry.physicalOffset)
      const bodyBytes = viewOf(entry.bytes).getUint32(56)
      const body = entry.bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + bodyBytes)
      const { messageCount, targets, sizeOf } = describe(body)
      for (let i = 0, at = 0; i < messageCount; i++) {
        const record = new RecordView(body.subarray(at, at + sizeOf(i)))
        at += sizeOf(i)
        const id = idOf(record)
        this.#expectAt(targets(i), before[targets(i)]!++, id, record.queueOffset)
        ids.push(id)
      }
    }
    this.onApply?.(entry, ids)
  }

  #expectAt (queueId: number, offset: number, id: number, recordOffset: number): void {
    if (recordOffset !== offset) throw new Violation('queue offsets', `message ${id} was sealed as ${recordOffset} of queue ${queueId} and came to stand at ${offset}`)
    const known = this.#options.contents[queueId]!
    if (known.length === offset) known.push(id)
    else if (known[offset] !== id) throw new Violation('queue offsets', `offset ${offset} of queue ${queueId} is message ${id}, and was ${known[offset]}`)
  }

  setConfState (state: ConfState): void { this.#store.setConfState(state) }
  startLeading (): void { this.#store.startLeading() }
  stopLeading (): void { this.#store.stopLeading() }

  checkpoint (): Promise<void> {
    this.beforeCheckpoint?.()
    return this.#store.checkpoint()
  }

  writeBaseDump (): Promise<number> {
    this.beforeCheckpoint?.()
    return this.#store.writeBaseDump()
  }

  close (): Promise<void> { return this.#store.close() }

  add (id: number, payloadBytes: number, done: (error?: unknown) => void): Proposal {
    const { random, contents, mayRemove } = this.#options
    const queueId = id % QUEUES
    const commits = random.chance(0.3)
    const removes = mayRemove && random.chance(0.05)
    let decidedOffset = -1
    return {
      costBytes: EntryBodyWriter.recordCostBytes(OVERHEAD_BYTES + payloadBytes, TOPIC.length) + OVERHEAD_BYTES,
      decide: (writer, stampMs) => {
        const body = new Uint8Array(4 + payloadBytes)
        viewOf(body).setUint32(0, id)
        decidedOffset = this.#store.consumeQueues.proposed(TOPIC, queueId).append(writer, message(body), 0, stampMs)
        if (commits) this.#store.consumerOffsets.commit(writer, GROUP, TOPIC, queueId, decidedOffset)
        const floor = this.#positions.length > 10 ? this.#positions[this.#positions.length - 10] : undefined
        if (removes && floor !== undefined && floor > this.#store.floorPosition) this.#store.setFloor(writer, floor)
      },
      settle: () => {
        if (contents[queueId]![decidedOffset] !== id) done(new Violation('queue offsets', `message ${id} was acknowledged at ${decidedOffset} of queue ${queueId}, where ${contents[queueId]![decidedOffset]} stands`))
        else done()
      },
      fail: done
    }
  }

  async verify (): Promise<bigint> {
    const hash = await this.#store.stateHash()
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      const queue = this.#queue(queueId)
      if (queue !== undefined) await this.#verifyQueue(queue)
    }
    return hash
  }

  async #verifyQueue (queue: ConsumeQueue): Promise<void> {
    const { log, contents } = this.#options
    const expected = contents[queue.queueId]!
    if (queue.nextOffset !== expected.length) throw new Violation('nothing lost', `queue ${queue.queueId} ends at ${queue.nextOffset}, it was given ${expected.length} messages`)
    for (let offset = queue.minOffset; offset < queue.nextOffset;) {
      const { page, from, to } = await this.#store.consumeQueues.units(queue, offset, queue.nextOffset - offset)
      for (let unit = from; unit < to; unit++, offset++) {
        if (page.physicalOffsetOf(unit) < this.#store.floorPosition) continue
        const record = new RecordView(await log.read(page.physicalOffsetOf(unit), page.sizeBytesOf(unit)))
        if (idOf(record) !== expected[offset] || record.queueOffset !== offset) throw new Violation('nothing lost', `offset ${offset} of queue ${queue.queueId} reads as message ${idOf(record)}, not ${expected[offset]}`)
      }
    }
  }

  #queue (queueId: number): ConsumeQueue | undefined {
    return this.#store.consumeQueues.queuesOf(TOPIC).find((queue) => queue.queueId === queueId)
  }
}

const idOf = (record: RecordView) => viewOf(record.body).getUint32(0)

function describe (bytes: Uint8Array): { readonly messageCount: number, readonly targets: (i: number) => number, readonly sizeOf: (i: number) => number } {
  const body = new EntryBody(bytes)
  return { messageCount: body.messageCount, targets: (i) => body.targets[body.targetOf(i)]!.queueId, sizeOf: (i) => body.sizeOf(i) }
}
