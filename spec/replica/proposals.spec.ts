import t from 'tap'
import { EntryBodyWriter } from '../../lib/message/index.ts'
import type { MqError } from '../../lib/base/index.ts'
import { HeldSyncs } from './held-syncs.ts'
import { Members, type Member } from './members.ts'

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

/** A group of one whose syncs can be held back. */
async function single (settings: object = {}): Promise<{ members: Members, member: Member, syncs: HeldSyncs }> {
  const members = new Members([1])
  const syncs = new HeldSyncs()
  const disk = members.disk()
  const member = await members.open(1, disk, { seenBy: syncs.disk(disk), settings })
  await members.run(member.replica.whenLeader())
  return { members, member, syncs }
}

t.test('a proposal is settled once the sync that covers it has returned', async (t) => {
  const { members, member, syncs } = await single()
  syncs.hold()
  const outcomes = range(0, 5).map((id) => members.submit(member, id))
  await members.clock.advance(60_000)
  t.equal(syncs.waiting, 1)
  t.notOk(outcomes.some(({ done }) => done))
  t.equal(member.machine.count, 0, 'and not applied before')
  const { undecidedProposals, durableIndex, lastIndex } = member.replica.status()
  t.equal(undecidedProposals, 5)
  t.equal(durableIndex, lastIndex - 1, 'sealed into one entry')
  syncs.release()
  await members.clock.runUntil(() => outcomes.every(({ done }) => done))
  t.same(outcomes, range(0, 5).map(() => ({ done: true, error: undefined })))
  t.same(member.machine.ids, range(0, 5))
  await members.closeAll()
})

t.test('outcomes come in the order of submission, over many entries', async (t) => {
  const { members, member } = await single({ maxEntryBytes: 2048 })
  const settled: number[] = []
  for (const id of range(0, 200)) {
    const proposal = id % 7 === 0 ? member.machine.look(() => { settled.push(id) }) : member.machine.add(id, id * 13 % 700, () => { settled.push(id) })
    member.replica.submit(proposal)
    if (id % 40 === 0) await members.clock.settle()
  }
  await members.clock.runUntil(() => settled.length === 200)
  t.same(settled, range(0, 200))
  t.same(member.machine.ids, range(0, 200).filter((id) => id % 7 !== 0))
  t.ok(member.replica.status().lastIndex > 20)
  await members.closeAll()
})

t.test('one that writes nothing rests on what was decided before it', async (t) => {
  const { members, member, syncs } = await single()
  let looks = 0
  member.replica.submit(member.machine.look(() => { looks++ }))
  await members.clock.advance(0)
  t.equal(looks, 1, 'nothing before it: no entry is made for it')
  const { lastIndex } = member.replica.status()
  syncs.hold()
  const added = members.submit(member, 1)
  await members.clock.advance(10)
  member.replica.submit(member.machine.look(() => {
    t.ok(added.done)
    looks++
  }))
  await members.clock.advance(10)
  t.equal(looks, 1)
  syncs.release()
  await members.clock.runUntil(() => looks === 2)
  t.equal(member.replica.status().lastIndex, lastIndex + 1)
  await members.closeAll()
})

t.test('one that throws when it is settled stops the node; the others hear their outcomes all the same', async (t) => {
  const { members, member, syncs } = await single({ maxUndecidedEntries: 1 })
  syncs.hold()
  member.replica.submit({ ...member.machine.add(0, 10, () => {}), settle () { throw new Error('planned') } })
  const sealed = [members.submit(member, 1), members.submit(member, 2)]
  await members.clock.advance(10)
  const unsealed = members.submit(member, 3)
  syncs.release()
  await members.clock.runUntil(() => member.replica.status().state === 'failed')
  t.same(sealed, [1, 2].map(() => ({ done: true, error: undefined })), 'they are applied')
  t.match(unsealed.error, { outcome: 'not-applied' })
  await members.closeAll()
})

t.test('more than maxPendingProposals are refused at once, until earlier ones are settled', async (t) => {
  const { members, member, syncs } = await single({ maxPendingProposals: 10 })
  syncs.hold()
  const sealed = range(0, 6).map((id) => members.submit(member, id))
  await members.clock.advance(10)
  const unsealed = range(6, 10).map((id) => members.submit(member, id))
  const refused = [members.submit(member, 10), members.submit(member, 11)]
  for (const { done, error } of refused) {
    t.ok(done, 'within the call')
    t.match(error, { code: 'MQ_BUSY', outcome: 'not-applied', retryable: true, setting: 'maxPendingProposals', bound: 10 })
  }
  const relieving = { done: false }
  member.replica.submit({ ...member.machine.add(12, 0, () => { relieving.done = true }), relieves: true })
  t.notOk(relieving.done, 'what relieves is taken all the same')
  syncs.release()
  await members.clock.runUntil(() => relieving.done)
  t.ok([...sealed, ...unsealed].every(({ done, error }) => done && error === undefined))
  t.equal(await members.add(member, 13), undefined)
  t.same(member.machine.ids, [...range(0, 10), 12, 13])
  await members.closeAll()
})

