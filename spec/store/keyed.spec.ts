import fc from 'fast-check'
import t from 'tap'
import { KeyedMachine, type KeyedChange, type KeyedValue } from '../../lib/store/index.ts'
import { MachineLeader, stateOf } from './machine-leader.ts'

class Leader extends MachineLeader<KeyedMachine> {
  constructor () {
    super(() => new KeyedMachine())
  }

  put (...changes: KeyedChange[]): void { this.propose((writer) => { this.machine.change(writer, changes) }) }
}

t.test('what is proposed is seen when it is applied; what a leader did not get through counts for nobody', async (t) => {
  const leader = new Leader()
  leader.put({ key: 'a', value: 'x' }, { key: 'b', value: Uint8Array.of(1, 2) })
  t.equal(leader.machine.get('a'), undefined)
  leader.apply()
  t.same([leader.machine.get('a'), leader.machine.get('b'), leader.machine.count], ['x', Uint8Array.of(1, 2), 2])
  const { sizeBytes } = leader.machine
  leader.put({ key: 'a', value: null }, { key: 'c', value: 'long'.repeat(100) })
  t.ok(leader.machine.bytesWith([]) > sizeBytes + 300, 'what is on its way counts')
  leader.change()
  t.equal(leader.machine.bytesWith([]), sizeBytes)
  t.equal(leader.machine.bytesWith([{ key: 'a', value: null }, { key: 'b', value: null }]), 0)
})

t.test('bytes that were decoded do not hold the entry they came in', async (t) => {
  const leader = new Leader()
  leader.put({ key: 'b', value: Uint8Array.of(1, 2) })
  leader.apply()
  t.equal((leader.machine.get('b') as Uint8Array).buffer.byteLength, 2)
})

const key = fc.constantFrom('a', 'b', 'c', '["done",1]', 'ключ/1')
const value: fc.Arbitrary<KeyedValue | null> = fc.oneof(fc.constant(null), fc.string({ unit: 'grapheme', maxLength: 8 }), fc.uint8Array({ maxLength: 8 }))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: fc.uniqueArray(fc.record({ key, value }), { selector: ({ key }) => key, minLength: 1, maxLength: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ apply: fc.integer({ min: 1, max: 3 }) }) },
  fc.constantFrom('change' as const, 'checkpoint' as const, 'restart' as const)
)

t.test('through any schedule it is the map that its entries make, from a checkpoint too; sizes are those of what is there', async () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const leader = new Leader()
    const undecided: Array<readonly KeyedChange[]> = []
    const applied = new Map<string, KeyedValue>()
    const applyTo = (map: Map<string, KeyedValue>, changes: readonly KeyedChange[]) => {
      for (const { key, value } of changes) {
        if (value === null) map.delete(key)
        else map.set(key, value)
      }
    }
    const apply = (count: number) => {
      leader.apply(count)
      for (const changes of undecided.splice(0, count)) applyTo(applied, changes)
    }
    for (const step of steps) {
      if (typeof step === 'object' && 'put' in step) {
        leader.put(...step.put)
        undecided.push(step.put)
      } else if (typeof step === 'object') {
        apply(step.apply)
      } else if (step === 'change') {
        leader.change()
        undecided.length = 0
      } else if (step === 'checkpoint') {
        leader.checkpoint()
      } else {
        apply(Infinity)
        leader.restart()
      }
      for (const name of ['a', 'b', 'c', '["done",1]', 'ключ/1']) {
        const found = leader.machine.get(name)
        const wanted = applied.get(name)
        if (typeof found === 'object' ? Buffer.compare(found, wanted as Uint8Array) !== 0 : found !== wanted) throw new Error(`${name} is ${String(found)}, not ${String(wanted)}`)
      }
      if (leader.machine.count !== applied.size) throw new Error('count')
    }
    const proposed = new Map(applied)
    for (const changes of undecided) applyTo(proposed, changes)
    const alike = new Leader()
    for (const [key, value] of proposed) alike.put({ key, value })
    alike.apply()
    if (leader.machine.bytesWith([]) !== alike.machine.sizeBytes) throw new Error('bytes that are proposed')
    apply(Infinity)
    if (leader.machine.sizeBytes !== alike.machine.sizeBytes) throw new Error('bytes')
    if (JSON.stringify(stateOf(leader.machine)) !== JSON.stringify(stateOf(alike.machine))) throw new Error('values')
  }), { numRuns: 300 })
})
