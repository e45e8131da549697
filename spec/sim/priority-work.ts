import type { Delivery, Engine, PutResult } from '../../lib/engine/index.ts'
import { Sender } from '../../lib/queue/sender.ts'
import { TopicRoutes } from '../../lib/queue/topic-routes.ts'
import type { PopMachine } from '../../lib/store/index.ts'
import { groupConfig } from '../engine/wire.ts'
import { contentsOf } from './contents.ts'
import type { KindWork } from './kind-work.ts'
import { Violation } from './ledger.ts'
import { bodyFor, idOf } from './names.ts'
import type { World } from './world.ts'

const TOPIC = 'urgent'
const QUEUES = 3
const GROUP = 'nurses'
const PRIORITIES = [0, 0, 1, 1, 2, 2, 3, 99]
const FACTOR = 'priority.factor'
/** Of all pops, which is so of a group that does not say, too. */
const ALWAYS = '100'

/** By offset: how often it was delivered. */
type Waiting = ReadonlyMap<number, number>

/** Messages with priorities: each lies in the queue of its own, and none is handed out while one of a higher one waits, as long as that holds for all pops of the group. */
export class PriorityWork implements KindWork {
  readonly #world: World
  /** By id. */
  readonly #priorities: number[] = []
  /** By queue: behind the last message that was acknowledged. */
  readonly #ends = Array<number>(QUEUES).fill(0)
  readonly #senders = new WeakMap<Engine, Sender>()
  /** What was last asked for: of so many pops in a hundred the highest comes first; undefined: of all, nobody has asked. */
  #factor: string | undefined
  #isChanging = false
  readonly operations: Array<KindWork['operations'][number]>

  constructor (world: World) {
    this.#world = world
    const send = (engine: Engine): Promise<void> => this.#send(engine)
    const consume = (engine: Engine): Promise<void> => this.#consume(engine)
    this.operations = [send, send, send, consume, consume, (engine) => engine.deadLetters.resend({ group: GROUP, max: 3 })]
    if (!world.parameters.priorityShares) return
    const changeFactor = (engine: Engine): Promise<void> => this.#changeFactor(engine)
    this.operations.push((engine) => this.#sendBatch(engine), ...(world.random.chance(0.5) ? [changeFactor] : []))
  }

  isSettled (engine: Engine): boolean { return engine.progress(GROUP).every(({ lag }) => lag === 0) }

  async settle (engine: Engine): Promise<void> {
    if (!this.isSettled(engine)) await engine.ackAll(await this.#pop(engine, 50, 2_000))
  }

  async #send (engine: Engine): Promise<void> {
    if (engine.store.metadata.topic(TOPIC) === undefined) return await engine.createTopic({ name: TOPIC, queueCount: QUEUES, attributes: { 'message.type': 'PRIORITY' } })
    const { id, body, ...options } = this.#next()
    this.#stored(id, await this.#senderOf(engine).send(TOPIC, body, options))
  }

  async #sendBatch (engine: Engine): Promise<void> {
    if (engine.store.metadata.topic(TOPIC) === undefined) return
    const items = Array.from({ length: 1 + this.#world.random.below(4) }, () => this.#next())
    const results = await this.#senderOf(engine).sendBatch(TOPIC, items.map(({ id, ...item }) => item))
    for (const [i, result] of results.entries()) this.#stored(items[i]!.id, result)
  }

  #next (): { readonly id: number, readonly body: Uint8Array, readonly priority: number, readonly delay?: number } {
    const { random } = this.#world
    const priority = random.pick(PRIORITIES)
    const id = this.#priorities.push(priority) - 1
    return { id, body: bodyFor(id, 0), priority, ...(random.chance(0.2) && { delay: 1 + random.below(1_000) }) }
  }

  #stored (id: number, { queueId, queueOffset, deliverAtMs }: PutResult): void {
    this.#placed(id, queueId)
    if (deliverAtMs === undefined) this.#ends[queueId] = Math.max(this.#ends[queueId]!, queueOffset + 1)
  }

