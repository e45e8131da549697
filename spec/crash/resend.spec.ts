import t from 'tap'
import { Faults } from '../support/faults.ts'
import { EngineLife, group, idOf } from './engine-life.ts'
import { Machine, outcomesOf, stopPoints } from './machine.ts'

const LETTERS = 5
const TOPIC = 'orders'

interface Run { readonly life: EngineLife, readonly from: number, readonly to: number }

/** Dead letters, sent again two at a time until the machine stops; the boundaries between which that was. */
async function resending (faults: Faults): Promise<Run> {
  const machine = new Machine(1, { faults })
  const life = new EngineLife(machine)
  let from = 0
  await machine.run((async () => {
    await life.open()
    for (let i = 0; i < LETTERS; i++) await life.send(TOPIC, i % 2, 100)
    for (const delivery of await life.pop(TOPIC, LETTERS)) await life.deadLetter(delivery)
    from = faults.boundaries
    await resendAll(life)
  })())
  return { life, from, to: faults.boundaries }
}

async function resendAll ({ engine }: EngineLife): Promise<void> {
  for (let kept = 1; kept > 0;) ({ kept } = await engine.deadLetters.resend({ group, max: 2 }))
}

t.test('stopped at every boundary, dead letters are sent again exactly once each by whoever goes on', async (t) => {
  const { from, to } = await resending(new Faults())
  t.ok(to - from >= 6, `several entries: ${to - from} boundaries`)
  const all = Array.from({ length: LETTERS }, (_, id) => id)
  for (let boundary = from; boundary <= to; boundary++) {
    for (const [i, point] of stopPoints.entries()) {
      const faults = new Faults()
      faults.stopAt(boundary, point)
      const { life } = await resending(faults)
      const outcomes = outcomesOf(boundary)
      const { name, found } = outcomes[(boundary + i) % outcomes.length]!
      const machine = found(life.machine, new Faults())
      const next = life.continueOn(machine)
      const ids = await machine.run((async () => {
        await next.open()
        await resendAll(next)
        const messages = await next.pop(TOPIC, 100)
        await next.close()
        return messages.map(({ record }) => idOf(record.body)).sort()
      })())
      t.same(ids?.value, all, `stopped ${point} boundary ${boundary}, ${name}`)
    }
  }
})
