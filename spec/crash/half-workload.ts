import type { MqError } from '../../lib/base/index.ts'
import { Engine, type EndRequest } from '../../lib/engine/index.ts'
import { SysFlag } from '../../lib/message/index.ts'
import { HalfOutcome } from '../../lib/store/index.ts'
import { endHalf, get, Put, put, topicConfig, wireMessage } from '../engine/wire.ts'
import type { Faults } from '../support/faults.ts'
import { engineOptions } from './engine-life.ts'
import { Machine } from './machine.ts'

const TOPIC = 'orders'
const GROUP = 'payers'
/** A half message is delivered where it stands only so long after it was stored; then its bytes are stored anew. */
const TOO_LONG_MS = 31_000

/** A transaction as its producer knows it. */
interface Half {
  readonly id: number
  /** Undefined: nobody was told that it is stored. */
  sent: Put | undefined
  wanted: EndRequest['outcome'] | undefined
  isEnded: boolean
}

/** An engine that a producer has transactions with, on a machine that may stop at any moment. */
export class HalfLife {
  readonly machine: Machine
  readonly halves: Half[]
  readonly config = topicConfig(TOPIC, 1)
  engine!: Engine

  constructor (machine: Machine, halves: readonly Half[] = []) {
    this.machine = machine
    this.halves = halves.map((half) => ({ ...half }))
  }

  async open (): Promise<void> {
    this.engine = await Engine.open({ ...engineOptions(this.machine), transactions: { checkIntervalMs: 20_000, checkMax: 2, maxAgeMs: Infinity } })
  }

  async prepare (): Promise<Half> {
    const half: Half = { id: this.halves.length, sent: undefined, wanted: undefined, isEnded: false }
    this.halves.push(half)
    half.sent = await put(this.engine, TOPIC, wireMessage(`${half.id}:`.padEnd(600, '.'), { sysFlag: SysFlag.prepared, half: { producerGroup: GROUP, idHash: 0, checkAfterMs: 5_000, immunityMs: 0 } }), this.config)
    return half
  }

  async end (half: Half, outcome: EndRequest['outcome']): Promise<void> {
    half.wanted = outcome
    const result = await endHalf(this.engine, half.sent!, { producerGroup: GROUP, outcome })
    if (result !== 'done') throw new Error(`${half.id}: ${result}`)
    half.isEnded = true
  }

  async idle (ms: number): Promise<void> {
    await new Promise<void>((resolve) => { this.machine.clock.setTimer(ms, resolve) })
  }
}

/** Halves, commits soon and late, rollbacks, checks, some that are given up and one of them revived, a restart. */
export async function workload (life: HalfLife): Promise<void> {
  await life.open()
  const halves = await Promise.all(Array.from({ length: 6 }, () => life.prepare()))
  await Promise.all([life.end(halves[0]!, HalfOutcome.commit), life.end(halves[1]!, HalfOutcome.rollback), put(life.engine, TOPIC, wireMessage('plain'), life.config), life.end(halves[2]!, HalfOutcome.commit)])
  await life.prepare()
  life.engine.transactions.onCheck(() => {})
  await life.idle(TOO_LONG_MS)
  await life.end(halves[3]!, HalfOutcome.commit)
  await life.engine.close()
  await life.open()
  life.engine.transactions.onCheck(() => {})
  await life.idle(15_000)
  if (life.engine.store.halves.discardedCount !== 3 || !await life.engine.transactions.revive(halves[4]!.sent!.physicalOffset)) throw new Error('none was given up')
  await life.end(halves[4]!, HalfOutcome.commit)
  const last = await life.prepare()
  await Promise.all([life.end(last, HalfOutcome.commit), life.prepare()])
  await life.engine.close()
}

export async function runUntilStopped (seed: number, faults: Faults): Promise<HalfLife> {
  const life = new HalfLife(new Machine(seed, { faults }))
  await life.machine.run(workload(life))
  return life
}

/** Opens what is found after `before` stopped, and says what is wrong. */
export async function complaints (before: HalfLife, machine: Machine): Promise<string[]> {
  const life = new HalfLife(machine, before.halves)
  const done = await machine.run(examine(life).catch((error) => [`fails: ${error.stack} ${error.cause?.stack ?? ''}`]))
  return done === undefined ? ['the machine stopped'] : done.value
}

async function examine (life: HalfLife): Promise<string[]> {
  await life.open()
  const { engine, halves } = life
  const wrong: string[] = []
  const first = await seen(engine)
  for (const { id, sent, wanted, isEnded } of halves) {
    const times = first.filter((one) => one === id).length
    if (times > 1) wrong.push(`${id} is there ${times} times`)
    if (times > 0 && wanted !== HalfOutcome.commit) wrong.push(`${id} is visible before its commit, or after a rollback`)
    if (isEnded && wanted === HalfOutcome.commit && times === 0) wrong.push(`${id} was committed and is not there`)
    if (sent === undefined || isEnded) continue
    // what was asked for and not answered has happened or not; what nobody has decided waits
    const outcome = wanted ?? HalfOutcome.commit
    const result = await endHalf(engine, sent, { producerGroup: GROUP, outcome }).catch((error: MqError) => error.code)
    if (result !== 'done' && (wanted === undefined || result !== 'already')) wrong.push(`${id} can not be ended: ${result}`)
  }
  const then = await seen(engine)
  for (const { id, sent, wanted } of halves) {
    const times = then.filter((one) => one === id).length
    const isWanted = sent !== undefined && wanted !== HalfOutcome.rollback
    if (isWanted ? times !== 1 : times > 0) wrong.push(`${id} is there ${times} times in the end`)
  }
  await engine.close()
  return wrong.slice(0, 6)
}

async function seen (engine: Engine): Promise<number[]> {
  const { maxOffset } = engine.reads.rangeOf(TOPIC, 0)
  const ids: number[] = []
  for (let fromOffset = 0; fromOffset < maxOffset; fromOffset++) {
    const { bodies } = await get(engine, { topic: TOPIC, fromOffset, maxMessages: 1 })
    if (bodies[0] !== undefined && bodies[0] !== 'plain') ids.push(Number.parseInt(bodies[0], 10))
  }
  return ids
}
