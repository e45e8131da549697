import type { MqError } from '../../lib/base/index.ts'
import { Engine, PutProposal, type Delivery, type PutResult, type TxProposal } from '../../lib/engine/index.ts'
import type { Faults } from '../support/faults.ts'
import { bodyOf, engineOptions, group, idOf, type Fate } from './engine-life.ts'
import { Machine } from './machine.ts'

const IN = 'in'
const OUT = 'out'
const LATE = 'late'
const BODY_BYTES = 700

/** Transactions that were asked for: message `id` is done, another one tells of it, soon and later, and a value does; all of it or nothing. */
interface Work {
  readonly ids: readonly number[]
  fate: Fate
}

/** An engine that works through a topic in transactions, on a machine that may stop at any moment. */
export class TxLife {
  readonly machine: Machine
  readonly works: Work[]
  engine!: Engine

  constructor (machine: Machine, works: readonly Work[] = []) {
    this.machine = machine
    this.works = works.map((work) => ({ ...work }))
  }

  async open (): Promise<void> {
    this.engine = await Engine.open(engineOptions(this.machine))
  }

  #put (name: string, id: number, resolve: (result: PutResult) => void = () => {}, reject: (error: unknown) => void = () => {}): PutProposal {
    const topic = this.engine.topicToBe({ name, queueCount: 1, attributes: {} })
    return new PutProposal(topic, 0, bodyOf({ id, bodyBytes: BODY_BYTES }), '', '', 0, '', resolve, reject)
  }

  async send (id: number): Promise<void> {
    await new Promise<PutResult>((resolve, reject) => { this.engine.submit(this.#put(IN, id, resolve, reject)) })
  }

  async pop (max: number): Promise<Delivery[]> { return await this.engine.pop({ group, topic: IN, max, invisibleMs: 3_600_000 }) }

  /** Does these messages in one transaction. */
  async work (deliveries: readonly Delivery[]): Promise<void> {
    const ids = deliveries.map(({ record }) => idOf(record.body))
    const work: Work = { ids, fate: 'pending' }
    this.works.push(work)
    try {
      await new Promise<PutResult[]>((resolve, reject) => {
        const proposal: TxProposal = this.engine.tx({
          acks: deliveries,
          puts: ids.map((id, i) => this.#put(i === 0 ? OUT : LATE, id)),
          changes: ids.flatMap((id) => [{ key: `done-${id}`, value: String(id) }, { key: `open-${id}`, value: null }, { key: `bytes-${id % 3}`, value: Uint8Array.of(id) }])
        }, resolve, reject)
        this.engine.submit(proposal)
      })
      work.fate = 'acked'
    } catch (error) {
      if ((error as MqError).outcome === 'not-applied') work.fate = 'refused'
      throw error
    }
  }

  /** A value that transactions remove. */
  async note (ids: readonly number[]): Promise<void> {
    await new Promise<PutResult[]>((resolve, reject) => {
      this.engine.submit(this.engine.tx({ acks: [], puts: [], changes: ids.map((id) => ({ key: `open-${id}`, value: 'x' })) }, resolve, reject))
    })
  }

  async idle (ms: number): Promise<void> {
    await new Promise<void>((resolve) => { this.machine.clock.setTimer(ms, resolve) })
  }
}

/** Sends, then transactions of one, two and three messages, alone and beside each other, over checkpoints, base dumps and a restart. */
export async function workload (life: TxLife): Promise<void> {
  await life.open()
  const ids = Array.from({ length: 18 }, (_, i) => i)
  await Promise.all(ids.map((id) => life.send(id)))
  await life.note(ids)
  const first = await life.pop(9)
  await life.work(first.slice(0, 1))
  await Promise.all([life.work(first.slice(1, 3)), life.work(first.slice(3, 6)), life.work(first.slice(6, 7))])
  await life.idle(50)
  await life.engine.close()
  await life.open()
  for (let i = 0; i < 3; i++) {
    const [one, two] = await life.pop(2)
    await Promise.all([life.work([one!]), life.work([two!])])
  }
  await life.idle(50)
  await life.work(await life.pop(3))
  await life.engine.close()
}

export async function runUntilStopped (seed: number, faults: Faults): Promise<TxLife> {
  const life = new TxLife(new Machine(seed, { faults }))
  await life.machine.run(workload(life))
  return life
}

/** Opens what is found after `before` stopped, and says what is wrong. */
export async function complaints (before: TxLife, machine: Machine): Promise<string[]> {
  const life = new TxLife(machine, before.works)
  const done = await machine.run(examine(life).catch((error) => [`fails: ${error.stack} ${error.cause?.stack ?? ''}`]))
  return done === undefined ? ['the machine stopped'] : done.value
}

async function examine (life: TxLife): Promise<string[]> {
  await life.open()
  const { engine } = life
  await engine.createTopic({ name: IN, queueCount: 1, attributes: {} })
  const wrong: string[] = []
  const told = new Map<number, number>()
  for (const topic of [OUT, LATE]) for (const id of await idsIn(engine, topic)) told.set(id, (told.get(id) ?? 0) + 1)
  const out = new Set<number>()
  for (let popped = await life.pop(20); popped.length > 0; popped = await life.pop(20)) for (const { record } of popped) out.add(idOf(record.body))
  for (const { ids, fate } of life.works) {
    // what is seen of each message's part: the message that tells of it, the value, the value removed, and that it does not come again
    const parts = ids.flatMap((id) => [(told.get(id) ?? 0) > 0, engine.store.keyed.get(`done-${id}`) === String(id), engine.store.keyed.get(`open-${id}`) === undefined, !out.has(id)])
    if (parts.some((part) => part !== parts[0])) wrong.push(`${ids.join()}: half of it is there, ${parts.map(Number).join('')}`)
    const times = Math.max(...ids.map((id) => told.get(id) ?? 0))
    if (times > life.works.filter((work) => work.ids.includes(ids[0]!) && work.fate !== 'refused').length) wrong.push(`${ids.join()}: told of ${times} times`)
    if (fate === 'acked' && !parts[0]) wrong.push(`${ids.join()} was answered and is not there`)
    if (fate === 'refused' && parts[0] && life.works.filter((work) => work.ids.includes(ids[0]!)).length === 1) wrong.push(`${ids.join()} was refused and is there`)
  }
  await life.send(99)
  const [delivery] = await life.pop(1)
  await life.work([delivery!])
  if (engine.store.keyed.get('done-99') !== '99') wrong.push('it does not go on')
  await engine.close()
  return wrong.slice(0, 6)
}

async function idsIn (engine: Engine, topic: string): Promise<number[]> {
  const maxOffset = engine.topics().find(({ name }) => name === topic)?.queues[0]!.maxOffset ?? 0
  return (await Promise.all(Array.from({ length: maxOffset }, (_, fromOffset) => engine.read({ topic, queueId: 0, fromOffset, maxMessages: 1 })))).flat().map(({ record }) => idOf(record.body))
}
