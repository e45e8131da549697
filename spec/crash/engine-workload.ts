import { isMqError } from '../../lib/base/index.ts'
import type { Delivery, StoredRecord } from '../../lib/engine/index.ts'
import type { Faults } from '../support/faults.ts'
import { bodyOf, EngineLife, idOf, type LifeOptions } from './engine-life.ts'
import { Machine } from './machine.ts'

/**
 * A queue through all it does: single and concurrent sends, an atomic batch, topics made, made by the first message,
 * and deleted, segment rolls, checkpoints and base dumps (small settings bring them about), check-outs, acks, retries, a
 * dead letter, retention, a clean close and a second life.
 */
export async function workload (life: EngineLife): Promise<void> {
  await life.open()
  await life.send('orders', 0, 300)
  await Promise.all([0, 1, 0, 1, 0].map((queueId) => life.send('orders', queueId, 200)))
  await life.sendBatch('orders', [0, 1, 1], 400)
  const first = await life.pop('orders', 5)
  await Promise.all(first.slice(0, 3).map((delivery) => life.ack(delivery)))
  await life.retry(first[3]!, 1000)
  await life.makeTopic('other')
  await Promise.all([0, 1].map((queueId) => life.send('other', queueId, 1500)))
  for (let i = 0; i < 4; i++) await Promise.all([0, 1].map((queueId) => life.send('orders', queueId, 1200)))
  const second = await life.pop('orders', 4)
  await life.deadLetter(second[0]!)
  await Promise.all([...second.slice(1), first[4]!].map((delivery) => life.ack(delivery)))
  await life.deleteTopic('other')
  await life.sendBatch('orders', [1, 0], 1800)
  await life.raiseFloorTo(await sendAlone(life))
  await life.idle(50)
  await life.send('orders', 0, 2000)
  await life.idle(20)
  await life.close()
  await life.open()
  await Promise.all([1, 0, 1].map((queueId) => life.send('orders', queueId, 700)))
  const third = await life.pop('orders', 3)
  await life.ack(third[0]!)
  // enough for the base dump after the next one, which takes the place of the oldest
  for (let i = 0; i < 3; i++) {
    await life.send('orders', 0, 17_000)
    await life.idle(30)
  }
  await life.close()
}

async function sendAlone (life: EngineLife): Promise<number> {
  await life.send('orders', 1, 500)
  return life.promises.sent.length - 1
}

/** The workload on a machine that stops as `faults` say. */
export async function runUntilStopped (seed: number, faults: Faults, options: LifeOptions = {}, work = workload): Promise<EngineLife> {
  const machine = new Machine(seed, { faults })
  const life = new EngineLife(machine, options)
  await machine.run(work(life))
  return life
}

interface Found {
  readonly id: number
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
}

/** `mayLoseAcked`: the end of the log, as unsynced modes do. `mayRebuild`: the state may have to be made anew from the log. */
interface Allowed { readonly mayLoseAcked?: boolean, readonly mayRebuild?: boolean }

/** Opens the queue as found after `before` stopped, reads and consumes all of it, and says what is wrong. */
export async function complaints (before: EngineLife, machine: Machine, { mayLoseAcked = false, mayRebuild = !before.isOpen }: Allowed = {}): Promise<string[]> {
  const life = before.continueOn(machine)
  const done = await machine.run(examine(life, mayLoseAcked, mayRebuild).catch((error) => [`fails: ${error.stack} ${error.cause?.stack ?? ''}`]))
  return done === undefined ? ['the machine stopped'] : done.value
}

async function examine (life: EngineLife, mayLoseAcked: boolean, mayRebuild: boolean): Promise<string[]> {
  await life.open()
  const wrong: string[] = []
  const { isRebuilt, reason } = life.engine.store.recovery
  if (isRebuilt && !mayRebuild) wrong.push(`the state was rebuilt: ${reason}`)
  const { engine, promises } = life
  const described = new Map(engine.topics().map((topic) => [topic.name, topic]))
  for (const [name, { wish, isAnswered }] of promises.topics) {
    if (isAnswered && !mayLoseAcked && described.has(name) !== (wish === 'made')) wrong.push(`topic ${name} was ${wish}, and ${described.has(name) ? 'is there' : 'is not there'}`)
  }
  const found = await messagesOf(life, 'orders', wrong)
  const others = await messagesOf(life, 'other', wrong)
  // What is lost is the end of the log: nothing that was acked is missing before something that is there.
  const acksHoldTo = mayLoseAcked ? Math.max(-1, ...found.map(({ id }) => id), ...others.map(({ id }) => id)) : Infinity
  checkMessages(life, 'orders', found, wrong, acksHoldTo)
  if (described.has('other')) checkMessages(life, 'other', others, wrong, acksHoldTo)
  const dead = new Set((await messagesOf(life, '%DLQ%workers', wrong)).map(({ id }) => id))
  if (described.has('orders')) await checkConsumption(life, found, dead, wrong, mayLoseAcked)
  if (wrong.length === 0) {
    // It must go on where it stands.
    await life.send('orders', 0, 100)
    if ((await messagesOf(life, 'orders', wrong)).filter(({ id }) => id === promises.sent.length - 1).length !== 1) wrong.push('a new message is not there')
  }
  await life.close()
  if (life.failure !== undefined) wrong.push(`failed: ${String(life.failure)}`)
  return wrong.slice(0, 6)
}

