import type { Engine } from '../../lib/engine/index.ts'
import { Put, topicConfig, wireMessage } from '../engine/wire.ts'
import { contentsOf } from './contents.ts'
import type { KindWork } from './kind-work.ts'
import { Violation } from './ledger.ts'
import type { MemberNode } from './member-node.ts'
import { bodyFor, idOf } from './names.ts'
import type { World } from './world.ts'

const TOPIC = 'named'
const QUEUES = 2
const WORDS = ['k0', 'k1', 'k2', 'k3', 'k4']
/** More than any key has, and less than is looked at for one query. */
const ALL = { maxMessages: 1_000, maxBytes: 1 << 24 }
/** Who asks waits as long for an index that is being made anew; after more it may be given less. */
const SOON_MS = 9_000
/** At the end so many keys are asked for. */
const ASKED_KEYS = 8

/** Small blocks, so that there are many, in files and in memory. */
export const keyIndexSettings = { blockKeys: 24, blockBytes: 16_384, leastFileKeys: 6, leastFileBytes: 4_096 }

interface Named {
  readonly words: readonly string[]
  /** Where it stands in its queue, if its sender was told. */
  place: Pick<Put, 'queueId' | 'queueOffset' | 'physicalOffset' | 'storeTimestampMs' | 'messageId'> | undefined
}

/** Messages with keys: a query finds those that have the key and are there, and no others, at every node. */
export class KeyWork implements KindWork {
  readonly #world: World
  readonly #all: Named[] = []
  readonly operations: KindWork['operations']

  constructor (world: World) {
    this.#world = world
    const send = (engine: Engine): Promise<void> => this.#send(engine)
    const query = (engine: Engine, node: MemberNode): Promise<void> => this.#query(engine, node)
    this.operations = [send, send, send, query, query, (engine, node) => this.#explain(engine, node)]
  }

  isSettled (): boolean { return true }
  async settle (): Promise<void> {}

  async #send (engine: Engine): Promise<void> {
    const { random } = this.#world
    const words = WORDS.filter(() => random.chance(0.3))
    const named: Named = { words, place: undefined }
    const id = this.#all.push(named) - 1
    const properties = Buffer.from(`${words.length === 0 ? '' : `KEYS\x01${words.join(' ')}\x02`}UNIQ_KEY\x01${uniqueKeyOf(id)}\x02`)
    const put = new Put(engine, { ...wireMessage('', { properties, queueId: random.below(QUEUES), delayMs: random.chance(0.2) ? 1 + random.below(1_500) : 0 }), body: bodyFor(id, 0) }, topicConfig(TOPIC, QUEUES))
    engine.submit(put)
    const stored = await put.done
    if (stored.queueOffset >= 0) named.place = stored
  }

