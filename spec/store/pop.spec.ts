import t from 'tap'
import { MqError } from '../../lib/base/index.ts'
import { AckProposal, ChangeInvisibleProposal, ExpireProposal, PopMachine, ReleaseOwnerProposal, ReturnProposal, SeekProposal } from '../../lib/store/pop.ts'
import { PopGroup, textOf } from './pop-group.ts'

const valuesOf = (machine: PopMachine) => new Map([...machine.values()].map(({ key, value }) => [key, Buffer.from(value).toString('hex')]))

t.test('a lease that ends brings its messages back, counted; the late acknowledgement is told', async (t) => {
  const group = new PopGroup(1, 5)
  await group.open()
  const first = await group.pop({ max: 3 })
  t.equal(textOf(first.messages), '0:0-2*1')
  t.equal(group.machine.nextExpiryMs, 1100)
  t.same(await group.run(new AckProposal(group.machine, [{ ...first.messages[0]!, first: 1, count: 1 }])), { count: 1, lost: [] })
  t.match(group.machine.progressOf('g', 't', 0), { consumerOffset: 0, nextOffset: 3, leasedCount: 2, returnedCount: 0 })

  group.nowMs = 1099
  t.equal((await group.run(new ExpireProposal(group.machine))).count, 0, 'not before its time')
  group.nowMs = 1100
  const told: string[] = []
  group.machine.onAvailable = (...names) => { told.push(names.join('@')) }
  t.equal((await group.run(new ExpireProposal(group.machine))).count, 2)
  t.ok(told.includes('g@t'), 'waiting consumers are told')

  const late = await group.run(new AckProposal(group.machine, first.messages))
  t.equal(late.count, 0)
  t.equal(late.lost.reduce((sum, { count }) => sum + count, 0), 3)
  const second = await group.pop()
  t.equal(textOf(second.messages), '0:0*2 0:2*2 0:3-4*1', 'what came back goes first, in the order of the queue')
  t.same(await group.run(new AckProposal(group.machine, second.messages)), { count: 4, lost: [] })
  t.match(group.machine.progressOf('g', 't', 0), { consumerOffset: 5, nextOffset: 5, leasedCount: 0, returnedCount: 0 })
  t.equal(await group.popped(), '')
})

t.test('put off, given back unseen, and dead after so many deliveries', async (t) => {
  const group = new PopGroup(1, 3)
  await group.open()
  const { messages: [range] } = await group.pop({ maxAttempts: 2 })
  await group.run(new ReturnProposal(group.machine, [{ ...range!, count: 1 }], { delayMs: 50 }))
  await group.run(new ReturnProposal(group.machine, [{ ...range!, first: 1, count: 1 }], { undelivered: true }))
  await group.run(new ReturnProposal(group.machine, [{ ...range!, first: 2, count: 1 }]))
  t.equal(await group.popped({ maxAttempts: 2 }), '0:1*1 0:2*2')
  t.equal(group.machine.nextExpiryMs, 1050, 'the leader wakes when the one put off is visible')
  group.nowMs = 1050
  const told: string[] = []
  group.machine.onAvailable = (...names) => { told.push(names.join('@')) }
  await group.run(new ExpireProposal(group.machine))
  t.same(told, ['g@t'])
  t.equal(await group.popped({ maxAttempts: 2 }), '0:0*2')
  group.nowMs = 2000
  await group.run(new ExpireProposal(group.machine))
  const { messages, exhausted } = await group.pop({ maxAttempts: 2 })
  t.equal(textOf(messages), '0:1*2')
  t.equal(textOf(exhausted), '0:0*2 0:2*2', 'leased for the dead letter queue, not delivered a third time')
})

t.test('an ordered queue gives nothing while something of it is out', async (t) => {
  const group = new PopGroup(2, 4)
  await group.open()
  const ordered = { ordered: true, max: 2, owner: 'a', attemptId: '1' }
  const first = await group.pop({ ...ordered, sources: group.sources.slice(0, 1) })
  t.equal(textOf(first.messages), '0:0-1*1')
  t.equal(await group.popped({ ...ordered, attemptId: '2' }), '1:0-1*1', 'another queue is free')
  t.equal(await group.popped({ ...ordered, attemptId: '2', owner: 'b' }), '')
  group.nowMs += 60
  const again = await group.pop({ ...ordered, sources: group.sources.slice(0, 1) })
  t.same(again.messages.map((range) => [range.lease, range.attempts, range.invisibleUntilMs]), [[first.messages[0]!.lease, 1, 1160]], 'the same attempt gets the same delivery, for longer')
  await group.run(new ReturnProposal(group.machine, [{ ...first.messages[0]!, count: 1 }], { delayMs: 30 }))
  await group.run(new ReturnProposal(group.machine, [{ ...first.messages[0]!, first: 1, count: 1 }]))
  t.equal(await group.popped({ ...ordered, sources: group.sources.slice(0, 1) }), '', 'nothing overtakes the one put off')
  group.nowMs += 30
  t.equal(await group.popped({ ...ordered, sources: group.sources.slice(0, 1), max: 10 }), '0:0-1*2 0:2-3*1')
})