  /** One after the other; when it has come to hold for all pops it stays so: it does not change twice while somebody asks. */
  async #changeFactor (engine: Engine): Promise<void> {
    if (this.#isChanging || this.#factor === ALWAYS || engine.store.metadata.topic(TOPIC) === undefined) return
    this.#factor = this.#world.random.pick(['0', '50', '99', ALWAYS])
    this.#isChanging = true
    try {
      await engine.config.putGroups([{ config: groupConfig(GROUP), attributeChanges: { [`+${FACTOR}`]: this.#factor } }])
    } finally {
      this.#isChanging = false
    }
  }

  #isAlwaysByPriority ({ store }: Engine): boolean { return this.#factor === undefined || store.metadata.group(GROUP)?.attributes?.[FACTOR] === ALWAYS }

  #senderOf (engine: Engine): Sender {
    let sender = this.#senders.get(engine)
    if (sender === undefined) {
      const routes = new TopicRoutes(engine, { autoCreateTopics: false, defaultQueues: QUEUES })
      this.#senders.set(engine, sender = new Sender(engine, engine.clock, routes, { maxMessageBytes: 1_000, maxEntryBytes: 4_096 }))
    }
    return sender
  }

  async #consume (engine: Engine): Promise<void> {
    if (engine.store.metadata.topic(TOPIC) === undefined) return
    const { random } = this.#world
    const deliveries = await this.#pop(engine, 1 + random.below(6), 100 + random.below(1_000))
    if (deliveries.length === 0) return
    switch (random.below(6)) {
      case 0: return
      case 1: return await engine.release(deliveries, false)
      case 2: return await engine.deadLetter(deliveries[0]!, 'no use')
      default: return await engine.ackAll(deliveries)
    }
  }

  async #pop (engine: Engine, max: number, invisibleMs: number): Promise<Delivery[]> {
    const request = { group: GROUP, topic: TOPIC, max, invisibleMs, maxAttempts: 60_000 }
    const before = this.#ends.map((_, queueId) => this.#waiting(engine, queueId))
    const wasByPriority = this.#isAlwaysByPriority(engine)
    const deliveries = await (this.#world.random.chance(0.3) ? engine.remotePops.pop({ ...request, maxBytes: 1_000_000, isOrdered: false, waitMs: 0, attemptId: '', startsLast: false }) : engine.pop(request))
    for (const { record, queueId } of deliveries) this.#placed(idOf(record.body), queueId)
    if (!wasByPriority || !this.#isAlwaysByPriority(engine)) return deliveries
    let lowest = QUEUES
    for (const { queueId } of deliveries) {
      if (queueId > lowest) throw new Violation('the highest first', `a message of queue ${queueId} is handed out behind one of queue ${lowest}`)
      lowest = queueId
    }
    for (let queueId = lowest + 1; queueId < QUEUES; queueId++) {
      const after = this.#waiting(engine, queueId)
      // as often delivered as before: nobody had it meanwhile
      for (const [offset, attempts] of before[queueId]!) if (after.get(offset) === attempts) throw new Violation('the highest first', `a message of queue ${lowest} is handed out, and the one at offset ${offset} of queue ${queueId} waits, delivered ${attempts} times, since before it was asked for`)
    }
    return deliveries
  }

  /** What the group may have at once, of what this node has applied or a sender was told of. */
  #waiting ({ store }: Engine, queueId: number): Waiting {
    const machine = store.machine('pop') as PopMachine
    const queue = store.consumeQueues.find(TOPIC, queueId)
    const waiting = new Map<number, number>()
    const first = Math.max(machine.progressOf(GROUP, TOPIC, queueId)?.consumerOffset ?? 0, queue?.minOffset ?? 0)
    for (let offset = first; offset < Math.max(this.#ends[queueId]!, queue?.nextOffset ?? 0); offset++) {
      const state = machine.offsetState(GROUP, TOPIC, queueId, offset)
      if (state === undefined || state.is === 'fresh') waiting.set(offset, 0)
      else if (state.is === 'returned' && state.visibleAtMs === 0) waiting.set(offset, state.attempts)
    }
    return waiting
  }

  #placed (id: number, queueId: number): void {
    const priority = this.#priorities[id]!
    if (queueId !== Math.min(priority, QUEUES - 1)) throw new Violation('a priority names the queue', `message ${id} of priority ${priority} lies in queue ${queueId} of ${QUEUES}`)
  }

  async verify (engine: Engine): Promise<void> {
    for (const { record, queueId } of (await contentsOf(engine, TOPIC)).records) this.#placed(idOf(record.body), queueId)
  }
}