async function messagesOf (life: EngineLife, topic: string, wrong: string[]): Promise<Found[]> {
  const { engine } = life
  const found: Found[] = []
  for (const { queueId, minOffset, maxOffset } of engine.topics().find(({ name }) => name === topic)?.queues ?? []) {
    const records: StoredRecord[] = []
    let firstOffset = minOffset
    for (let fromOffset = minOffset; fromOffset < maxOffset;) {
      let step: readonly StoredRecord[]
      try {
        step = await engine.read({ topic, queueId, fromOffset, maxMessages: 50 })
      } catch (error) {
        // Retention goes on in the background.
        if (!isMqError(error, 'MQ_OFFSET_TOO_SMALL')) throw error
        fromOffset = firstOffset = error.minOffset as number
        records.length = 0
        continue
      }
      if (step.length === 0) break
      records.push(...step)
      fromOffset = step.at(-1)!.queueOffset + 1
    }
    if (records.length !== maxOffset - firstOffset) wrong.push(`${topic}/${queueId} says ${firstOffset} to ${maxOffset} and gives ${records.length} messages`)
    records.forEach((stored, i) => {
      const id = idOf(stored.record.body)
      const sent = life.promises.sent[id]
      if (stored.queueOffset !== firstOffset + i) wrong.push(`${topic}/${queueId}: offset ${stored.queueOffset} where ${minOffset + i} was due`)
      if (sent === undefined || Buffer.compare(stored.record.body, bodyOf(sent)) !== 0) wrong.push(`${topic}/${queueId} offset ${stored.queueOffset}: nobody sent this`)
      else found.push({ id, queueId, queueOffset: stored.queueOffset, physicalOffset: stored.physicalOffset })
    })
  }
  return found
}

/** Nothing acked is missing, nothing invented, nothing twice, order as sent, batches whole. */
function checkMessages (life: EngineLife, topic: string, found: readonly Found[], wrong: string[], acksHoldTo: number): void {
  const { promises } = life
  const byId = new Map(found.map((message) => [message.id, message]))
  if (byId.size !== found.length) wrong.push(`${topic}: ${found.length - byId.size} messages are there twice`)
  const last = [-1, -1]
  for (const { id, queueId } of found) {
    const sent = promises.sent[id]!
    if (sent.topic !== topic || sent.queueId !== queueId) wrong.push(`message ${id} was sent to ${sent.topic}/${sent.queueId} and is in ${topic}/${queueId}`)
    if (id < last[queueId]!) wrong.push(`${topic}/${queueId}: message ${id} comes after ${last[queueId]}`)
    if (sent.fate === 'refused') wrong.push(`message ${id} was refused and is there`)
    last[queueId] = id
  }
  const minimum = new Map(life.engine.topics().find(({ name }) => name === topic)?.queues.map(({ queueId, minOffset }) => [queueId, minOffset]))
  for (const { id, topic: sentTo, queueId, fate, result, batch } of promises.sent) {
    if (sentTo !== topic) continue
    const there = byId.get(id)
    if (there === undefined) {
      const isBelowFloor = fate === 'acked' && result!.physicalOffset < promises.floorPosition && result!.queueOffset < (minimum.get(queueId) ?? 0)
      if (fate === 'acked' && !isBelowFloor && id <= acksHoldTo) wrong.push(`message ${id} was acked and is missing`)
      continue
    }
    if (fate === 'acked' && (there.queueOffset !== result!.queueOffset || there.physicalOffset !== result!.physicalOffset)) wrong.push(`message ${id} was acked at ${result!.queueOffset} and is at ${there.queueOffset}`)
    if (batch === undefined) continue
    const missing = promises.sent.filter((other) => other.batch === batch && !byId.has(other.id) && there.physicalOffset >= promises.floorPosition)
    if (missing.length > 0) wrong.push(`of a batch, ${id} is there and ${missing.map((sent) => sent.id).join()} not`)
  }
}

/** What was consumed for good never comes again; all else comes, once. */
async function checkConsumption (life: EngineLife, found: readonly Found[], dead: ReadonlySet<number>, wrong: string[], mayLoseAcked: boolean): Promise<void> {
  const delivered = new Set<number>()
  for (;;) {
    const deliveries: Delivery[] = await life.pop('orders', 20, { waitMs: 3000 })
    if (deliveries.length === 0) break
    for (const { record } of deliveries) {
      const id = idOf(record.body)
      if (delivered.has(id)) wrong.push(`message ${id} is delivered twice at once`)
      delivered.add(id)
    }
  }
  const present = new Set(found.map(({ id }) => id))
  for (const id of delivered) if (!present.has(id)) wrong.push(`message ${id} is delivered and not in its queue`)
  for (const { id, physicalOffset } of found) {
    // Retention may take it at any moment, out of its queue and out of the dead letters.
    if (physicalOffset < life.promises.floorPosition) continue
    const { wish = 'none', isAnswered = true } = life.promises.consumed.get(id) ?? {}
    const isDelivered = delivered.has(id)
    const isDead = dead.has(id)
    if (isDead && wish !== 'dead-letter') wrong.push(`message ${id} is a dead letter, nobody asked for that`)
    if (isDead && isDelivered) wrong.push(`message ${id} is delivered though it is a dead letter`)
    if (wish === 'dead-letter' && !isDead && !isDelivered) wrong.push(`message ${id} is neither a dead letter nor delivered`)
    if (mayLoseAcked) continue
    if (wish === 'dead-letter' && isAnswered && !isDead) wrong.push(`message ${id} was made a dead letter and is none`)
    if (wish === 'ack' && isAnswered && isDelivered) wrong.push(`message ${id} was acked by its consumer and is delivered again`)
    if ((wish === 'none' || wish === 'retry') && !isDelivered) wrong.push(`message ${id} was not consumed and is not delivered`)
  }
}
