import { isMqError, type MqError } from '../../lib/base/index.ts'
import type { Engine } from '../../lib/engine/index.ts'
import type { RecallHandle, TopicConfig } from '../../lib/message/index.ts'
import { DEDUPE_FORMAT, dedupeHashOf } from '../../lib/store/index.ts'
import { Put, topicConfig, wireMessage } from '../engine/wire.ts'
import { stampsOf } from './contents.ts'
import { Violation } from './ledger.ts'
import { bodyFor } from './names.ts'
import type { World } from './world.ts'

const TIMED = 'timed'
const ONCE = 'once'
const onceConfig: TopicConfig = topicConfig(ONCE, 2, { 'dedupe.time': '86400000', 'dedupe.count': '1000000' })

/** A message that was to come later, and what is known of it. */
interface Timed {
  readonly id: number
  /** Undefined: nobody was told, so it can neither be recalled nor is it missed. */
  handle: RecallHandle | undefined
  /** No time that it may be due at is earlier. */
  dueMs: number
  /** True: it must never come. Undefined: nobody knows. */
  isRecalled: boolean | undefined
}

/** A message that is sent until its sender knows that it is stored. */
interface Once {
  readonly id: number
  position: number | undefined
  isBusy: boolean
}

/** Messages with a time of delivery, recalled and moved, and messages that are sent again: neither early, nor lost, nor twice. */
export class TimedWork {
  readonly #world: World
  readonly #timed: Timed[] = []
  readonly #onces: Once[] = []
  #lastId = 0
  readonly operations: ReadonlyArray<(engine: Engine) => Promise<unknown>>
  readonly onceOperations: ReadonlyArray<(engine: Engine) => Promise<unknown>>

  constructor (world: World) {
    this.#world = world
    this.operations = [(engine) => this.#send(engine), (engine) => this.#recall(engine), (engine) => this.#reschedule(engine), (engine) => this.#sendOnce(engine)]
    this.onceOperations = [(engine) => this.#sendOnce(engine), (engine) => this.#sendOnce(engine), (engine) => this.#sendOnceAgain(engine)]
  }

  async #send (engine: Engine): Promise<void> {
    const { random } = this.#world
    const id = ++this.#lastId
    const deliverAtMs = engine.clock.wallMs() + 1 + random.below(2_000)
    const timed: Timed = { id, handle: undefined, dueMs: deliverAtMs, isRecalled: false }
    this.#timed.push(timed)
    const put = new Put(engine, { ...wireMessage('', { deliverAtMs, properties: Buffer.from(`UNIQ_KEY\x01k${id}\x02`) }), body: bodyFor(id, 0) }, topicConfig(TIMED, 1))
    engine.submit(put)
    const { physicalOffset } = await put.done
    timed.dueMs = put.deliverAtMs
    // what had passed when it was stored came at once
    if (put.deliverAtMs > 0) timed.handle = { topic: TIMED, brokerName: '', deliverAtMs: put.deliverAtMs, uniqueKey: `k${id}`, physicalOffset }
  }

  get #some (): Timed | undefined {
    const waiting = this.#timed.filter(({ handle, isRecalled }) => handle !== undefined && isRecalled === false)
    return waiting.length === 0 ? undefined : this.#world.random.pick(waiting.slice(-20))
  }

