import { PutProposal, type Engine, type PutResult } from '../../lib/engine/index.ts'
import { deadLetterTopicOf, type PopMachine } from '../../lib/store/index.ts'
import { contentsOf } from './contents.ts'
import type { KindWork } from './kind-work.ts'
import { Violation } from './ledger.ts'
import { bodyFor, idOf } from './names.ts'
import type { World } from './world.ts'

const TOPIC = 'appeals'
const QUEUES = 2
const GROUP = 'judges'
const LETTERS = deadLetterTopicOf(GROUP)
/** Keeps which dead letters were sent again. */
const RESENDER = `%RESEND%${GROUP}`

/** What clients know of a message, all in numbers of acknowledgements. */
interface Appeal {
  isSent: boolean
  /** Dead letters of it. */
  letters: number
  /** Of them, sent again. */
  resent: number
}

/** Messages that are given up, and their dead letters sent again: each comes to its topic once more, and is noted, or neither. */
export class LetterWork implements KindWork {
  readonly #world: World
  readonly #appeals = new Map<number, Appeal>()
  #resentCount = 0
  readonly operations: KindWork['operations']

  constructor (world: World) {
    this.#world = world
    const judge = (engine: Engine): Promise<void> => this.#judge(engine)
    this.operations = [(engine) => this.#send(engine), judge, judge, (engine) => this.#resend(engine)]
  }

  isSettled (): boolean { return true }
  async settle (): Promise<void> {}

  async #send (engine: Engine): Promise<void> {
    const id = this.#appeals.size
    const appeal: Appeal = { isSent: false, letters: 0, resent: 0 }
    this.#appeals.set(id, appeal)
    const topic = engine.topicToBe({ name: TOPIC, queueCount: QUEUES, attributes: {} })
    await new Promise<PutResult>((resolve, reject) => { engine.submit(new PutProposal(topic, id % QUEUES, bodyFor(id, 0), '', '', 0, '', resolve, reject)) })
    appeal.isSent = true
  }

  async #judge (engine: Engine): Promise<void> {
    if (engine.store.metadata.topic(TOPIC) === undefined) return
    const { random } = this.#world
    // some are given up by themselves, of which no client is told
    const maxAttempts = random.chance(0.2) ? 2 : 60_000
    for (const delivery of await engine.pop({ group: GROUP, topic: TOPIC, max: 1 + random.below(4), invisibleMs: 300 + random.below(2_000), maxAttempts })) {
      if (random.chance(0.2)) continue
      if (random.chance(0.15)) {
        await engine.ack(delivery)
        continue
      }
      await engine.deadLetter(delivery, 'no use')
      this.#appeals.get(idOf(delivery.record.body))!.letters++
    }
  }

  async #resend (engine: Engine): Promise<void> {
    const { random } = this.#world
    const before = [...this.#appeals].map(([id, { letters }]) => [id, letters] as const)
    await engine.readBarrier()
    const isAll = random.chance(0.6)
    const [max, rest] = [1 + random.below(5), random.below(3)]
    const { resent, withoutTopic } = await engine.deadLetters.resend(isAll ? { group: GROUP } : { group: GROUP, max, select: ({ record }) => idOf(record.body) % 3 !== rest })
    if (withoutTopic > 0) throw new Violation('dead letters are sent again', `${withoutTopic} were not, for want of their topic, which is there`)
    if (!isAll && resent > max) throw new Violation('dead letters are sent again', `${resent} were, of at most ${max}`)
    this.#resentCount += resent
    if (!isAll) return
    for (const [id, letters] of before) {
      const appeal = this.#appeals.get(id)!
      appeal.resent = Math.max(appeal.resent, letters)
    }
  }

  async verify (engine: Engine): Promise<void> {
    const { store } = engine
    const { appliedIndex } = store
    const appeals = [...this.#appeals].map(([id, appeal]) => [id, { ...appeal }] as const)
    const resentCount = this.#resentCount
    const [messages, letters] = [await contentsOf(engine, TOPIC), await contentsOf(engine, LETTERS)]
    const machine = store.machine('pop') as PopMachine
    const isDone = letters.records.map(({ queueId, queueOffset }) => machine.isDone(RESENDER, LETTERS, queueId, queueOffset))
    // who looks while something happens sees parts of it
    if (!messages.isComplete || !letters.isComplete || store.appliedIndex !== appliedIndex) return
    const messageCounts = countsOf(messages.records.map(({ record }) => idOf(record.body)))
    const letterCounts = countsOf(letters.records.map(({ record }) => idOf(record.body)))
    const doneCounts = countsOf(letters.records.filter((_, i) => isDone[i]).map(({ record }) => idOf(record.body)))
    for (const [id, appeal] of appeals) {
      const [times, dead, done] = [messageCounts.get(id) ?? 0, letterCounts.get(id) ?? 0, doneCounts.get(id) ?? 0]
      if (times === 0 && appeal.isSent) throw new Violation('nothing lost', `message ${id} was acknowledged, and is gone`)
      if (times > 0 && times !== 1 + done) throw new Violation('sent again once', `message ${id} is there ${times} times; of its ${dead} dead letters ${done} were sent again`)
      if (dead > times) throw new Violation('given up once', `message ${id} is there ${times} times, and has ${dead} dead letters`)
      if (dead < appeal.letters) throw new Violation('nothing lost', `message ${id} was given up ${appeal.letters} times, and has ${dead} dead letters`)
      if (done < appeal.resent) throw new Violation('dead letters are sent again', `message ${id} had ${appeal.resent} dead letters when all were sent again, and ${done} are noted`)
    }
    const done = isDone.filter(Boolean).length
    if (done < resentCount) throw new Violation('dead letters are sent again', `${resentCount} were, as those who asked were told; ${done} are noted`)
  }
}

function countsOf (ids: readonly number[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}
