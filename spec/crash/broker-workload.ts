import type { MqError } from '../../lib/base/index.ts'
import { Engine, GetMessagesResult, WirePut, type WireMessage } from '../../lib/engine/index.ts'
import { ENTRY_HEADER_BYTES } from '../../lib/log/index.ts'
import { RecordView, tagsCodeIn } from '../../lib/message/index.ts'
import { BORN_HOST, groupConfig, topicConfig } from '../engine/wire.ts'
import type { Faults } from '../support/faults.ts'
import { bodyOf, engineOptions, idOf, type Fate } from './engine-life.ts'
import { Machine } from './machine.ts'

const MINUTE = 60_000
const ORDERS = 'orders'
const RETRY = '%RETRY%g'
const LEVELS = [1000, 2 * MINUTE]

/** One message as its sender knows it. `topic` is where it is to come to. */
interface Sent {
  readonly id: number
  readonly topic: string
  readonly bodyBytes: number
  readonly delayMs: number
  fate: Fate
  /** Delivered, and then below a floor that was asked for. */
  mayBeGone: boolean
  position: number
}

/** What was asked for last, and whether that was answered. */
interface Wish<V> {
  value: V
  isAnswered: boolean
}

class Promises {
  readonly sent: Sent[] = []
  lock: Wish<string | undefined> = { value: undefined, isAnswered: true }
  offset: Wish<number | undefined> = { value: undefined, isAnswered: true }
  group: Wish<boolean> = { value: false, isAnswered: true }

  copy (): Promises {
    const copy = new Promises()
    copy.sent.push(...this.sent.map((sent) => ({ ...sent })))
    for (const name of ['lock', 'offset', 'group'] as const) copy[name] = { ...this[name] } as never
    return copy
  }
}

class Put extends WirePut {
  readonly done: Promise<void>
  #resolve!: () => void
  #reject!: (error: MqError) => void

  constructor (engine: Engine, topic: string, message: WireMessage) {
    super(engine.topicPlanned(topicConfig(topic, 1)), message)
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  protected onStored (): void { this.#resolve() }
  protected onFailed (error: MqError): void { this.#reject(error) }
}

/** An engine used as a broker uses it, on a machine that may stop at any moment. */
export class BrokerLife {
  readonly machine: Machine
  readonly promises: Promises
  engine!: Engine

  constructor (machine: Machine, promises = new Promises()) {
    this.machine = machine
    this.promises = promises
  }

  async open (): Promise<void> {
    this.engine = await Engine.open(engineOptions(this.machine, {}))
  }

  async put (bodyBytes: number, delayMs = 0): Promise<void> {
    const sent = this.#note(ORDERS, bodyBytes, delayMs)
    const properties = Buffer.from(`KEYS\x01key-${sent.id}\x02`)
    const put = new Put(this.engine, ORDERS, {
      queueId: 0, flag: 0, sysFlag: 0, bornTimestampMs: 1, bornHost: BORN_HOST, reconsumeTimes: 0, body: bodyOf(sent), properties, tagsCode: tagsCodeIn(properties), delayMs
    })
    this.engine.submit(put)
    await this.#answered(sent, put.done)
    sent.position = put.physicalOffset
  }

  /** The consumer of message `id` of the queue, or of the retry queue, gives it back. */
  async sendBack (topic: string, queueOffset: number, delayLevel: number): Promise<void> {
    const [record] = await read(this.engine, topic, queueOffset)
    const sent = this.#note(RETRY, record!.bodyBytes, LEVELS[delayLevel - 1]!, idOf(record!.body))
    await this.#answered(sent, this.engine.sendBack({
      record: record!,
      group: 'g',
      delayLevel,
      levels: LEVELS,
      retryTopic: this.engine.topicPlanned(topicConfig(RETRY, 1)),
      deadLetterTopic: this.engine.topicPlanned(topicConfig('%DLQ%g', 1))
    }))
  }

  async wish<V> (name: 'lock' | 'offset' | 'group', value: V, act: () => Promise<unknown>): Promise<void> {
    const wish = { value, isAnswered: false }
    Object.assign(this.promises, { [name]: wish })
    await act()
    wish.isAnswered = true
  }

  /** Retention up to the entry that the last message began. */
  async raiseFloor (): Promise<void> {
    const { position } = this.promises.sent.at(-1)!
    const { maxOffset } = this.engine.reads.rangeOf(ORDERS, 0)
    const delivered = new Set((await read(this.engine, ORDERS, 0, maxOffset)).map(({ body }) => idOf(body)))
    for (const sent of this.promises.sent) if (sent.topic === ORDERS && delivered.has(sent.id) && sent.position < position) sent.mayBeGone = true
    await this.engine.raiseFloor(position - ENTRY_HEADER_BYTES)
  }

  async idle (ms: number): Promise<void> {
    await new Promise<void>((resolve) => { this.machine.clock.setTimer(ms, resolve) })
  }

  #note (topic: string, bodyBytes: number, delayMs: number, id = this.promises.sent.length): Sent {
    const sent: Sent = { id, topic, bodyBytes, delayMs, fate: 'pending', mayBeGone: false, position: -1 }
    this.promises.sent.push(sent)
    return sent
  }

  async #answered (sent: Sent, done: Promise<unknown>): Promise<void> {
    try {
      await done
      sent.fate = 'acked'
    } catch (error) {
      if ((error as MqError).outcome === 'not-applied') sent.fate = 'refused'
      throw error
    }
  }
}

