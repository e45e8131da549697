import type { Engine } from '../../lib/engine/index.ts'
import type { PopMachine } from '../../lib/store/index.ts'
import { Put, topicConfig, wireMessage } from '../engine/wire.ts'
import { MAX_SKEW_MS, type KindWork } from './kind-work.ts'
import { Violation } from './ledger.ts'
import { bodyFor, idOf } from './names.ts'
import type { World } from './world.ts'

const TOPIC = 'fleeting'
const GROUP = 'hasty'
/** Longer than clocks jump altogether. */
const LONG_MS = 365 * 86_400_000

interface Fleeting {
  /** Infinity: none. */
  readonly ttlMs: number
  /** Where and when it came to its queue, if its sender was told. */
  place: { readonly queueOffset: number, readonly physicalOffset: number, readonly storeTimestampMs: number } | undefined
  isDelivered: boolean
}

/** Messages with a time to live: not to be handed out when it is over, nor passed over before. */
export class FleetingWork implements KindWork {
  readonly #world: World
  readonly #all: Fleeting[] = []
  readonly operations: KindWork['operations']

  constructor (world: World) {
    this.#world = world
    const send = (engine: Engine): Promise<void> => this.#send(engine)
    this.operations = [send, send, (engine) => this.#pop(engine), (engine) => this.#look(engine)]
  }

  get #jumps (): boolean { return this.#world.parameters.clockStepEveryMs !== Infinity }

  isSettled (engine: Engine): boolean { return engine.progress(GROUP).every(({ lag }) => lag === 0) }

  async settle (engine: Engine): Promise<void> {
    if (!this.isSettled(engine)) await this.#take(engine, 200, 2_000)
  }

  async #send (engine: Engine): Promise<void> {
    const { random } = this.#world
    const ttlMs = random.chance(0.5) ? 1 + random.below(1_500) : random.pick([LONG_MS, Infinity])
    const delayMs = random.chance(0.2) ? 1 + random.below(1_000) : 0
    const id = this.#all.length
    const fleeting: Fleeting = { ttlMs, place: undefined, isDelivered: false }
    this.#all.push(fleeting)
    const properties = Buffer.from(ttlMs === Infinity ? '' : `TTL\x01${ttlMs}\x02`)
    const put = new Put(engine, { ...wireMessage('', { properties, delayMs }), body: bodyFor(id, 0) }, topicConfig(TOPIC, 1))
    engine.submit(put)
    const stored = await put.done
    if (stored.queueOffset >= 0) fleeting.place = stored
  }

  async #pop (engine: Engine): Promise<void> {
    const { random } = this.#world
    await this.#take(engine, 1 + random.below(10), 100 + random.below(1_500))
  }

  async #take (engine: Engine, max: number, invisibleMs: number): Promise<void> {
    if (engine.store.metadata.topic(TOPIC) === undefined) return
    const { random } = this.#world
    const startedMs = engine.clock.wallMs()
    const deliveries = await engine.pop({ group: GROUP, topic: TOPIC, max, invisibleMs, maxAttempts: 60_000 })
    for (const { storeTimestampMs, record } of deliveries) {
      const fleeting = this.#all[idOf(record.body)]!
      if (!this.#jumps && storeTimestampMs + fleeting.ttlMs <= startedMs) throw new Violation('never after its time', `message ${idOf(record.body)}, which lives ${fleeting.ttlMs} ms from ${storeTimestampMs} on, is handed out to who asked at ${startedMs}`)
      fleeting.isDelivered = true
    }
    if (deliveries.length === 0) return
    if (max < 200 && random.chance(0.5)) await (random.chance(0.5) ? engine.release(deliveries, random.chance(0.5)) : engine.retryLater(deliveries[0]!, random.below(500)))
    else await engine.ackAll(deliveries)
  }

  /** Of the last ones. */
  async #look (engine: Engine): Promise<void> { this.#judge(engine, this.#all.slice(-40)) }

  /** Those that are done without that anybody had them must have seen their time end. */
  #judge ({ store }: Engine, fleetings: readonly Fleeting[]): void {
    const { clock } = this.#world
    const machine = store.machine('pop') as PopMachine
    const latestMs = clock.wallMs() + MAX_SKEW_MS
    for (const { ttlMs, place, isDelivered } of fleetings) {
      if (place === undefined || isDelivered || place.physicalOffset < store.floorPosition) continue
      const isOver = this.#jumps ? ttlMs < LONG_MS : place.storeTimestampMs + ttlMs <= latestMs
      if (!isOver && machine.isDone(GROUP, TOPIC, 0, place.queueOffset)) throw new Violation('never passed over before its time', `the message at offset ${place.queueOffset}, which lives ${ttlMs} ms from ${place.storeTimestampMs} on, is done at ${clock.wallMs()} and was handed out to nobody`)
    }
  }

  async verify (engine: Engine): Promise<void> { this.#judge(engine, this.#all) }
}
