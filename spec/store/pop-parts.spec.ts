import t from 'tap'
import { EntryBodyWriter, defineCommand } from '../../lib/message/index.ts'
import * as commands from '../../lib/store/pop-commands.ts'
import { ExpirySchedule } from '../../lib/store/pop-expiry.ts'
import { Lease } from '../../lib/store/pop-lease.ts'
import { PopQueue } from '../../lib/store/pop-queue.ts'
import { ReturnedOffsets } from '../../lib/store/pop-returned.ts'
import { decodeQueue, encodeQueue } from '../../lib/store/pop-values.ts'
import { SeededRandom } from '../support/seeded-random.ts'

t.test('bits of a lease agree with a set of offsets', (t) => {
  const random = new SeededRandom(7)
  for (let round = 0; round < 300; round++) {
    const span = random.pick([1, 31, 32, 33, 64, 200, 1024])
    const lease = new Lease({ id: 1, firstOffset: 1000, span, attempts: 1, invisibleUntilMs: 0, owner: '', attemptId: '' })
    const held = new Set<number>()
    for (let at = 0; at < span;) {
      const count = Math.min(span - at, 1 + random.below(40))
      if (random.chance(0.7)) {
        lease.hold(1000 + at, count)
        for (let i = 0; i < count; i++) held.add(1000 + at + i)
      }
      at += count
    }
    for (let step = 0; step < 10; step++) {
      const positions: number[] = []
      const named = new Set<number>()
      for (let i = random.below(3); i >= 0; i--) {
        const first = 990 + random.below(span + 20)
        const count = 1 + random.below(60)
        let expected = 0
        for (let offset = first; offset < first + count; offset++) {
          if (!held.has(offset) || named.has(offset)) continue
          named.add(offset)
          expected++
        }
        if (lease.select(first, count, positions) !== expected) t.fail('select')
      }
      const seen: number[] = []
      lease.forEachHeld(positions, (first, count) => { for (let i = 0; i < count; i++) seen.push(first + i) })
      if (String(seen) !== String([...named].sort((a, b) => a - b))) t.fail('forEachHeld')
      if (lease.clear(positions) !== named.size) t.fail('clear')
      for (const offset of named) held.delete(offset)
      if (lease.heldCount !== held.size || lease.firstHeld !== Math.min(1000 + span, ...held)) t.fail('what is left')
      if (lease.holds(1000 + random.below(span)) && held.size === 0) t.fail('holds')
    }
    const copy = lease.copy()
    copy.clear(null)
    if (copy.heldCount !== 0 || lease.heldCount !== held.size) t.fail('a copy is its own')
  }
  t.end()
})

t.test('returned offsets: neighbours of one history are one run, a double return is caught', (t) => {
  const returned = new ReturnedOffsets()
  returned.insert({ first: 10, count: 5, attempts: 1, visibleAtMs: 0 })
  returned.insert({ first: 20, count: 5, attempts: 1, visibleAtMs: 0 })
  returned.insert({ first: 15, count: 5, attempts: 1, visibleAtMs: 0 })
  t.same(returned.runs, [{ first: 10, count: 15, attempts: 1, visibleAtMs: 0 }])
  t.throws(() => returned.insert({ first: 24, count: 2, attempts: 1, visibleAtMs: 0 }), { code: 'MQ_INVARIANT' })
  t.throws(() => returned.insert({ first: 8, count: 3, attempts: 1, visibleAtMs: 0 }), { code: 'MQ_INVARIANT' })
  t.throws(() => returned.remove(24, 2, () => {}), { code: 'MQ_INVARIANT' })
  returned.insert({ first: 25, count: 1, attempts: 2, visibleAtMs: 9 })
  const pieces: number[][] = []
  returned.remove(22, 4, (...piece) => pieces.push(piece))
  t.same(pieces, [[22, 3, 1], [25, 1, 2]])
  returned.dropBelow(12)
  t.same(returned.runs, [{ first: 12, count: 10, attempts: 1, visibleAtMs: 0 }])
  t.equal(returned.count, 10)
  t.end()
})

