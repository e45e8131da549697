import fc from 'fast-check'
import t from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import { deleteTopic } from '../../lib/message/index.ts'
import { DedupeMachine, type DedupeId, type DedupeRule } from '../../lib/store/index.ts'
import { MachineLeader, stateOf } from './machine-leader.ts'

const rule: DedupeRule = { windowMs: 10_000, maxCount: 600 }

class Leader extends MachineLeader<DedupeMachine> {
  #position = 0

  constructor (maxRemembered?: number) {
    super(() => new DedupeMachine(maxRemembered))
  }

  /** Returns the position under which the message is stored, and whether it is a new one. */
  send (topic: string, ids: readonly DedupeId[], given = rule): Array<{ readonly position: number, readonly isNew: boolean }> {
    const sent: Array<{ readonly position: number, readonly isNew: boolean }> = []
    this.propose((writer) => {
      for (const id of ids) {
        const known = this.machine.find(topic, id, given, this.nowMs)
        if (known === undefined) this.machine.remember(writer, topic, given, [{ id, queueId: 1, queueOffset: 2, physicalOffset: ++this.#position, deliverAtMs: 0 }], this.nowMs)
        sent.push({ position: known?.physicalOffset ?? this.#position, isNew: known === undefined })
      }
    })
    return sent
  }

  forget (topic: string, id: DedupeId): void { this.propose((writer) => { this.machine.forget(writer, topic, id.hash) }) }

  deleteTopic (topic: string): void {
    this.propose((writer) => {
      this.machine.proposeDeleteTopic(topic)
      writer.addCommand(deleteTopic.type, deleteTopic.encode({ topic }))
    })
  }
}

const id = (n: number, bodyCrc = n, bodyBytes = 10): DedupeId => ({ hash: BigInt(n) << 40n | BigInt(n), bodyCrc, bodyBytes })

t.before(() => loadChecksum())

t.test('known from when it is proposed on, until it is too old, or one of too many; id, checksum and length count', async (t) => {
  const leader = new Leader()
  t.same(leader.send('t', [id(1), id(1)]), [{ position: 1, isNew: true }, { position: 1, isNew: false }])
  leader.apply()
  t.same(leader.send('t', [id(1)]), [{ position: 1, isNew: false }])
  t.equal(leader.send('u', [id(1)])[0]!.isNew, true, 'in another topic')
  t.equal(leader.send('t', [id(1, 99)])[0]!.isNew, true, 'another body')
  t.equal(leader.send('t', [id(1, 99, 11)])[0]!.isNew, true)
  leader.nowMs += rule.windowMs + 1
  t.equal(leader.send('t', [id(1, 99, 11)])[0]!.isNew, true)
  leader.apply()
  t.same(leader.machine.find('t', id(1, 99, 11), rule, leader.nowMs), { queueId: 1, queueOffset: 2, physicalOffset: 5, deliverAtMs: 0, storeTimestampMs: leader.nowMs })
  for (let i = 0; i < rule.maxCount; i++) leader.send('t', [id(1000 + i)])
  leader.apply()
  t.equal(leader.machine.find('t', id(1, 99, 11), rule, leader.nowMs), undefined)
  t.equal(leader.send('t', [id(1000)])[0]!.isNew, false)
})

t.test('what a leader did not get through is not known to the next one', async (t) => {
  const leader = new Leader()
  leader.send('t', [id(1)])
  leader.apply()
  leader.send('t', [id(2)])
  leader.forget('t', id(1))
  leader.change()
  t.same([leader.send('t', [id(1)])[0]!.isNew, leader.send('t', [id(2)])[0]!.isNew], [false, true])
})

t.test('bounded in all: then a topic forgets its oldest for each new one; topics without messages take nothing', async (t) => {
  const leader = new Leader(1000)
  for (let i = 0; i < 500; i++) leader.send('a', [id(i)])
  leader.apply()
  for (let i = 0; i < 800; i++) leader.send('b', [id(i)], { windowMs: 1e9, maxCount: 1_000_000 })
  leader.apply()
  t.equal(leader.machine.rememberedCount, 1000)
  t.equal(leader.machine.find('b', id(299), rule, leader.nowMs), undefined)
  t.ok(leader.machine.find('b', id(300), rule, leader.nowMs))
  leader.nowMs += 100_000
  leader.send('b', [id(9999)], { windowMs: 1e9, maxCount: 1_000_000 })
  leader.apply()
  t.equal(leader.machine.rememberedCount, 501, 'what was too old in a was swept away with it')
  leader.deleteTopic('b')
  leader.apply()
  t.equal(leader.machine.rememberedCount, 0)
  leader.checkpoint()
  t.same([...leader.kv.keys()], ['sweep'])
})

t.test('a busy topic leaves the others their share: they forget nothing as long as they have no more than that', async (t) => {
  const leader = new Leader(3000)
  const wide: DedupeRule = { windowMs: 1e9, maxCount: 1_000_000 }
  const sendMany = (topic: string, from: number, to: number): void => {
    for (let n = from; n < to; n++) leader.send(topic, [id(n)], wide)
    leader.apply()
  }
  const knows = (topic: string, from: number, to: number): number => Array.from({ length: to - from }, (_, i) => leader.machine.find(topic, id(from + i), wide, leader.nowMs)).filter((found) => found !== undefined).length
  sendMany('busy', 0, 3500)
  t.equal(knows('busy', 500, 3500), 3000, 'alone it has all the room')
  sendMany('small', 0, 40)
  sendMany('busy', 3500, 7000)
  sendMany('small', 40, 80)
  t.equal(knows('small', 0, 80), 80)
  t.ok(leader.machine.rememberedCount <= 3000)
  t.ok(leader.machine.rememberedCount > 3000 - 512, `${leader.machine.rememberedCount} are remembered: no more room is made than is needed`)
  t.equal(knows('busy', 6000, 7000), 1000, 'the latest')
  sendMany('other', 0, 2500)
  t.equal(knows('small', 0, 80), 80)
  t.ok(knows('other', 1500, 2500) === 1000 && knows('busy', 6000, 7000) === 1000, 'a third has its thousand, as the first one has')
})

t.test('room is made alike wherever the state came from, however many topics share it', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const sends = fc.array(fc.record({ topic: fc.constantFrom(...names), count: fc.integer({ min: 1, max: 60 }), restarts: fc.boolean() }), { maxLength: 60 })
  fc.assert(fc.property(sends, (steps) => {
    const [one, other] = [new Leader(300), new Leader(300)]
    let n = 0
    for (const { topic, count, restarts } of steps) {
      const ids = Array.from({ length: count }, () => id(++n))
      for (const leader of [one, other]) {
        leader.send(topic, ids, { windowMs: 1e9, maxCount: 250 })
        leader.apply()
      }
      if (restarts) other.restart()
      if (one.machine.rememberedCount > 300) throw new Error('too many')
    }
    t.same(stateOf(other.machine), stateOf(one.machine))
  }), { numRuns: 60 })
  t.pass()
})

t.test('against a naive list: over checkpoints, restarts, leaders and deletions; equal states have equal values', async (t) => {
  const step = fc.oneof(
    { weight: 20, arbitrary: fc.record({ kind: fc.constant('send' as const), topic: fc.constantFrom('t', 'u'), ids: fc.array(fc.nat(40), { minLength: 1, maxLength: 5 }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('forget' as const), topic: fc.constantFrom('t', 'u'), id: fc.nat(40) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('apply' as const), count: fc.nat(4) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(6000) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'checkpoint' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), topic: fc.constantFrom('t', 'u') }) }
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
    const leader = new Leader()
    const small: DedupeRule = { windowMs: 10_000, maxCount: 20 }
    let known: Array<{ readonly topic: string, readonly n: number, readonly position: number, readonly stampMs: number }> = []
    for (const step of steps) {
      if (step.kind === 'send') {
        leader.send(step.topic, step.ids.map((n) => id(n)), small).forEach(({ position, isNew }, i) => {
          const n = step.ids[i]!
          const found = known.findLast((one) => one.topic === step.topic && one.n === n && one.stampMs + small.windowMs >= leader.nowMs)
          // of what is proposed too many may be known for a while
          const isOld = found !== undefined && known.filter(({ topic }) => topic === step.topic).indexOf(found) < known.filter(({ topic }) => topic === step.topic).length - small.maxCount
          if (found !== undefined && !isOld && (isNew || position !== found.position)) throw new Error(`${n} is stored again`)
          if (found === undefined && !isNew) throw new Error(`${n} is lost`)
          if (isNew) known.push({ topic: step.topic, n, position, stampMs: leader.nowMs })
        })
      } else if (step.kind === 'forget') {
        leader.forget(step.topic, id(step.id))
        known = known.filter((one) => one.topic !== step.topic || one.n !== step.id)
      } else if (step.kind === 'apply') {
        leader.apply(step.count)
      } else if (step.kind === 'wait') {
        leader.nowMs += step.ms
      } else if (step.kind === 'delete') {
        leader.deleteTopic(step.topic)
        known = known.filter(({ topic }) => topic !== step.topic)
      } else {
        leader.apply()
        const before = stateOf(leader.machine)
        if (step.kind === 'restart') leader.restart()
        else leader.checkpoint()
        t.same(stateOf(leader.machine), before)
        t.same(new Map([...leader.kv].map(([key, value]) => [key, Buffer.from(value).toString('hex')])), new Map(before as Array<[string, string]>), 'the kv holds the state')
      }
    }
  }), { numRuns: 150 })
  t.pass()
})
