import type { EndRequest, Engine } from '../../lib/engine/index.ts'
import { SysFlag } from '../../lib/message/index.ts'
import { HALF_FORMAT, HalfOutcome } from '../../lib/store/index.ts'
import { endHalf, Put, topicConfig, wireMessage } from '../engine/wire.ts'
import { stampsOf } from './contents.ts'
import { Violation } from './ledger.ts'
import { bodyFor } from './names.ts'
import type { World } from './world.ts'

const TOPIC = 'halves'
const GROUP = 'payers'
const QUEUES = 2
/** So many are prepared before they are ended. */
const WAVE = 8

/** A transaction as its producer knows it. */
interface Transaction {
  readonly id: number
  /** Undefined: nobody was told that it is stored. */
  sent: Put | undefined
  /** What the producer has decided, once for all. */
  wanted: EndRequest['outcome'] | undefined
  isEnded: boolean
}

/** Transactional messages: not to be seen before they are committed, nor after a rollback; not lost afterwards, nor there twice. */
export class TransactionWork {
  readonly #world: World
  readonly #all: Transaction[] = []
  readonly operations: ReadonlyArray<(engine: Engine) => Promise<unknown>>
  /** Some are prepared, then all of them ended, then some prepared: so that for a while nothing but ends changes anything. */
  readonly waves: ReadonlyArray<(engine: Engine) => Promise<unknown>>
  /** The producer is asked after so long at most. */
  readonly #checkWithinMs: number
  #isEbbing = false

  constructor (world: World) {
    this.#world = world
    this.#checkWithinMs = world.parameters.focus === 'transactions' && world.random.chance(0.5) ? 100_000 : 3_000
    const wave = (engine: Engine): Promise<void> => {
      const { length } = this.#open
      if (length === 0 || length > WAVE) this.#isEbbing = length > 0
      return this.#isEbbing ? this.#end(engine) : this.#prepare(engine)
    }
    this.waves = [wave, wave, wave, (engine) => this.#endOtherwise(engine)]
    this.operations = [(engine) => this.#prepare(engine), (engine) => this.#end(engine), (engine) => this.#endOtherwise(engine)]
  }

  async #prepare (engine: Engine): Promise<void> {
    if (engine.store.formatVersion < HALF_FORMAT) return await engine.raiseFormat(HALF_FORMAT)
    const { random } = this.#world
    // who is asked says nothing: the answer is another end
    engine.transactions.onCheck(() => {})
    const transaction: Transaction = { id: this.#all.length, sent: undefined, wanted: undefined, isEnded: false }
    this.#all.push(transaction)
    const half = { producerGroup: GROUP, idHash: 0, checkAfterMs: 1 + random.below(this.#checkWithinMs), immunityMs: 0 }
    const put = new Put(engine, { ...wireMessage('', { half, queueId: random.below(QUEUES), sysFlag: SysFlag.prepared }), body: bodyFor(transaction.id, 0) }, topicConfig(TOPIC, QUEUES))
    engine.submit(put)
    transaction.sent = await put.done
  }

  get #open (): readonly Transaction[] { return this.#all.filter(({ sent, isEnded }) => sent !== undefined && !isEnded) }

  async #end (engine: Engine): Promise<void> {
    const { random } = this.#world
    const open = this.#open.slice(-20)
    if (open.length === 0) return
    const transaction = random.pick(open)
    const outcome = transaction.wanted ??= random.chance(0.6) ? HalfOutcome.commit : HalfOutcome.rollback
    const result = await endHalf(engine, transaction.sent!, { producerGroup: GROUP, outcome })
    if (result !== 'done' && result !== 'already') throw new Violation('half messages are not lost', `transaction ${transaction.id} could not be ended: ${result}`)
    transaction.isEnded = true
  }

  /** What was ended stays so. */
  async #endOtherwise (engine: Engine): Promise<void> {
    const ended = this.#all.filter(({ isEnded }) => isEnded).slice(-20)
    if (ended.length === 0) return
    const { id, sent, wanted } = this.#world.random.pick(ended)
    const result = await endHalf(engine, sent!, { producerGroup: GROUP, outcome: wanted === HalfOutcome.commit ? HalfOutcome.rollback : HalfOutcome.commit })
    if (result !== 'otherwise') throw new Violation('a transaction is ended once', `transaction ${id} was ended otherwise afterwards: ${result}`)
  }

  async verify (engine: Engine): Promise<void> {
    // what is committed while the queues are read may be missed
    const ended = new Set(this.#all.filter(({ isEnded }) => isEnded))
    const { ids, isComplete } = await stampsOf(engine, TOPIC)
    const { halves } = engine.store
    for (const transaction of this.#all) {
      const { id, sent, wanted, isEnded } = transaction
      const times = ids.get(id)?.length ?? 0
      if (times > 1) throw new Violation('committed once', `transaction ${id} is there ${times} times`)
      if (times > 0 && wanted !== HalfOutcome.commit) throw new Violation('not visible before it is committed', `transaction ${id} is visible; its producer has ${wanted === undefined ? 'decided nothing' : 'rolled it back'}`)
      if (ended.has(transaction) && wanted === HalfOutcome.commit && times === 0 && isComplete) throw new Violation('nothing lost', `transaction ${id} was committed, and is not there`)
      if (sent !== undefined && wanted === undefined && halves.find(sent.queueOffset)?.preparedPosition !== sent.physicalOffset) throw new Violation('half messages are not lost', `transaction ${id} does not wait any more`)
      if (isEnded && halves.find(sent!.queueOffset) !== undefined) throw new Violation('a transaction is ended once', `transaction ${id} waits again`)
    }
  }
}
