import { noLock } from '../../lib/adapters/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { Engine, PutBatchProposal, PutProposal, type Delivery, type EngineOptions, type EnginePorts, type PutResult } from '../../lib/engine/index.ts'
import { ENTRY_HEADER_BYTES } from '../../lib/log/index.ts'
import type { Machine } from './machine.ts'

export const directory = '/srv/queue'
export const group = 'workers'

export type Fate = 'pending' | 'acked' | 'refused'

/** One message as its sender knows it. */
export interface Sent {
  readonly id: number
  readonly topic: string
  readonly queueId: number
  readonly bodyBytes: number
  /** Members of one batch share it. */
  readonly batch: number | undefined
  fate: Fate
  result?: PutResult
}

/** One message as its consumer knows it: what it asked for last, and whether that was answered. */
export interface Consumed {
  readonly id: number
  wish: 'none' | 'ack' | 'retry' | 'dead-letter'
  isAnswered: boolean
}

/** What a queue has promised over all the lives of its directory. */
export class Promises {
  readonly sent: Sent[] = []
  readonly consumed = new Map<number, Consumed>()
  /** Topics by what was asked for last. */
  readonly topics = new Map<string, { wish: 'made' | 'deleted', isAnswered: boolean }>()
  /** The highest floor that was asked for. */
  floorPosition = 0

  copy (): Promises {
    const copy = new Promises()
    copy.sent.push(...this.sent.map((sent) => ({ ...sent })))
    for (const [id, consumed] of this.consumed) copy.consumed.set(id, { ...consumed })
    for (const [name, topic] of this.topics) copy.topics.set(name, { ...topic })
    copy.floorPosition = this.floorPosition
    return copy
  }
}

export interface LifeOptions {
  readonly promises?: Promises
  readonly durability?: 'disk' | 'memory'
  readonly segmentBytes?: number
}

/** An engine on a machine that may stop at any moment; notes what it promises. */
export class EngineLife {
  readonly machine: Machine
  readonly promises: Promises
  readonly #options: LifeOptions
  engine!: Engine
  /** Why the engine that is open has stopped. */
  failure: unknown
  /** Why any engine of this life has. */
  firstFailure: unknown
  ackedAfterFailure = false
  isClosing = false
  isOpen = false
  /** The boundaries of each clean close, [from, to], with the one that was under way when it began. */
  readonly closes: Array<readonly [number, number]> = []

  constructor (machine: Machine, options: LifeOptions = {}) {
    this.machine = machine
    this.promises = options.promises ?? new Promises()
    this.#options = options
  }

