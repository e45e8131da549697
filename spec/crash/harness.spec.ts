import t from 'tap'
import { Faults } from '../support/faults.ts'
import { EngineLife } from './engine-life.ts'
import * as engine from './engine-workload.ts'
import { LogLife } from './log-machine.ts'
import * as log from './log-workload.ts'
import { Machine } from './machine.ts'

// The checkers, checked: on devices that answer and do nothing the crash specs must find something wrong.

t.setTimeout(300_000)

for (const lie of ['sync', 'syncDirectory'] as const) {
  t.test(`a log on a disk whose ${lie} does nothing is found out`, async (t) => {
    const machine = new Machine(1, { lies: [lie] })
    const life = new LogLife(machine)
    await machine.run(log.workload(life))
    t.not((await log.complaints(life, machine.afterPowerCut('none', 1))).length, 0)
  })

  t.test(`a queue on a disk whose ${lie} does nothing is found out`, async (t) => {
    const machine = new Machine(1, { lies: [lie] })
    const life = new EngineLife(machine)
    await machine.run(engine.workload(life))
    t.not((await engine.complaints(life, machine.afterPowerCut('none', 1))).length, 0)
  })
}

t.test('a queue on a database whose synced batches are not is found out', async (t) => {
  const machine = new Machine(1, { lies: ['batch'] })
  const life = new EngineLife(machine)
  await machine.run(engine.workload(life))
  t.match(await engine.complaints(life, machine.afterPowerCut('none', 1)), [/the state was rebuilt/])
})

t.test('the same on devices that do what they say: nothing is wrong', async (t) => {
  const life = await engine.runUntilStopped(1, new Faults())
  t.same(await engine.complaints(life, life.machine.afterPowerCut('none', 1)), [])
  t.same(await engine.complaints(life, life.machine.afterKill(1)), [])
})

for (const [what, spoil] of [
  ['a message that was acked and is gone', (life) => { life.promises.sent.push({ ...life.promises.sent.at(-1)!, id: life.promises.sent.length }) }],
  ['a message that was refused and is there', (life) => { life.promises.sent.at(-1)!.fate = 'refused' }],
  ['a message at another offset than its sender was told', (life) => { Object.assign(life.promises.sent.at(-1)!.result!, { queueOffset: 7 }) }],
  ['a message nobody sent', (life) => { life.promises.sent.pop() }],
  ['a message delivered again after its ack', (life) => { for (const { id } of life.promises.sent) life.promises.consumed.set(id, { id, wish: 'ack', isAnswered: true }) }],
  ['a dead letter nobody asked for', (life) => { for (const consumed of life.promises.consumed.values()) consumed.wish = 'none' }],
  ['a topic that is not there', (life) => { life.promises.topics.set('third', { wish: 'made', isAnswered: true }) }]
] satisfies Array<[string, (life: EngineLife) => void]>) {
  t.test(`found: ${what}`, async (t) => {
    const life = await engine.runUntilStopped(1, new Faults())
    spoil(life)
    t.not((await engine.complaints(life, life.machine.afterPowerCut('none', 1))).length, 0)
  })
}