t.test('more than maxPendingBytes are refused at once, and so is what could never fit', async (t) => {
  const costBytes = EntryBodyWriter.commandCostBytes(8 + 1000)
  const { members, member, syncs } = await single({ maxPendingBytes: 4 * costBytes })
  syncs.hold()
  const taken = range(0, 4).map((id) => members.submit(member, id, 1000))
  const refused = members.submit(member, 4, 0)
  t.match(refused.error, { code: 'MQ_BUSY', setting: 'maxPendingBytes', bound: 4 * costBytes })
  await members.clock.advance(10)
  t.match(members.submit(member, 5, 0).error, { code: 'MQ_BUSY' }, 'sealed bytes count too')
  t.match(members.submit(member, 6, 5 * costBytes).error, { code: 'MQ_MESSAGE_TOO_LARGE', retryable: false, limitBytes: 4 * costBytes })
  syncs.release()
  await members.clock.runUntil(() => taken.every(({ done }) => done))
  t.equal(await members.add(member, 7, 1000), undefined)
  t.same(member.machine.ids, [0, 1, 2, 3, 7])
  await members.closeAll()
})

t.test('what waits for the disk is bounded in entries; the rest waits unsealed and is sealed together', async (t) => {
  const { members, member, syncs } = await single({ maxUndecidedEntries: 2 })
  syncs.hold()
  const outcomes: Array<{ done: boolean }> = []
  for (const id of range(0, 10)) {
    outcomes.push(members.submit(member, id))
    await members.clock.advance(1)
  }
  const { lastIndex, pendingProposals, undecidedProposals } = member.replica.status()
  t.same({ pendingProposals, undecidedProposals }, { pendingProposals: 8, undecidedProposals: 2 })
  syncs.release()
  await members.clock.runUntil(() => outcomes.every(({ done }) => done))
  t.equal(member.replica.status().lastIndex, lastIndex + 1)
  t.same(member.machine.ids, range(0, 10))
  await members.closeAll()
})

t.test('a proposal larger than an entry of ordinary size gets one of its own', async (t) => {
  const { members, member } = await single({ maxEntryBytes: 1024 })
  const sizes = [10, 5000, 10, 900, 900]
  const outcomes = sizes.map((size, id) => members.submit(member, id, size))
  await members.clock.runUntil(() => outcomes.every(({ done }) => done))
  t.same(outcomes.map(({ error }) => error), sizes.map(() => undefined))
  t.same(member.machine.ids, range(0, 5))
  await members.closeAll()
})

t.test('close settles what was taken, refuses what comes later, and leaves nothing to replay', async (t) => {
  const { members, member, syncs } = await single()
  syncs.hold()
  const taken = range(0, 20).map((id) => members.submit(member, id))
  const closing = member.replica.close()
  const late = members.submit(member, 20)
  t.match(late.error, { code: 'MQ_CLOSED', outcome: 'not-applied' })
  await t.rejects(member.replica.readBarrier(), { code: 'MQ_CLOSED' })
  await members.clock.advance(100)
  t.notOk(taken.some(({ done }) => done))
  syncs.release()
  await members.run(closing)
  t.ok(taken.every(({ done, error }) => done && error === undefined))
  t.equal(member.replica.close(), closing, 'closing twice is closing once')
  t.ok(member.machine.closed)
  t.equal(member.disk.openHandles, 0)
  const again = await members.open(1, member.disk)
  t.equal(again.machine.checkpointedIndex, member.machine.appliedIndex)
  t.equal(again.machine.count, 20)
  await members.closeAll()
})

t.test('close does not wait for ever: what is not decided in time has an unknown outcome', async (t) => {
  const { members, member, syncs } = await single({ closeTimeoutMs: 300 })
  syncs.hold()
  const [sealed] = [members.submit(member, 0)]
  await members.clock.advance(1)
  const closing = member.replica.close()
  await members.clock.advance(301)
  t.match(sealed.error as MqError, { code: 'MQ_CLOSED', outcome: 'unknown' })
  syncs.release()
  await members.run(closing)
  t.equal(member.disk.openHandles, 0)
  await members.closeAll()
})