  /** What was promised so far, on another machine. */
  continueOn (machine: Machine): EngineLife {
    return new EngineLife(machine, { ...this.#options, promises: this.promises.copy() })
  }

  async open (): Promise<void> {
    this.failure = undefined
    this.isClosing = this.isOpen = false
    this.engine = await Engine.open(engineOptions(this.machine, this.#options))
    this.isOpen = true
    this.engine.onFailure((error) => {
      this.failure ??= error
      this.firstFailure ??= error
    })
  }

  /** Sends a message; the result is noted when it comes. */
  async send (topic: string, queueId: number, bodyBytes: number): Promise<void> {
    const sent = this.#note(topic, queueId, bodyBytes)
    await new Promise<PutResult>((resolve, reject) => { this.engine.submit(this.#put(sent, resolve, reject)) }).then((result) => this.#acked([sent], [result]), (error) => this.#failed([sent], error))
  }

  /** Sends several that are stored all or not at all. */
  async sendBatch (topic: string, queueIds: readonly number[], bodyBytes: number): Promise<void> {
    const batch = this.promises.sent.length
    const members = queueIds.map((queueId) => this.#note(topic, queueId, bodyBytes, batch))
    await new Promise<PutResult[]>((resolve, reject) => {
      this.engine.submit(new PutBatchProposal(members.map((sent) => this.#put(sent, () => {}, () => {})), resolve, reject))
    }).then((results) => this.#acked(members, results), (error) => this.#failed(members, error))
  }

  async pop (topic: string, max: number, { invisibleMs = 3_600_000, waitMs = 0 } = {}): Promise<Delivery[]> {
    return await this.engine.pop({ group, topic, max, invisibleMs, waitMs })
  }

  ack (delivery: Delivery): Promise<void> { return this.#consume(delivery, 'ack', () => this.engine.ack(delivery)) }
  retry (delivery: Delivery, delayMs: number): Promise<void> { return this.#consume(delivery, 'retry', () => this.engine.retryLater(delivery, delayMs)) }
  deadLetter (delivery: Delivery): Promise<void> { return this.#consume(delivery, 'dead-letter', () => this.engine.deadLetter(delivery)) }

  async makeTopic (name: string): Promise<void> {
    const topic = { wish: 'made' as const, isAnswered: false }
    this.promises.topics.set(name, topic)
    await this.engine.createTopic({ name, queueCount: 2, attributes: {} })
    topic.isAnswered = true
  }

  async deleteTopic (name: string): Promise<void> {
    const topic = { wish: 'deleted' as const, isAnswered: false }
    this.promises.topics.set(name, topic)
    await this.engine.deleteTopic(name)
    topic.isAnswered = true
  }

  /** Retention up to the entry that message `id` began. */
  async raiseFloorTo (id: number): Promise<void> {
    const position = this.promises.sent[id]!.result!.physicalOffset - ENTRY_HEADER_BYTES
    this.promises.floorPosition = Math.max(this.promises.floorPosition, position)
    await this.engine.raiseFloor(position)
  }

  async idle (ms: number): Promise<void> {
    await new Promise<void>((resolve) => { this.machine.clock.setTimer(ms, resolve) })
  }

  async close (): Promise<void> {
    this.isClosing = true
    const from = this.machine.faults.boundaries
    await this.engine.close()
    this.closes.push([from, this.machine.faults.boundaries])
  }

  #note (topic: string, queueId: number, bodyBytes: number, batch?: number): Sent {
    const sent: Sent = { id: this.promises.sent.length, topic, queueId, bodyBytes, batch, fate: 'pending' }
    this.promises.sent.push(sent)
    return sent
  }

  #put (sent: Sent, resolve: (result: PutResult) => void, reject: (error: unknown) => void): PutProposal {
    const topic = this.engine.topicToBe({ name: sent.topic, queueCount: 2, attributes: {} })
    return new PutProposal(topic, sent.queueId, bodyOf(sent), `key-${sent.id}`, '', 0, '', resolve, reject)
  }

  #acked (members: readonly Sent[], results: readonly PutResult[]): void {
    this.ackedAfterFailure ||= this.failure !== undefined
    members.forEach((sent, i) => {
      sent.fate = 'acked'
      sent.result = results[i]!
    })
  }

  #failed (members: readonly Sent[], error: unknown): never {
    for (const sent of members) if ((error as { outcome?: string }).outcome === 'not-applied') sent.fate = 'refused'
    throw error
  }

  async #consume (delivery: Delivery, wish: Consumed['wish'], act: () => Promise<void>): Promise<void> {
    const consumed: Consumed = { id: idOf(delivery.record.body), wish, isAnswered: false }
    this.promises.consumed.set(consumed.id, consumed)
    await act()
    this.ackedAfterFailure ||= this.failure !== undefined
    consumed.isAnswered = true
  }
}

/** A body tells its message, in every byte. */
export function bodyOf ({ id, bodyBytes }: { readonly id: number, readonly bodyBytes: number }): Uint8Array {
  return Buffer.from(`${id}:`.repeat(Math.ceil(bodyBytes / `${id}:`.length)).slice(0, Math.max(bodyBytes, `${id}:`.length)))
}

export function idOf (body: Uint8Array): number {
  return Number.parseInt(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 10)
}

export function engineOptions (machine: Machine, { durability = 'disk', segmentBytes = 8 * 1024 }: LifeOptions = {}): EngineOptions {
  const { disk, kv, clock, random } = machine
  return {
    directory,
    durability,
    flush: { timed: true, intervalMs: 500, leastPages: 4, thoroughIntervalMs: 10_000 },
    logger: silentLogger,
    retention: { maxAgeMs: Infinity, maxBytes: Infinity },
    limits: { maxEntryBytes: 4096, maxPendingProposals: 1000, maxPendingBytes: 1024 * 1024, tailCacheBytes: 16 * 1024, coldCacheBytes: 64 * 1024, segmentBytes, maxWaitingConsumers: 100 },
    ports: { disk, kv, clock, random, lock: noLock } as unknown as EnginePorts,
    storeSettings: { checkpointBytes: 6 * 1024, baseDumpBytes: 16 * 1024, unpersistedBytes: 32 * 1024, pageCacheBytes: 16 * 1024 }
  }
}
