import { GetMessageStatus, type Delivery, type Engine, type GetMessagesRequest } from '../../lib/engine/index.ts'
import { SqlFilter } from '../../lib/filter/index.ts'
import { propertiesAt, tagsCodeIn, tagsCodeOf, type RecordView } from '../../lib/message/index.ts'
import type { PopMachine } from '../../lib/store/index.ts'
import { get, Put, topicConfig, wireMessage } from '../engine/wire.ts'
import type { KindWork } from './kind-work.ts'
import { Violation } from './ledger.ts'
import type { MemberNode } from './member-node.ts'
import { bodyFor, idOf } from './names.ts'
import type { World } from './world.ts'

const TOPIC = 'mixed'
const QUEUES = 2
/** The last two share a code, so that who wants one gets both, and looks itself. */
const TAGS = ['red', 'green', 'Aa', 'BB']

interface Mixed {
  readonly tag: string
  readonly a: number
  readonly b: string | undefined
  place: { readonly queueId: number, readonly queueOffset: number, readonly physicalOffset: number } | undefined
}

interface Filter {
  readonly request: Pick<GetMessagesRequest, 'tagsCodes' | 'filter'>
  wants (record: RecordView): boolean
  /** What it says, said otherwise. */
  isFor (message: Mixed): boolean
}

function sql (expression: string, isFor: Filter['isFor']): Filter {
  const filter = new SqlFilter(expression)
  return { request: { filter }, wants: ({ bytes }) => filter.matches(bytes, propertiesAt(bytes), bytes.length), isFor }
}

function tags (tags: readonly string[]): Filter {
  const tagsCodes = new Set(tags.map(tagsCodeOf))
  return { request: { tagsCodes }, wants: ({ bytes }) => tagsCodes.has(tagsCodeIn(bytes.subarray(propertiesAt(bytes)))), isFor: ({ tag }) => tagsCodes.has(tagsCodeOf(tag)) }
}

const filters: readonly Filter[] = [
  tags(['red']),
  tags(['green', 'Aa']),
  sql("a > 5 AND b IN ('x', 'y')", ({ a, b }) => a > 5 && b !== undefined && 'xy'.includes(b)),
  sql('b IS NULL OR a BETWEEN 2 AND 4', ({ a, b }) => b === undefined || (a >= 2 && a <= 4)),
  sql("b <> 'x' OR a = 3", ({ a, b }) => (b !== undefined && b !== 'x') || a === 3),
  sql("TAGS = 'red' AND NOT (a < 3)", ({ tag, a }) => tag === 'red' && a >= 3)
]

/** Consumers that want some messages: they get exactly those, by leases and by offset. */
export class FilterWork implements KindWork {
  readonly #world: World
  readonly #all: Mixed[] = []
  /** By filter: which it was handed out. */
  readonly #delivered = filters.map(() => new Set<number>())
  readonly operations: KindWork['operations']