  async #recall (engine: Engine): Promise<void> {
    const timed = this.#some
    if (timed === undefined) return
    // who is not answered, as of a node that stops, never knows
    timed.isRecalled = undefined
    try {
      timed.isRecalled = await engine.recalls.recall(timed.handle!)
    } catch (error) {
      if (!isUnknown(error)) timed.isRecalled = false
      throw error
    }
  }

  async #reschedule (engine: Engine): Promise<void> {
    const timed = this.#some
    if (timed === undefined) return
    const { random } = this.#world
    const { handle, dueMs } = timed
    const deliverAtMs = engine.clock.wallMs() + 1 + random.below(2_000)
    // until it is known which time holds, both do
    timed.dueMs = Math.min(dueMs, deliverAtMs)
    timed.handle = undefined
    try {
      const moved = await engine.recalls.reschedule(handle!, { deliverAtMs })
      if (moved === undefined) {
        timed.dueMs = dueMs
        timed.handle = handle
      } else {
        timed.dueMs = moved.deliverAtMs!
        timed.handle = { ...handle!, deliverAtMs: moved.deliverAtMs!, physicalOffset: moved.physicalOffset }
      }
    } catch (error) {
      if (!isUnknown(error)) {
        timed.dueMs = dueMs
        timed.handle = handle
      }
      throw error
    }
  }

  async #sendOnce (engine: Engine): Promise<void> {
    if (engine.store.formatVersion < DEDUPE_FORMAT) return await engine.raiseFormat(DEDUPE_FORMAT)
    const { random } = this.#world
    const open = this.#onces.filter(({ isBusy }) => !isBusy).slice(-10)
    let once = random.chance(0.6) && open.length > 0 ? random.pick(open) : undefined
    if (once === undefined) this.#onces.push(once = { id: ++this.#lastId, position: undefined, isBusy: false })
    await this.#store(engine, once)
  }

  /** Of those of which nobody knows whether they are stored, also old ones. */
  async #sendOnceAgain (engine: Engine): Promise<void> {
    if (engine.store.formatVersion < DEDUPE_FORMAT) return
    const unknown = this.#onces.filter(({ position, isBusy }) => position === undefined && !isBusy)
    if (unknown.length > 0) await this.#store(engine, this.#world.random.pick(unknown.slice(-50)))
  }

  async #store (engine: Engine, once: Once): Promise<void> {
    const { random } = this.#world
    once.isBusy = random.chance(0.7)
    try {
      const dedupeHash = dedupeHashOf(`o${once.id}`)
      const put = new Put(engine, { ...wireMessage('', { queueId: random.below(2), dedupeHash }), body: bodyFor(once.id, 0) }, onceConfig)
      engine.submit(put)
      const { physicalOffset } = await put.done
      if (once.position !== undefined && once.position !== physicalOffset) throw new Violation('stored once', `message ${once.id} was stored at ${once.position}, and then at ${physicalOffset}`)
      once.position = physicalOffset
    } finally {
      once.isBusy = false
    }
  }

  /** Nothing waits any more: what was to come has come. */
  async verify (engine: Engine): Promise<void> {
    // what is delivered while the queues are read may be missed
    const isOver = engine.store.delays.pendingCount === 0
    const onces = this.#onces.map(({ id, position }) => ({ id, position }))
    const came = await stampsOf(engine, TIMED)
    for (const { id, handle, dueMs, isRecalled } of this.#timed) {
      const stamps = came.ids.get(id) ?? []
      if (stamps.length > 1) throw new Violation('delivered once', `message ${id} came ${stamps.length} times`)
      if (isRecalled === true && stamps.length > 0) throw new Violation('recalled is never delivered', `message ${id} was recalled, and came`)
      for (const stamp of stamps) if (stamp < dueMs) throw new Violation('never early', `message ${id} was due at ${dueMs} and came at ${stamp}`)
      if (stamps.length === 0 && handle !== undefined && isRecalled === false && came.isComplete && isOver) throw new Violation('nothing lost', `message ${id}, due at ${dueMs}, has not come`)
    }
    const stored = await stampsOf(engine, ONCE)
    for (const { id, position } of onces) {
      const times = stored.ids.get(id)?.length ?? 0
      if (times > 1) throw new Violation('stored once', `message ${id} is there ${times} times`)
      if (times === 0 && position !== undefined && position >= engine.store.floorPosition) throw new Violation('nothing lost', `message ${id}, acknowledged at ${position}, is gone`)
    }
  }
}

function isUnknown (error: unknown): error is MqError { return isMqError(error) && error.outcome !== 'not-applied' }