t.test('consumers are told when there is something for them, not by every acknowledgement', async (t) => {
  const group = new PopGroup(1, 4)
  await group.open()
  const told: string[] = []
  group.machine.onAvailable = (...names) => { told.push(names.join('@')) }
  const first = await group.pop({ max: 1 })
  await group.run(new AckProposal(group.machine, first.messages))
  t.same(told, [], 'nobody waits for a lease to end')
  const second = await group.pop({ max: 2, ordered: true })
  await group.run(new ReturnProposal(group.machine, [{ ...second.messages[0]!, count: 1 }], { delayMs: 10 }))
  t.same(told, [])
  await group.run(new AckProposal(group.machine, second.messages))
  t.same(told, ['g@t'], 'but of an ordered queue more can be taken')
  const third = await group.pop({ max: 2 })
  await group.run(new ReturnProposal(group.machine, third.messages))
  t.equal(told.length, 2)
})

t.test('no queue starves', async (t) => {
  const group = new PopGroup(5, 1_000_000)
  await group.open()
  const seen = new Map<number, number>()
  for (let i = 0; i < 50; i++) {
    const { messages } = await group.pop({ max: 32 })
    await group.run(new AckProposal(group.machine, messages))
    for (const { queueId } of messages) seen.set(queueId, (seen.get(queueId) ?? 0) + 1)
  }
  t.same([...seen.values()], [10, 10, 10, 10, 10])
  for (const source of group.sources) source.proposedNextOffset = 330
  t.equal((await group.pop({ max: 32 })).count, 32, 'a pop goes on to the next queue until it is full')
  t.equal((await group.pop({ max: 32 })).count, 18)
})

t.test('a backlog costs nothing, and so many messages may be out at once', async (t) => {
  const group = new PopGroup(1, 5_000_000)
  await group.open()
  t.ok([...group.machine.values()].every(({ value }) => value.length < 50))
  const { count, messages } = await group.pop({ max: 3000, maxOutstanding: 2500 })
  t.equal(count, 2500)
  t.equal(messages.length, 3, 'leases do not span more than 1024 offsets')
  t.equal(await group.popped({ maxOutstanding: 2500 }), '')
  await group.run(new ReturnProposal(group.machine, messages))
  t.equal((await group.pop({ maxOutstanding: 2500, max: 3000 })).count, 2500, 'what came back may always be taken')
})

t.test('where a group begins', async (t) => {
  const group = new PopGroup(3, 10)
  t.equal((await group.pop()).unopened, true)
  t.equal(await group.open('last', group.sources.slice(0, 2)), 2)
  t.equal(group.machine.isOpen('g', 't', 2), true)
  t.equal(group.machine.isOpen('g', 't', 3), false)
  t.equal(await group.open('last'), 1)
  t.equal(await group.open('last'), 0)
  t.equal(await group.popped(), '2:0-9*1', 'of a queue that came later nothing is left out')
  await group.run(new SeekProposal(group.machine, { group: 'g', topic: 't', sources: group.sources, to: new Map([[0, 8], [2, 100]]) }))
  t.equal(await group.popped(), '0:8-9*1')
  t.match(group.machine.progressOf('g', 't', 2), { consumerOffset: 10, leasedCount: 0 }, 'never beyond the end')
})

t.test('retention goes over what the group has not read', async (t) => {
  const group = new PopGroup(1, 100)
  await group.open()
  const { messages } = await group.pop({ max: 20 })
  await group.run(new ReturnProposal(group.machine, messages))
  group.sources[0]!.minOffset = 15
  t.equal(await group.popped({ max: 8 }), '0:15-19*2 0:20-22*1')
  group.sources[0]!.minOffset = 100
  t.equal(await group.popped(), '')
  t.match(group.machine.progressOf('g', 't', 0), { consumerOffset: 15, nextOffset: 100 }, 'what is leased is still out')
})

t.test('decisions see those before them, applied or not, and die with the term', async (t) => {
  const group = new PopGroup(1, 100)
  await group.open()
  const proposals = [group.popProposal({ max: 4 }), group.popProposal({ max: 4 })]
  group.seal(...proposals)
  group.seal(group.popProposal({ max: 4 }))
  t.equal(group.machine.applied.topic('g', 't')!.queues.get(0)!.nextOffset, 0)
  t.equal(group.machine.overlay.state.topic('g', 't')!.queues.get(0)!.nextOffset, 12)
  group.apply()
  t.equal(textOf((await proposals[1]!.done).messages), '0:4-7*1')
  const lost = group.sealed.pop()!.proposals[0]!
  lost.fail(new MqError('MQ_OVERWRITTEN', 'another leader'))
  await t.rejects(lost.done, { code: 'MQ_OVERWRITTEN' })
  group.machine.resetOverlay()
  t.equal(await group.popped({ max: 4 }), '0:8-11*1', 'what was never committed is free')
  t.equal(group.machine.nextExpiryMs, 1100, 'a new leader knows when leases end')
})