t.test('an offset is never taken twice', (t) => {
  const queue = new PopQueue(1, 'g', 't', 0, 0)
  const terms = { invisibleUntilMs: 1, owner: '', attemptId: '' }
  const take = { returned: [], freshFirst: 0, freshCount: 3, floor: 0, firstLeaseId: 1, countsAsDelivery: true }
  queue.checkOut(take, terms)
  t.throws(() => queue.checkOut({ ...take, firstLeaseId: 2 }, terms), { code: 'MQ_INVARIANT' })
  t.throws(() => queue.checkOut({ ...take, freshFirst: 3 }, terms), { code: 'MQ_INVARIANT' }, 'nor a lease id given twice')
  t.throws(() => queue.checkOut({ ...take, freshCount: 0, returned: [{ first: 1, count: 1 }] }, terms), { code: 'MQ_INVARIANT' })
  t.end()
})

t.test('among thousands of leases the one that holds an offset is found, whatever became of the others', (t) => {
  const random = new SeededRandom(11)
  let queue = new PopQueue(1, 'g', 't', 0, 0)
  const check = (): void => {
    for (let offset = Math.max(0, queue.nextOffset - 4000); offset < queue.nextOffset + 3; offset += 1 + random.below(5)) {
      const holding = [...queue.leases].filter((lease) => lease.holds(offset))
      if (holding.length > 1 || queue.leaseAt(offset) !== holding[0]) t.fail(`offset ${offset}`)
      if (queue.isDone(offset) !== (offset < queue.nextOffset && holding.length === 0 && queue.returned?.find(offset) === undefined)) t.fail(`offset ${offset} is done`)
    }
  }
  for (let step = 0; step < 3000; step++) {
    const some = [...queue.leases].filter(() => random.chance(0.02))
    if (queue.leaseCount < 20 || random.chance(0.7)) {
      const runs = queue.returned === undefined || random.chance(0.5) ? [] : queue.returned.runs.slice(0, 3).map(({ first, count }) => ({ first, count }))
      queue.checkOut({ returned: runs, freshFirst: queue.nextOffset, freshCount: random.pick([1, 1, 1, 3, 40, 1100]), floor: 0, firstLeaseId: queue.nextLeaseId, countsAsDelivery: true }, { invisibleUntilMs: step, owner: '', attemptId: '' })
    } else {
      for (const { id, firstOffset, span } of some) {
        const positions: number[] = []
        queue.lease(id)!.select(firstOffset + random.below(span), 1 + random.below(span), positions)
        if (random.chance(0.5)) queue.ack(id, random.chance(0.5) ? null : positions)
        else if (random.chance(0.5)) queue.giveBack(id, positions, 0, false)
        else queue.changeInvisible(id, positions, queue.nextLeaseId, step)
      }
    }
    if (random.chance(0.005)) queue = queue.copy()
    if (random.chance(0.002)) queue.seek(queue.nextOffset)
    if (step % 100 === 0) check()
  }
  check()
  t.end()
})

t.test('the schedule names queues in the order of their earliest time', (t) => {
  const random = new SeededRandom(3)
  const schedule = new ExpirySchedule()
  const twin = new Map<number, number>()
  for (let step = 0; step < 20_000; step++) {
    const number = random.below(50)
    if (random.chance(0.6)) {
      const dueMs = random.below(1000)
      schedule.note(number, dueMs)
      twin.set(number, Math.min(dueMs, twin.get(number) ?? Infinity))
    } else if (random.chance(0.2)) {
      schedule.forget(number)
      twin.delete(number)
    } else {
      const nowMs = random.below(300)
      const taken = schedule.takeDue(nowMs)
      const earliest = Math.min(Infinity, ...twin.values())
      if (earliest > nowMs ? taken !== undefined : twin.get(taken!) !== earliest) t.fail(`step ${step}`)
      twin.delete(taken!)
    }
    if (schedule.nextMs !== Math.min(Infinity, ...twin.values())) t.fail(`next at step ${step}`)
  }
  t.end()
})

