import t from 'tap'
import { Faults } from '../support/faults.ts'
import { EngineLife, idOf } from './engine-life.ts'
import { complaints, runUntilStopped } from './engine-workload.ts'
import { Machine, outcomesOf, stopPoints } from './machine.ts'

// The table of docs/guarantees.md: what process kill and power cut take in each flush mode ('disk' is SYNC_FLUSH,
// 'memory' is ASYNC_FLUSH).

t.setTimeout(300_000)

type Durability = 'disk' | 'memory'
type Cause = 'process kill' | 'power cut'

const losses: Readonly<Record<Durability, Readonly<Record<Cause, string>>>> = {
  disk: { 'process kill': 'nothing', 'power cut': 'nothing' },
  memory: { 'process kill': 'nothing', 'power cut': 'only the end of the log that was not synced' }
}

for (const durability of ['disk', 'memory'] as const) {
  const loses = Object.entries(losses[durability])
  t.test(`sends, batches, acks, retries, dead letters and topics, durability '${durability}': ${loses.map(([cause, what]) => `a ${cause} loses ${what}`).join(', ')}`, async (t) => {
    const { boundaries, trace } = (await runUntilStopped(1, new Faults({ trace: true }), { durability })).machine.faults
    const crashes = new Map(loses.map(([cause]) => [cause, 0]))
    for (let boundary = 10; boundary <= boundaries; boundary += 3) {
      const point = stopPoints[Math.floor(boundary / 3) % 3]!
      const faults = new Faults()
      faults.stopAt(boundary, point)
      const life = await runUntilStopped(1, faults, { durability })
      for (const [cause, what] of loses) {
        for (const { name, found } of outcomesOf(boundary).filter(({ name }, i) => name.startsWith(cause) && (cause === 'process kill' || i === boundary % 5))) {
          const wrong = await complaints(life, found(life.machine, new Faults()), { mayLoseAcked: what !== 'nothing' })
          crashes.set(cause, crashes.get(cause)! + 1)
          if (wrong.length > 0) t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
        }
      }
    }
    for (const [cause, count] of crashes) t.ok(count > 0, `${cause}: ${count} crashes`)
  })
}

/** Runs `work` on a fresh queue, then opens what `cause` leaves and runs `look` on it. */
async function afterwards<T> (durability: Durability, cause: Cause, work: (life: EngineLife) => Promise<void>, look: (life: EngineLife) => Promise<T>): Promise<T> {
  const life = new EngineLife(new Machine(1), { durability, segmentBytes: 1024 * 1024 })
  await life.machine.run(life.open().then(() => work(life)))
  const next = life.continueOn(cause === 'power cut' ? life.machine.afterPowerCut('none', 1) : life.machine.afterKill(1))
  const { value } = (await next.machine.run(next.open().then(() => look(next))))!
  await next.machine.run(next.close())
  return value
}

async function storedIds (life: EngineLife): Promise<number[]> {
  if (life.engine.topic('orders') === undefined) return []
  return (await life.engine.read({ topic: 'orders', queueId: 0, fromOffset: 0, maxMessages: 1000 })).map(({ record }) => idOf(record.body))
}

async function send (life: EngineLife, count: number, bodyBytes: number): Promise<void> {
  for (let i = 0; i < count; i++) await life.send('orders', 0, bodyBytes)
}

t.test('\'memory\', power cut: what was confirmed in the last moments is gone, so the row above is no empty promise', async (t) => {
  t.same(await afterwards('memory', 'power cut', (life) => send(life, 5, 100), storedIds), [])
  t.same(await afterwards('memory', 'process kill', (life) => send(life, 5, 100), storedIds), [0, 1, 2, 3, 4])
  t.same(await afterwards('disk', 'power cut', (life) => send(life, 5, 100), storedIds), [0, 1, 2, 3, 4])
})

t.test('\'memory\', power cut: with 16 KiB waiting, no more than the last 500 ms', async (t) => {
  const work = async (life: EngineLife) => {
    await send(life, 4, 5000)
    await life.idle(520)
    await send(life, 4, 5000)
    await life.idle(400)
  }
  t.same((await afterwards('memory', 'power cut', work, storedIds)).slice(0, 4), [0, 1, 2, 3])
})

t.test('\'memory\', power cut: with less than 16 KiB waiting, no more than the last 10 s', async (t) => {
  const work = (idleMs: number) => async (life: EngineLife) => {
    // An interval that begins with a sync: then little comes.
    await send(life, 4, 5000)
    await life.idle(600)
    await send(life, 3, 100)
    await life.idle(idleMs)
  }
  t.same(await afterwards('memory', 'power cut', work(8000), storedIds), [0, 1, 2, 3], 'they may go')
  t.same(await afterwards('memory', 'power cut', work(10_600), storedIds), [0, 1, 2, 3, 4, 5, 6], 'they may not')
})

t.test('close(), both modes, power cut: loses nothing', async (t) => {
  for (const durability of ['disk', 'memory'] as const) {
    t.same(await afterwards(durability, 'power cut', async (life) => {
      await send(life, 3, 100)
      await life.close()
    }, storedIds), [0, 1, 2], durability)
  }
})

t.test('\'memory\': what a killed process left is durable once the queue is open again', async (t) => {
  const life = new EngineLife(new Machine(1), { durability: 'memory' })
  await life.machine.run(life.open().then(() => send(life, 5, 100)))
  const second = life.continueOn(life.machine.afterKill(1))
  await second.machine.run(second.open())
  const third = second.continueOn(second.machine.afterPowerCut('none', 1))
  t.same((await third.machine.run(third.open().then(() => storedIds(third))))?.value, [0, 1, 2, 3, 4])
  await third.machine.run(third.close())
})

for (const [durability, cause, isKept] of [['disk', 'process kill', true], ['disk', 'power cut', true], ['memory', 'process kill', true], ['memory', 'power cut', false]] as const) {
  t.test(`seek, durability '${durability}', ${cause}: ${isKept ? 'loses nothing' : 'may be lost'}`, async (t) => {
    const delivered = await afterwards(durability, cause, async (life) => {
      await send(life, 4, 5000)
      for (const delivery of await life.pop('orders', 10)) await life.ack(delivery)
      await life.idle(600)
      await life.engine.seek({ group: 'workers', topic: 'orders', to: 'first' })
    }, (life) => life.pop('orders', 10))
    t.equal(delivered.length, isKept ? 4 : 0)
  })
}