  /** All that was acknowledged before, and nothing else. */
  async #query (engine: Engine, node: MemberNode): Promise<void> {
    const { random, clock, parameters: { diskErrorEveryMs, flipEveryMs, fullEveryMs, capacityBytes } } = this.#world
    const isUnique = random.chance(0.3)
    const key = isUnique || random.chance(0.2) ? uniqueKeyOf(random.below(this.#all.length + 1)) : random.pick(WORDS)
    const before = this.#all.map((named) => ({ ...named }))
    const mustBeAll = random.chance(0.7)
    if (mustBeAll) await engine.readBarrier()
    const startedMs = clock.nowMs()
    const bounds = mustBeAll ? ALL : { maxMessages: random.below(6), maxBytes: random.below(2_000) }
    const found = await engine.keys!.find({ topic: TOPIC, key, isUnique, fromMs: 0, toMs: Infinity, ...bounds })
    if (found.length > bounds.maxMessages) throw new Violation('queries by key', `${found.length} messages for who asked for ${bounds.maxMessages}`)
    const places = new Set<string>()
    for (const { topic, queueId, queueOffset, record } of found) {
      const id = idOf(record.body)
      if (topic !== TOPIC || !this.#hasKey(id, key, isUnique)) throw new Violation('queries by key', `message ${id} of ${topic} is found by ${key}`)
      const place = `${queueId} ${queueOffset}`
      if (places.has(place)) throw new Violation('queries by key', `message ${id} is found by ${key} twice`)
      places.add(place)
    }
    // what cannot be read or written at the moment is missed until it can be
    if (!mustBeAll || diskErrorEveryMs !== Infinity || flipEveryMs !== Infinity || fullEveryMs !== Infinity || capacityBytes !== Infinity || node.machine.isDamaged || clock.nowMs() - startedMs > SOON_MS) return
    before.forEach(({ place }, id) => {
      if (place === undefined || !this.#hasKey(id, key, isUnique) || places.has(`${place.queueId} ${place.queueOffset}`) || place.physicalOffset < engine.store.floorPosition) return
      throw new Violation('queries by key', `node ${node.number} does not find message ${id}, acknowledged at ${place.physicalOffset}, by ${key}`)
    })
  }

  #hasKey (id: number, key: string, isUnique: boolean): boolean {
    return uniqueKeyOf(id) === key || (!isUnique && this.#all[id]!.words.includes(key))
  }

  /** A message that was acknowledged is where it was said to be, or removed. */
  async #explain (engine: Engine, node: MemberNode): Promise<void> {
    const known = this.#all.flatMap(({ place }) => place ?? [])
    if (known.length === 0) return
    const { messageId, queueId, queueOffset, physicalOffset } = this.#world.random.pick(known)
    await engine.readBarrier()
    const explanation = await engine.explanations.explain(messageId)
    if (explanation.is === 'queued' ? explanation.queueId === queueId && explanation.queueOffset === queueOffset : physicalOffset < engine.store.floorPosition || node.machine.isDamaged) return
    throw new Violation('explanations', `the message at offset ${queueOffset} of queue ${queueId}, ${physicalOffset} in the log: ${JSON.stringify(explanation)}`)
  }

  async verify (engine: Engine, node: MemberNode): Promise<void> {
    if (node.machine.isDamaged) return
    const { store } = engine
    const { appliedIndex } = store
    const { records, isComplete } = await contentsOf(engine, TOPIC)
    // as consumers see it: of a leader whose clock is behind it may be less than what the queue goes by
    const stamps = records.map(({ record }) => record.storeTimestampMs).sort((a, b) => a - b)
    const [fromMs, toMs] = [stamps[stamps.length >> 2] ?? 0, stamps[(stamps.length * 3) >> 2] ?? 0]
    const step = Math.max(1, Math.floor(this.#all.length / ASKED_KEYS))
    const keys = [...WORDS, ...this.#all.flatMap((_, id) => id % step === 0 ? [uniqueKeyOf(id)] : [])]
    const answers: Array<readonly [key: string, isAll: boolean, found: string[]]> = []
    for (const [i, key] of keys.entries()) {
      const isAll = i % 2 === 0
      const found = await engine.keys!.find({ topic: TOPIC, key, isUnique: !WORDS.includes(key), ...isAll ? { fromMs: 0, toMs: Infinity } : { fromMs, toMs }, ...ALL })
      answers.push([key, isAll, found.map(({ queueId, queueOffset }) => `${queueId} ${queueOffset}`).sort()])
    }
    if (!isComplete || store.appliedIndex !== appliedIndex) return
    for (const [key, isAll, found] of answers) {
      const there = records.filter(({ record }) => this.#hasKey(idOf(record.body), key, !WORDS.includes(key)) && (isAll || (record.storeTimestampMs >= fromMs && record.storeTimestampMs <= toMs)))
      const places = there.map(({ queueId, queueOffset }) => `${queueId} ${queueOffset}`).sort()
      if (places.join() !== found.join()) throw new Violation('queries by key', `node ${node.number} finds by ${key}${isAll ? '' : ` from ${fromMs} to ${toMs}`} ${found.join(', ')}; there are ${places.join(', ')}`)
    }
  }
}

function uniqueKeyOf (id: number): string { return `n${id}` }
