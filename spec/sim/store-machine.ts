import { silentLogger, viewOf, type Disk } from '../../lib/base/index.ts'
import type { DatabaseOpener } from '../../lib/kv/index.ts'
import { ENTRY_HEADER_BYTES, stampMsOf, type RaftLog } from '../../lib/log/index.ts'
import { EntryBody, EntryBodyWriter, NO_QUEUE_OFFSET, RecordView } from '../../lib/message/index.ts'
import { EntryKind, type ConfState, type RaftEntry } from '../../lib/raft/index.ts'
import type { Proposal, WriteBaseDump } from '../../lib/replica/index.ts'
import { DelayDue, PAGE_UNITS, Store, type ConsumeQueue, type StoreSettings } from '../../lib/store/index.ts'
import { deliverDue, schedule } from '../store/delayed-store.ts'
import { message } from '../store/leader.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { Violation } from './ledger.ts'
import type { SimMachine } from './sim-machine.ts'

const TOPIC = 'sim'
const GROUP = 'readers'
const QUEUES = 3
/** Messages that are delivered later come to a topic of their own. */
const LATER = 'later'
const OVERHEAD_BYTES = 400
const DELAYED_BYTES = 1200
const HASH_RANGE = 1n << 64n

/** What was first applied anywhere, and must be so everywhere. */
export interface StoreFacts {
  /** By queue: the ids of its messages, in the order of their queue offsets. */
  readonly contents: number[][]
  /** Where messages stand that were stored to be delivered later, with the ids of their requests. */
  readonly delayed: Map<number, number>
  /** Where those stand that were delivered, in the order of their queue offsets. */
  readonly delivered: number[]
}

export const noFacts = (): StoreFacts => ({ contents: Array.from({ length: QUEUES }, () => []), delayed: new Map(), delivered: [] })

export interface StoreMachineOptions {
  readonly disk: Disk
  readonly database: DatabaseOpener
  readonly directory: string
  readonly groupId: Uint8Array
  readonly log: RaftLog
  readonly settings: Partial<StoreSettings>
  readonly facts: StoreFacts
  readonly random: SeededRandom
  /** Retention may remove the head of the log. */
  readonly mayRemove: boolean
}

/**
 * The shipped store: each request is a message to one of some queues, sometimes with another one that is delivered later,
 * deliveries of what is due, a consumer's commit, locks that change hands, or a retention floor in the same entry. Offsets
 * given while sealing must be those the messages come to stand at, for ever; what waits is delivered once.
 */
export class StoreMachine implements SimMachine {
  readonly #options: StoreMachineOptions
  readonly #store: Store
  /** Where applied entries begin: what a retention floor may be raised to. */
  readonly #positions: number[] = []
  readonly #due: DelayDue
  #nowMs = 0
  #isLeading = false
  #isLoading = false
  #unreadable: Violation | undefined
  onApply: SimMachine['onApply']
  beforeCheckpoint: SimMachine['beforeCheckpoint']