t.test('a session that died gives everything back at once', async (t) => {
  const group = new PopGroup(1, 100)
  await group.open()
  await group.pop({ max: 3, owner: 'node-1:old' })
  await group.pop({ max: 3, owner: 'node-1:new' })
  await group.pop({ max: 3, owner: 'node-2:old' })
  await group.run(new ReleaseOwnerProposal(group.machine, { owner: 'node-1:', isPrefix: true, except: 'node-1:new' }))
  t.equal(await group.popped({ max: 5 }), '0:0-2*2 0:9-10*1')
  await group.run(new ReleaseOwnerProposal(group.machine, { owner: 'node-2:old' }))
  t.equal(await group.popped({ max: 3 }), '0:6-8*2')
})

t.test('a lease is renewed whole, or a part of it gets one of its own', async (t) => {
  const group = new PopGroup(1, 40)
  await group.open()
  const { messages: [all] } = await group.pop({ max: 40 })
  const one = { ...all!, first: 33, count: 1 }
  const renewed = await group.run(new ChangeInvisibleProposal(group.machine, [one], { invisibleMs: 500, wholeLease: true }))
  t.same(renewed.ranges.map(({ lease, first, count, invisibleUntilMs }) => ({ lease, first, count, invisibleUntilMs })), [{ lease: all!.lease, first: 0, count: 40, invisibleUntilMs: 1500 }])
  const moved = await group.run(new ChangeInvisibleProposal(group.machine, [one], { invisibleMs: 10 }))
  t.not(moved.ranges[0]!.lease, all!.lease)
  t.equal(textOf(moved.ranges), '0:33*1')
  t.equal((await group.run(new AckProposal(group.machine, [one]))).count, 0, 'the old handle is void')
  t.same(await group.run(new AckProposal(group.machine, [all!])), { count: 39, lost: [one] }, 'and says so for that message only')
  t.equal((await group.run(new AckProposal(group.machine, moved.ranges))).count, 1)
})

t.test('very many leases end in several steps', async (t) => {
  const group = new PopGroup(1, 1500)
  await group.open()
  for (let i = 0; i < 1500; i++) await group.pop({ max: 1 })
  group.nowMs = 2000
  const counts: number[] = []
  while (group.machine.nextExpiryMs <= group.nowMs) {
    counts.push((await group.run(new ExpireProposal(group.machine))).count)
    group.nowMs++
  }
  t.same(counts, [512, 512, 476])
  t.equal((await group.pop({ max: 2000 })).count, 1500)
})

t.test('handles of a deleted topic or group stay void when it comes back', async (t) => {
  const group = new PopGroup(1, 10)
  await group.open()
  const { messages } = await group.pop()
  group.machine.proposeDeleteTopic('t')
  t.equal((await group.run(new AckProposal(group.machine, messages))).count, 0, 'already when the deletion is only proposed')
  group.machine.resetOverlay()
  group.machine.applied.forgetTopic('t')
  t.equal(group.machine.isOpen('g', 't', 1), false)
  await group.open()
  await group.pop()
  t.equal((await group.run(new AckProposal(group.machine, messages))).count, 0)
  t.match(group.machine.progressOf('g', 't', 0), { consumerOffset: 0, leasedCount: 10 })
})

t.test('a checkpoint holds everything, and only what has changed', async (t) => {
  const group = new PopGroup(3, 2000)
  await group.open()
  const { messages } = await group.pop({ max: 1500, owner: 'me', attemptId: 'x' })
  const parts = messages.flatMap((range) => [{ ...range, first: range.first + 3, count: 40 }])
  await group.run(new AckProposal(group.machine, parts))
  await group.run(new ReturnProposal(group.machine, messages.map((range) => ({ ...range, count: 2 })), { delayMs: 5 }))
  const saved = new Map(group.machine.freeze().map(({ key, value }) => [key, value!]))
  t.equal(saved.size, 4)
  t.same(group.machine.freeze(), [])
  const loaded = new PopMachine()
  for (const [key, value] of saved) loaded.load(key, value)
  t.same(valuesOf(loaded), valuesOf(group.machine))
  t.same(loaded.freeze(), [])
  await group.run(new AckProposal(group.machine, [messages[0]!]))
  t.equal(group.machine.freeze().length, 1)
  group.machine.clear()
  t.same([...group.machine.values()], [])
})

t.test('bytes of a checkpoint that do not fit are refused', (t) => {
  const machine = new PopMachine()
  t.throws(() => machine.load('queue/0000000000000001', Uint8Array.of(9, 1, 2)), { code: 'MQ_FORMAT_TOO_NEW' })
  t.throws(() => machine.load('queue/0000000000000001', Uint8Array.of(1, 1, 2)), { code: 'MQ_CORRUPT' })
  t.end()
})
