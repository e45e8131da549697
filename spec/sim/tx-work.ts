import type { MqError } from '../../lib/base/index.ts'
import { PutProposal, type Delivery, type Engine, type PutResult, type TxParts } from '../../lib/engine/index.ts'
import { KEYED_FORMAT } from '../../lib/store/index.ts'
import { stampsOf } from './contents.ts'
import { Violation } from './ledger.ts'
import { bodyFor, idOf } from './names.ts'
import { Register } from './register.ts'
import type { World } from './world.ts'

const TASKS = 'tasks'
const RESULTS = 'results'
const GROUP = 'doers'
/** Written together, always to the same value. */
const PAIR = ['left', 'right'] as const

/** Transactions: each task is acknowledged, told of and noted, all of it or nothing; two values change at the same moment. */
export class TxWork {
  readonly #world: World
  readonly operations: ReadonlyArray<(engine: Engine) => Promise<unknown>>
  readonly #pair = new Register<string>('a pair of values')
  #isWriting = false
  #lastId = 0
  #lastValue = 0
  /** Transactions of each task that may have been done, and whether one was. */
  readonly #begun = new Map<number, { mayBe: number, isDone: boolean }>()

  constructor (world: World) {
    this.#world = world
    this.operations = [(engine) => this.#send(engine), (engine) => this.#work(engine), (engine) => this.#work(engine), (engine) => this.#write(engine), (engine) => this.#read(engine)]
  }

  #put (engine: Engine, name: string, id: number, resolve: (result: PutResult) => void = () => {}, reject: (error: unknown) => void = () => {}): PutProposal {
    return new PutProposal(engine.topicToBe({ name, queueCount: 1, attributes: {} }), 0, bodyFor(id, 0), '', '', 0, '', resolve, reject)
  }

  async #send (engine: Engine): Promise<void> {
    const id = ++this.#lastId
    await new Promise<PutResult>((resolve, reject) => { engine.submit(this.#put(engine, TASKS, id, resolve, reject)) })
  }

  async #tx (engine: Engine, parts: TxParts): Promise<void> {
    await new Promise<PutResult[]>((resolve, reject) => { engine.submit(engine.tx(parts, resolve, reject)) })
  }

  async #work (engine: Engine): Promise<void> {
    if (engine.store.formatVersion < KEYED_FORMAT) return await engine.raiseFormat(KEYED_FORMAT)
    if (engine.store.metadata.topic(TASKS) === undefined) return
    const { random } = this.#world
    const deliveries = await engine.pop({ group: GROUP, topic: TASKS, max: 1 + random.below(3), invisibleMs: 300 + random.below(2_000), maxAttempts: 60_000 })
    // some are too late, some at once
    if (random.chance(0.3)) await new Promise<void>((resolve) => { this.#world.clock.setTimer(random.below(2_500), resolve) })
    if (deliveries.length > 0) await this.#do(engine, deliveries)
  }

  async #do (engine: Engine, deliveries: readonly Delivery[]): Promise<void> {
    const ids = deliveries.map(({ record }) => idOf(record.body))
    const tasks = ids.map((id) => this.#begun.get(id) ?? { mayBe: 0, isDone: false })
    ids.forEach((id, i) => {
      tasks[i]!.mayBe++
      this.#begun.set(id, tasks[i]!)
    })
    try {
      await this.#tx(engine, { acks: deliveries, puts: ids.map((id) => this.#put(engine, RESULTS, id)), changes: ids.map((id) => ({ key: `done-${id}`, value: String(id) })) })
      for (const [i, task] of tasks.entries()) {
        if (task.isDone) throw new Violation('done once', `task ${ids[i]} was done twice`)
        task.isDone = true
      }
    } catch (error) {
      if ((error as MqError).outcome === 'not-applied') for (const task of tasks) task.mayBe--
      throw error
    }
  }

  async #write (engine: Engine): Promise<void> {
    if (engine.store.formatVersion < KEYED_FORMAT) return await engine.raiseFormat(KEYED_FORMAT)
    if (this.#isWriting) return
    this.#isWriting = true
    const value = `v${++this.#lastValue}`
    const written = this.#pair.write(value)
    try {
      await this.#tx(engine, { acks: [], puts: [], changes: PAIR.map((key) => ({ key, value })) })
      written('applied')
    } catch (error) {
      written((error as MqError).outcome === 'not-applied' ? 'not-applied' : 'unknown')
      throw error
    } finally {
      this.#isWriting = false
    }
  }

  async #read (engine: Engine): Promise<void> {
    const read = this.#pair.read()
    await engine.readBarrier()
    this.#world.ledger.reads++
    const [left, right] = PAIR.map((key) => engine.store.keyed.get(key) as string | undefined)
    if (left !== right) throw new Violation('all or nothing', `two values that change together are ${left} and ${right}`)
    read(left)
  }

  async verify (engine: Engine): Promise<void> {
    // what is done while the queue is read may be missed
    const done = new Set([...this.#begun].filter(([, { isDone }]) => isDone).map(([id]) => id))
    const { keyed } = engine.store
    const noted = (id: number): boolean => keyed.get(`done-${id}`) === String(id)
    const before = new Set([...this.#begun.keys()].filter(noted))
    const { ids, isComplete } = await stampsOf(engine, RESULTS)
    for (const [id, stamps] of ids) {
      if (stamps.length > 1) throw new Violation('done once', `task ${id} was done ${stamps.length} times`)
      if (!noted(id)) throw new Violation('all or nothing', `the result of task ${id} is there, its note is not`)
      if (!(this.#begun.get(id)!.mayBe > 0)) throw new Violation('what was refused does nothing', `task ${id} was done, all that tried were refused`)
    }
    for (const id of before) if (isComplete && !ids.has(id)) throw new Violation('all or nothing', `the note of task ${id} is there, its result is not`)
    for (const id of done) if (!noted(id)) throw new Violation('nothing lost', `task ${id} was done, and there is no note of it`)
    const [left, right] = PAIR.map((key) => keyed.get(key))
    if (left !== right) throw new Violation('all or nothing', `two values that change together are ${String(left)} and ${String(right)}`)
  }
}