const samples: Array<[command: { encode (value: any): Uint8Array, decode (payload: Uint8Array): unknown, name: string }, value: unknown, hex: string]> = [
  [commands.popOpen, { group: 'g', topic: 't', firstNumber: 7, queues: [{ queueId: 0, startOffset: 5 }, { queueId: 1, startOffset: 5_000_000_000 }] }, '01026702740e04000a0280c8afa02500'],
  [commands.popCheckOut, {
    invisibleUntilMs: 1_700_000_000_000,
    owner: 'n1:9',
    attemptId: '',
    takes: [{ queue: 7, firstLeaseId: 3, floor: 0, returned: [{ first: 5, count: 2 }], freshFirst: 100, freshCount: 30, countsAsDelivery: true }]
  }, '0180a0abfef962086e313a3900020e0600020a0400c8013c0100'],
  [commands.popAck, { parts: [{ queue: 7, lease: 3, positions: null }, { queue: 7, lease: 4, positions: [-1, 5] }] }, '01040e06000e080204010a0000'],
  [commands.popChangeInvisible, { parts: [{ queue: 7, lease: 3, positions: [1], newLease: 5, invisibleUntilMs: 1_700_000_000_000 }] }, '01020e06020202000a80a0abfef96200'],
  [commands.popReturn, { visibleAtMs: 0, undelivered: true, parts: [{ queue: 7, lease: 3, positions: null }] }, '010001020e060000'],
  [commands.popReleaseOwner, { owner: 'n1:', isPrefix: true, except: 'n1:9' }, '01066e313a01086e313a39'],
  [commands.popSeek, { queues: [{ queue: 7, offset: 12 }] }, '01020e1800'],
  [commands.popForget, { group: 'g', topic: '' }, '01026700']
]

t.test('what earlier versions have logged can be read', (t) => {
  for (const [command, value, hex] of samples) {
    t.equal(Buffer.from(command.encode(value)).toString('hex'), hex, command.name)
    t.same(command.decode(Buffer.from(hex, 'hex')), value, command.name)
  }
  t.end()
})

t.test('a later version with a new field reads what this one writes', (t) => {
  const fields = [{ name: 'group', type: 'string' }, { name: 'topic', type: 'string' }] as const
  const later = defineCommand<object>({
    type: commands.popForget.type,
    name: 'popForget',
    versions: [
      { type: 'record', name: 'PopForget', fields: [...fields] },
      { type: 'record', name: 'PopForget', fields: [...fields, { name: 'reason', type: 'string', default: '' }] }
    ]
  })
  t.same(later.decode(commands.popForget.encode({ group: 'g', topic: 't' })), { group: 'g', topic: 't', reason: '' })
  t.throws(() => commands.popForget.decode(later.encode({ group: 'g', topic: 't', reason: 'r' })), { code: 'MQ_FORMAT_TOO_NEW' })
  t.end()
})

t.test('no command number is given twice, and bounds hold for the largest values', (t) => {
  const types = Object.values(commands).filter((command) => typeof command === 'object' && 'type' in command).map((command) => (command as { type: number }).type)
  t.equal(new Set(types).size, types.length)
  const { popCost } = commands
  const max = 2 ** 52
  const part = { queue: max, lease: max, positions: null, newLease: max, invisibleUntilMs: max }
  const cost = (payload: Uint8Array) => EntryBodyWriter.commandCostBytes(payload.length)
  t.ok(cost(commands.popChangeInvisible.encode({ parts: [part] })) <= popCost.command + popCost.part)
  const take = { queue: max, firstLeaseId: max, floor: max, returned: [], freshFirst: max, freshCount: 2 ** 31 - 1, countsAsDelivery: true }
  t.ok(cost(commands.popCheckOut.encode({ invisibleUntilMs: max, owner: '', attemptId: '', takes: [take] })) <= popCost.command + popCost.take)
  t.ok(commands.popCheckOut.encode({ invisibleUntilMs: max, owner: '', attemptId: '', takes: [{ ...take, returned: [{ first: max, count: 2 ** 31 - 1 }] }] }).length -
    commands.popCheckOut.encode({ invisibleUntilMs: max, owner: '', attemptId: '', takes: [take] }).length <= popCost.range)
  t.end()
})

t.test('a saved queue reads back as it was', (t) => {
  const queue = new PopQueue(9, 'g', 't', 3, 40)
  queue.checkOut({ returned: [], freshFirst: 40, freshCount: 70, floor: 0, firstLeaseId: 1, countsAsDelivery: true }, { invisibleUntilMs: 1000, owner: 'o', attemptId: 'a' })
  queue.giveBack(1, [3], 777, false)
  queue.ack(1, [0, 0xff])
  const hex = Buffer.from(encodeQueue(queue)).toString('hex')
  t.equal(hex, '01120267027406dc01040202508c010607ff037e0002d00f026f02610002500402920c00', 'also in the bytes of earlier versions')
  t.equal(Buffer.from(encodeQueue(decodeQueue('k', Buffer.from(hex, 'hex')))).toString('hex'), hex)
  t.end()
})