  constructor (world: World) {
    this.#world = world
    const send = (engine: Engine): Promise<void> => this.#send(engine)
    const pull = (engine: Engine, node: MemberNode): Promise<void> => this.#pull(engine, node)
    this.operations = [send, send, send, (engine) => this.#pop(engine), (engine) => this.#pop(engine), pull, pull]
  }

  isSettled (engine: Engine): boolean { return filters.every((_, number) => this.#isDrained(engine, number)) }

  #isDrained (engine: Engine, number: number): boolean { return engine.progress(groupOf(number)).every(({ lag }) => lag === 0) }

  async settle (engine: Engine): Promise<void> {
    for (const number of filters.keys()) if (!this.#isDrained(engine, number)) await this.#take(engine, number, 200)
  }

  async #send (engine: Engine): Promise<void> {
    const { random, parameters: { payloadBytes } } = this.#world
    const mixed: Mixed = { tag: random.pick(TAGS), a: random.below(10), b: random.pick(['x', 'y', 'z', undefined]), place: undefined }
    const id = this.#all.push(mixed) - 1
    const properties = Buffer.from(`TAGS\x01${mixed.tag}\x02a\x01${mixed.a}\x02${mixed.b === undefined ? '' : `b\x01${mixed.b}\x02`}`)
    const put = new Put(engine, { ...wireMessage('', { properties, queueId: random.below(QUEUES) }), body: bodyFor(id, random.below(Math.min(600, payloadBytes + 1))) }, topicConfig(TOPIC, QUEUES))
    engine.submit(put)
    mixed.place = await put.done
  }

  async #pop (engine: Engine): Promise<void> {
    if (engine.store.metadata.topic(TOPIC) !== undefined) await this.#take(engine, this.#world.random.below(filters.length), 1 + this.#world.random.below(5))
  }

  async #take (engine: Engine, number: number, max: number): Promise<void> {
    const { random } = this.#world
    const { wants } = filters[number]!
    const deliveries = await engine.pop({ group: groupOf(number), topic: TOPIC, max, invisibleMs: 200 + random.below(1_500), maxAttempts: 60_000, wants })
    for (const delivery of deliveries) this.#handedOut(number, delivery)
    if (deliveries.length > max) throw new Violation('filters', `${deliveries.length} messages for who asked for ${max}`)
    if (deliveries.length === 0 || (max < 200 && random.chance(0.2))) return
    await (max < 200 && random.chance(0.2) ? engine.release(deliveries, random.chance(0.5)) : engine.ackAll(deliveries))
  }

  #handedOut (number: number, { record }: Pick<Delivery, 'record'>): void {
    const id = idOf(record.body)
    if (!filters[number]!.isFor(this.#all[id]!)) throw new Violation('only what is wanted', `filter ${number} lets message ${id} through: ${textOf(this.#all[id]!)}`)
    this.#delivered[number]!.add(id)
  }

  /** At any node, what it has applied. */
  async #pull (engine: Engine, node: MemberNode): Promise<void> {
    const { random } = this.#world
    const [queueId, number] = [random.below(QUEUES), random.below(filters.length)]
    const { minOffset, maxOffset } = engine.reads.rangeOf(TOPIC, queueId)
    if (maxOffset === minOffset) return
    const fromOffset = minOffset + random.below(maxOffset - minOffset)
    const before = this.#all.slice()
    const { wipes } = node.machine
    const { request, isFor } = filters[number]!
    const { result, records } = await get(engine, { topic: TOPIC, queueId, fromOffset, maxMessages: 1 + random.below(20), maxBytes: 1_000 + random.below(20_000), ...request })
    if (result.status !== GetMessageStatus.FOUND && result.status !== GetMessageStatus.NO_MATCHED_MESSAGE) return
    const offsets = new Set<number>()
    records.forEach(({ body, queueOffset }) => {
      const message = this.#all[idOf(body)]!
      if (!isFor(message)) throw new Violation('only what is wanted', `filter ${number} lets message ${idOf(body)} through: ${textOf(message)}`)
      if (queueOffset < fromOffset || queueOffset >= result.nextBeginOffset || offsets.has(queueOffset)) throw new Violation('queue offsets', `a pull of queue ${queueId} from ${fromOffset} to ${result.nextBeginOffset} gives offset ${queueOffset}`)
      offsets.add(queueOffset)
    })
    // one that cannot be read at the moment counts as removed, and who has just started may have removed what its state has not yet
    if (node.machine.isDamaged || node.machine.wipes !== wipes) return
    for (const message of before) {
      const { place } = message
      if (place === undefined || place.queueId !== queueId || place.queueOffset < fromOffset || place.queueOffset >= result.nextBeginOffset) continue
      if (!offsets.has(place.queueOffset) && isFor(message) && place.physicalOffset >= Math.max(engine.store.floorPosition, engine.replica.log.floor.physicalOffset)) throw new Violation('all that is wanted', `filter ${number} passes over offset ${place.queueOffset} of queue ${queueId}, in a pull from ${fromOffset} to ${result.nextBeginOffset}: ${textOf(message)}`)
    }
  }

  /** What a group is done with, and wants, it was handed out. */
  async verify ({ store }: Engine): Promise<void> {
    const { flipEveryMs, cutFlipRate } = this.#world.parameters
    // what nobody can mend at the moment counts as removed
    if (flipEveryMs !== Infinity || cutFlipRate > 0) return
    const machine = store.machine('pop') as PopMachine
    this.#all.forEach((message, id) => {
      const { place } = message
      if (place === undefined || place.physicalOffset < store.floorPosition) return
      filters.forEach(({ isFor }, number) => {
        if (isFor(message) && !this.#delivered[number]!.has(id) && machine.isDone(groupOf(number), TOPIC, place.queueId, place.queueOffset)) throw new Violation('all that is wanted', `filter ${number} passed over message ${id}: ${textOf(message)}`)
      })
    })
  }
}

function groupOf (filter: number): string { return `wants-${filter}` }

function textOf ({ tag, a, b }: Mixed): string { return JSON.stringify({ tag, a, b }) }