  private constructor (options: StoreMachineOptions, store: Store) {
    this.#options = options
    this.#store = store
    this.#due = new DelayDue(store.delays, 4)
    store.delays.onScheduled = (...scheduled) => { if (this.#isLeading) this.#due.note(...scheduled) }
  }

  static async open (options: StoreMachineOptions): Promise<StoreMachine> {
    const { disk, database, directory, groupId, log, settings } = options
    return new StoreMachine(options, await Store.open({ disk, database, logger: silentLogger, directory, log, groupId, settings }))
  }

  get appliedIndex (): number { return this.#store.appliedIndex }
  get confState (): ConfState { return this.#store.confState }
  get appliedPosition (): number { return this.#store.appliedPosition }
  get checkpointPosition (): number { return this.#store.checkpointPosition }
  get floorPosition (): number { return this.#store.floorPosition }
  get checkpointDue (): boolean { return this.#store.checkpointDue }
  get isCheckpointOverdue (): boolean { return this.#store.isCheckpointOverdue }
  get baseDumpDue (): boolean { return this.#store.baseDumpDue }
  get baseDumpIndex (): number { return this.#store.baseDumpIndex }
  get baseDump (): Store['baseDump'] { return this.#store.baseDump }
  holdBaseDump (index: number): () => void { return this.#store.holdBaseDump(index) }

  get hash (): bigint {
    let hash = BigInt(this.#store.floorPosition)
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      hash = hash * 1_000_003n + BigInt(this.#queue(queueId)?.nextOffset ?? 0)
      hash = hash * 1_000_003n + BigInt(this.#queue(queueId)?.lastStampMs ?? 0)
      hash = hash * 1_000_003n + BigInt(this.#store.consumerOffsets.offset(GROUP, TOPIC, queueId) ?? 0)
      hash = hash * 1_000_003n + BigInt(this.#store.locks.ownerOf(GROUP, TOPIC, queueId)?.length ?? 0)
    }
    hash = hash * 1_000_003n + BigInt(this.#store.delays.pendingCount)
    hash = hash * 1_000_003n + BigInt(this.#later?.nextOffset ?? 0)
    return hash % HASH_RANGE
  }

  apply (entry: RaftEntry): void {
    const before = Array.from({ length: QUEUES }, (_, queueId) => this.#queue(queueId)?.nextOffset ?? 0)
    const laterBefore = this.#later?.nextOffset ?? 0
    this.#store.apply(entry)
    this.#nowMs = stampMsOf(entry)
    const ids: number[] = []
    if (entry.kind === EntryKind.normal) {
      this.#positions.push(entry.physicalOffset)
      const bodyBytes = viewOf(entry.bytes).getUint32(56)
      const body = entry.bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + bodyBytes)
      const { messageCount, targets, sizeOf } = describe(body)
      for (let i = 0, at = 0; i < messageCount; i++) {
        const record = new RecordView(body.subarray(at, at + sizeOf(i)))
        const position = entry.physicalOffset + ENTRY_HEADER_BYTES + at
        at += sizeOf(i)
        const id = idOf(record)
        if (record.queueOffset === NO_QUEUE_OFFSET) {
          this.#options.facts.delayed.set(position, id)
          continue
        }
        this.#expectAt(targets(i), before[targets(i)]!++, id, record.queueOffset)
        ids.push(id)
      }
      this.#expectDelivered(laterBefore)
    }
    this.onApply?.(entry, ids)
  }

  #expectDelivered (fromOffset: number): void {
    const { delivered, delayed } = this.#options.facts
    for (let offset = fromOffset; offset < (this.#later?.nextOffset ?? 0); offset++) {
      const page = this.#later!.residentPage(offset)!
      const position = page.physicalOffsetOf(offset % PAGE_UNITS)
      if (!delayed.has(position)) throw new Violation('delivered once', `offset ${offset} is the message at ${position}, which nobody has stored`)
      if (offset === delivered.length && !delivered.includes(position)) delivered.push(position)
      else if (delivered[offset] !== position) throw new Violation('delivered once', `offset ${offset} of the delayed is the message at ${position}, and was that at ${delivered[offset]}`)
    }
  }

  #expectAt (queueId: number, offset: number, id: number, recordOffset: number): void {
    if (recordOffset !== offset) throw new Violation('queue offsets', `message ${id} was sealed as ${recordOffset} of queue ${queueId} and came to stand at ${offset}`)
    const known = this.#options.facts.contents[queueId]!
    if (known.length === offset) known.push(id)
    else if (known[offset] !== id) throw new Violation('queue offsets', `offset ${offset} of queue ${queueId} is message ${id}, and was ${known[offset]}`)
  }

  setConfState (state: ConfState): void { this.#store.setConfState(state) }
  startLeading (): void {
    this.#store.startLeading()
    this.#isLeading = true
    this.#due.reset()
  }

  stopLeading (): void {
    this.#store.stopLeading()
    this.#isLeading = false
  }

  /** Brings what is due to memory, behind the scenes as the engine does. */
  #load (): void {
    if (!this.#isLeading || this.#isLoading || !this.#due.needsLoad(this.#nowMs)) return
    this.#isLoading = true
    const onUnreadable = (error: Error) => { this.#unreadable ??= new Violation('delivered once', error.message) }
    // a node that has stopped reads no more
    this.#due.load(this.#nowMs, onUnreadable).catch(() => {}).finally(() => { this.#isLoading = false })
  }

  checkpoint (): Promise<void> {
    this.beforeCheckpoint?.()
    return this.#store.checkpoint()
  }

  beginBaseDump (): Promise<WriteBaseDump> {
    this.beforeCheckpoint?.()
    return this.#store.beginBaseDump()
  }

  close (): Promise<void> { return this.#store.close() }

  add (id: number, payloadBytes: number, done: (error?: unknown) => void): Proposal {
    const { random, facts: { contents }, mayRemove } = this.#options
    const { consumeQueues, consumerOffsets, delays, locks } = this.#store
    const queueId = id % QUEUES
    const commits = random.chance(0.3)
    const removes = mayRemove && random.chance(0.05)
    const delayMs = random.chance(0.3) ? 1 + Math.floor(random.next() * 2000) : 0
    const delivers = random.chance(0.4)
    const client = random.chance(0.3) ? 'c'.repeat(1 + Math.floor(random.next() * 3)) : ''
    let decidedOffset = -1
    this.#load()
    return {
      costBytes: EntryBodyWriter.recordCostBytes(OVERHEAD_BYTES + payloadBytes, TOPIC.length) + OVERHEAD_BYTES + DELAYED_BYTES,
      decide: (writer, stampMs) => {
        const body = new Uint8Array(4 + payloadBytes)
        viewOf(body).setUint32(0, id)
        decidedOffset = consumeQueues.proposed(TOPIC, queueId).append(writer, message(body), 0, stampMs)
        if (delayMs > 0) schedule(this.#store, writer, { topic: LATER, queueId: 0, body: body.slice(0, 4), stampMs, deliverAtMs: stampMs + delayMs })
        if (delivers) deliverDue(this.#store, this.#due, writer, stampMs, 3)
        if (commits) consumerOffsets.commit(writer, GROUP, TOPIC, queueId, decidedOffset)
        if (client !== '') {
          if (delays.pendingCount % 2 === 0) locks.lock(writer, GROUP, client, [{ topic: TOPIC, queueId }], stampMs)
          else locks.unlock(writer, GROUP, client, [{ topic: TOPIC, queueId }], stampMs)
          locks.expire(writer, stampMs, 3)
        }
        const floor = this.#positions.length > 10 ? this.#positions[this.#positions.length - 10] : undefined
        if (removes && floor !== undefined && floor > this.#store.floorPosition) this.#store.setFloor(writer, floor)
      },
      settle: () => {
        if (this.#unreadable !== undefined) done(this.#unreadable)
        else if (contents[queueId]![decidedOffset] !== id) done(new Violation('queue offsets', `message ${id} was acknowledged at ${decidedOffset} of queue ${queueId}, where ${contents[queueId]![decidedOffset]} stands`))
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
    await this.#verifyDelayed()
    return hash
  }

  async #verifyQueue (queue: ConsumeQueue): Promise<void> {
    const { log, facts: { contents } } = this.#options
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

  /** Every message that was stored to come later waits, or has come; and those that wait are the right ones. */
  async #verifyDelayed (): Promise<void> {
    const { delays } = this.#store
    const { delayed, delivered } = this.#options.facts
    if (delays.pendingCount + (this.#later?.nextOffset ?? 0) !== delayed.size) throw new Violation('delivered once', `of ${delayed.size} delayed messages ${delays.pendingCount} wait and ${this.#later?.nextOffset ?? 0} were delivered`)
    for await (const { physicalOffset } of delays.pendingBelow(Infinity, (error) => { throw error })) {
      if (!delayed.has(physicalOffset) || delivered.includes(physicalOffset)) throw new Violation('delivered once', `a message waits at ${physicalOffset}, where none was stored, or one that was delivered`)
    }
  }

  get #later (): ConsumeQueue | undefined { return this.#store.consumeQueues.find(LATER, 0) }

  #queue (queueId: number): ConsumeQueue | undefined {
    return this.#store.consumeQueues.queuesOf(TOPIC).find((queue) => queue.queueId === queueId)
  }
}

const idOf = (record: RecordView) => viewOf(record.body).getUint32(0)

function describe (bytes: Uint8Array): { readonly messageCount: number, readonly targets: (i: number) => number, readonly sizeOf: (i: number) => number } {
  const body = new EntryBody(bytes)
  return { messageCount: body.messageCount, targets: (i) => body.targets[body.targetOf(i)]!.queueId, sizeOf: (i) => body.sizeOf(i) }
}