async function read (engine: Engine, topic: string, fromOffset: number, maxMessages = 1): Promise<RecordView[]> {
  const got = engine.reads.getMessages({ topic, queueId: 0, fromOffset, maxMessages, maxBytes: 1 << 20 })
  const result = got instanceof GetMessagesResult ? got : await got
  return Array.from({ length: result.messageCount }, (_, i) => result.message(i))
}

const LOCKS = [{ topic: ORDERS, queueId: 0 }]
const KEY = { group: 'g', topic: ORDERS, queueId: 0 }

/** Sends, delayed ones, retries that come back, a lock that changes hands, commits, retention below what waits, a restart. */
export async function workload (life: BrokerLife): Promise<void> {
  await life.open()
  await life.wish('group', true, () => life.engine.config.ensureGroup(groupConfig('g'), topicConfig(RETRY, 1)))
  await life.put(400)
  await Promise.all([life.put(900, 30), life.put(900, 5 * MINUTE), life.put(1500, 2000), life.put(300)])
  await life.wish('lock', 'a', () => life.engine.locks.lock('g', 'a', LOCKS))
  await life.idle(50)
  await life.sendBack(ORDERS, 0, 1)
  await life.wish('offset', 2, () => {
    life.engine.offsets.commit(KEY, 2, 'a')
    return life.engine.offsets.settled()
  })
  for (let i = 0; i < 3; i++) await life.put(2000, i * 3 * MINUTE)
  await life.put(100)
  await life.raiseFloor()
  await life.idle(1100)
  await life.sendBack(RETRY, 0, 2)
  await life.wish('lock', undefined, () => life.engine.locks.unlock('g', 'a', LOCKS))
  await life.wish('lock', 'b', () => life.engine.locks.lock('g', 'b', LOCKS))
  await life.wish('offset', 3, () => {
    life.engine.offsets.commit(KEY, 3, 'b')
    return life.engine.offsets.settled()
  })
  await life.engine.close()
  await life.open()
  await life.put(500, 10)
  await life.idle(1500)
  await life.put(200)
  await life.engine.close()
}

export async function runUntilStopped (seed: number, faults: Faults): Promise<BrokerLife> {
  const machine = new Machine(seed, { faults })
  const life = new BrokerLife(machine)
  await machine.run(workload(life))
  return life
}

/** Opens the broker as found after `before` stopped, waits until everything is due, and says what is wrong. */
export async function complaints (before: BrokerLife, machine: Machine): Promise<string[]> {
  const life = new BrokerLife(machine, before.promises.copy())
  const done = await machine.run(examine(life).catch((error) => [`fails: ${error.stack} ${error.cause?.stack ?? ''}`]))
  return done === undefined ? ['the machine stopped'] : done.value
}

async function examine (life: BrokerLife): Promise<string[]> {
  await life.open()
  const { engine, promises } = life
  const wrong: string[] = []
  const { lock, offset, group } = promises
  const owner = engine.store.locks.ownerOf('g', ORDERS, 0)
  if (lock.isAnswered && owner !== lock.value) wrong.push(`the queue was locked for ${lock.value}, and is for ${owner}`)
  const found = engine.store.consumerOffsets.offset('g', ORDERS, 0)
  if (offset.isAnswered ? found !== offset.value : found !== undefined && found > offset.value!) wrong.push(`the group was at ${offset.value}, and is at ${found}`)
  if (group.isAnswered && (engine.store.metadata.group('g') !== undefined) !== group.value) wrong.push('the group is not there')
  await life.idle(8 * MINUTE)
  if (engine.store.delays.pendingCount > 0) wrong.push(`${engine.store.delays.pendingCount} messages wait for ever`)
  for (const topic of [ORDERS, RETRY]) await checkTopic(life, topic, wrong)
  await engine.close()
  return wrong.slice(0, 6)
}

/** Nothing acked is missing, nothing is there twice, nothing too early, nothing invented; all is in its delivered form. */
async function checkTopic ({ engine, promises }: BrokerLife, topic: string, wrong: string[]): Promise<void> {
  const { minOffset, maxOffset } = engine.reads.rangeOf(topic, 0)
  const all = promises.sent.filter((sent) => sent.topic === topic)
  const seen = new Map<number, number>()
  for (let fromOffset = minOffset; fromOffset < maxOffset; fromOffset++) {
    const [record] = await read(engine, topic, fromOffset)
    if (record === undefined || record.queueOffset !== fromOffset) continue // retention
    const id = idOf(record.body)
    const sent = all.find((one) => one.id === id)
    if (sent === undefined || Buffer.compare(record.body, bodyOf(sent)) !== 0) wrong.push(`${topic} ${fromOffset}: nobody sent this`)
    seen.set(id, (seen.get(id) ?? 0) + 1)
    const viewed = await engine.reads.viewMessage(record.physicalOffset)
    if (viewed?.queueOffset !== fromOffset || viewed.topic !== topic) wrong.push(`${topic} ${fromOffset}: viewed by its position it is at ${viewed?.topic} ${viewed?.queueOffset}`)
  }
  for (const { id, fate, mayBeGone } of all) {
    const times = seen.get(id) ?? 0
    const asked = all.filter((one) => one.id === id)
    if (times > asked.length || (fate === 'refused' && times > 0)) wrong.push(`${topic}: message ${id} is there ${times} times`)
    if (!mayBeGone && times < asked.filter((one) => one.fate === 'acked').length) wrong.push(`${topic}: message ${id} was acked and is there ${times} times`)
  }
}
