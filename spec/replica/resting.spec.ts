import t from 'tap'
import { groupReplicaSettings } from '../../lib/group/index.ts'
import { Members, type Member } from './members.ts'

const settings = groupReplicaSettings
const restMs = settings.restTicks * settings.tickMs
/** Time-outs are whole ticks, and count from when the leader was last heard. */
const earliestMs = (settings.electionTicks - 1) * settings.tickMs - settings.heartbeatTicks * settings.tickMs
const latestMs = 2 * settings.electionTicks * settings.tickMs

async function startedMembers (): Promise<{ members: Members, leader: Member }> {
  const members = new Members([1, 2, 3])
  for (const id of members.founders) await members.open(id, members.disk(), { settings })
  return { members, leader: await members.untilLeader() }
}

t.test('nodes that hear of their leader look up from rest seldom, and elect nobody', async (t) => {
  const { members, leader } = await startedMembers()
  await members.clock.advance(2000)
  const { term } = leader.replica.status()
  const setTimer = members.clock.setTimer.bind(members.clock)
  let ticks = 0
  members.clock.setTimer = (ms, act) => {
    if (ms % settings.tickMs === 0) ticks++
    return setTimer(ms, act)
  }
  await members.clock.advance(10_000)
  t.ok(ticks <= 3 * (10_000 / restMs + 1), `${ticks} timers in ten seconds`)
  t.equal(members.leader?.replica.status().term, term)
  await members.closeAll()
})

t.test('a leader that is gone is missed within the time-outs, wherever the others were in their rest', async (t) => {
  for (let phaseMs = 0; phaseMs < restMs; phaseMs += 30) {
    const { members, leader } = await startedMembers()
    await members.clock.advance(1000 + phaseMs)
    const { term } = leader.replica.status()
    const goneMs = members.clock.nowMs()
    members.network.isolate(leader.id, members.founders)
    const others = [...members.members.values()].filter((member) => member !== leader)
    await members.clock.runUntil(() => others.some(({ replica }) => replica.status().isLeading), { maxMs: 10_000 })
    const tookMs = members.clock.nowMs() - goneMs
    const terms = others.find(({ replica }) => replica.status().isLeading)!.replica.status().term - term
    t.ok(tookMs >= earliestMs && tookMs <= terms * latestMs + 50, `${tookMs} ms, ${terms} terms`)
    members.network.heal()
    await members.closeAll()
  }
})
