import t from 'tap'
import { groupReplicaSettings } from '../../lib/group/index.ts'
import { Members, type Member } from './members.ts'

/** When another one leads that nobody has waited for. */
const AT_ONCE_MS = 50
const STEP_MS = 100
const earliestTimeOutMs = groupReplicaSettings.electionTicks * groupReplicaSettings.tickMs

/** A leader that has led for a while; the others are as far as it is. */
async function started (count = 3): Promise<{ members: Members, leader: Member, others: Member[], term: number }> {
  const members = new Members(Array.from({ length: count }, (_, i) => i + 1))
  for (const id of members.founders) await members.open(id, members.disk(), { settings: groupReplicaSettings })
  const leader = await members.untilLeader()
  await members.add(leader, 1)
  await members.clock.advance(1000)
  return { members, leader, others: [...members.members.values()].filter((member) => member !== leader), term: leader.replica.status().term }
}

/** Its process ends, and those see it. */
function end (members: Members, { id }: Member, seenBy: readonly Member[]): void {
  members.network.isolate(id, members.founders)
  for (const other of seenBy) members.network.tell(other.id, id, 'gone')
}

/** Time until one of them leads. */
async function untilLedBy (members: Members, candidates: readonly Member[]): Promise<{ tookMs: number, next: Member }> {
  const sinceMs = members.clock.nowMs()
  const next = (): Member | undefined => candidates.find(({ replica }) => replica.status().isLeading)
  if (!await members.clock.runUntil(() => next() !== undefined, { maxMs: 20_000 })) throw new Error('nobody leads')
  return { tookMs: members.clock.nowMs() - sinceMs, next: next()! }
}

const termOf = ({ replica }: Member): number => replica.status().term

for (const count of [3, 5]) {
  t.test(`of ${count}: a leader whose process has ended is succeeded at once, in one election`, async (t) => {
    const { members, leader, others, term } = await started(count)
    end(members, leader, others)
    const { tookMs, next } = await untilLedBy(members, others)
    t.ok(tookMs < AT_ONCE_MS, `${tookMs} ms`)
    t.equal(termOf(next), term + 1)
    t.equal(await members.add(next, 2), undefined)
    members.network.heal()
    await members.clock.advance(2000)
    t.same(others.map(termOf), others.map(() => term + 1), 'the others stand back')
    await members.closeAll()
  })
}

t.test('the next one steps in where the log of the first does not do', async (t) => {
  const { members, leader, others, term } = await started()
  const [first, second] = others as [Member, Member]
  members.network.isolate(first.id, members.founders)
  t.equal(await members.add(leader, 2), undefined)
  members.network.heal()
  end(members, leader, others)
  const { tookMs, next } = await untilLedBy(members, others)
  t.equal(next, second)
  t.ok(tookMs > STEP_MS && tookMs < STEP_MS + AT_ONCE_MS, `${tookMs} ms`)
  t.equal(termOf(next), term + 1)
  await members.closeAll()
})

t.test('a leader that only one of two has lost sight of stays, and the group goes on in its term', async (t) => {
  const { members, leader, others, term } = await started()
  const [wrong] = others as [Member]
  for (let run = 0; run < 5; run++) {
    for (const event of ['broken', 'cut', 'gone'] as const) members.network.tell(wrong.id, leader.id, event)
    t.equal(await members.add(leader, 2 + run), undefined)
    await members.clock.advance(groupReplicaSettings.heartbeatTicks * groupReplicaSettings.tickMs * run / 3)
  }
  await members.clock.advance(1000)
  t.ok(leader.replica.status().isLeading)
  t.same([leader, ...others].map(termOf), [term, term, term])
  t.equal(wrong.replica.role.leaderId, leader.id)
  await members.closeAll()
})

t.test('a leader that only made its links anew, to all, stays', async (t) => {
  const { members, leader, others, term } = await started()
  for (const { id } of others) {
    for (const event of ['broken', 'cut', 'gone'] as const) members.network.tell(id, leader.id, event)
    members.network.tell(id, leader.id, 'back')
  }
  await members.clock.advance(1000)
  t.ok(leader.replica.status().isLeading)
  t.same([leader, ...others].map(termOf), [term, term, term])
  await members.closeAll()
})

t.test('a machine that is gone without a word is missed by the time-outs', async (t) => {
  const { members, leader, others } = await started()
  end(members, leader, [])
  const { tookMs } = await untilLedBy(members, others)
  t.ok(tookMs > earliestTimeOutMs / 2 && tookMs < 2.5 * earliestTimeOutMs, `${tookMs} ms`)
  await members.closeAll()
})

t.test('entries that were lost with a link are sent again as soon as there is another one', async (t) => {
  const { members, leader, others } = await started()
  const [cut] = others as [Member]
  members.network.cut(leader.id, cut.id)
  t.equal(await members.add(leader, 2), undefined)
  members.network.tell(leader.id, cut.id, 'broken')
  t.equal(await members.add(leader, 3), undefined)
  members.network.heal()
  members.network.tell(leader.id, cut.id, 'back')
  const sinceMs = members.clock.nowMs()
  await members.clock.runUntil(() => cut.replica.status().lastIndex === leader.replica.status().lastIndex)
  t.ok(members.clock.nowMs() - sinceMs < groupReplicaSettings.tickMs, `${members.clock.nowMs() - sinceMs} ms`)
  await members.closeAll()
})
