import t, { type Test } from 'tap'
import { EMPTY_CONF, changeSimply, defectOf, enterJoint, leaveJoint, nextConfState, type ConfResult, type ConfState } from '../../lib/raft/index.ts'
import { randomFrom } from './random-schedule.ts'
import { formatConf, parseChange } from './scenario-format.ts'

const show = ({ state, error }: ConfResult) => state === undefined ? error : formatConf(state)
const steps = (text: string) => parseChange(text.split(' ').filter(Boolean)).steps

/** Runs lines `operation | expected`: simple, joint, joint-auto, leave. An error leaves the configuration as it is. */
function play (t: Test, start: ConfState, script: ReadonlyArray<readonly [string, string]>): void {
  let conf = start
  for (const [operation, expected] of script) {
    const [verb, ...words] = operation.split(' ')
    const result = verb === 'simple'
      ? changeSimply(conf, steps(words.join(' ')))
      : verb === 'leave' ? leaveJoint(conf) : enterJoint(conf, steps(words.join(' ')), verb === 'joint-auto')
    t.equal(show(result), expected, operation)
    conf = result.state ?? conf
    t.equal(defectOf(conf), undefined)
  }
  t.end()
}

const MORE = 'more than one voter changes without a joint configuration'

t.test('simple: doing it twice is doing it once', (t) => play(t, EMPTY_CONF, [
  ['simple v1', 'voters=(1)'],
  ['simple v1', 'voters=(1)'],
  ['simple v2', 'voters=(1 2)'],
  ['simple l1', 'voters=(2) learners=(1)'],
  ['simple l1', 'voters=(2) learners=(1)'],
  ['simple r1', 'voters=(2)'],
  ['simple r1', 'voters=(2)'],
  ['simple v3', 'voters=(2 3)'],
  ['simple r3', 'voters=(2)'],
  ['simple r4', 'voters=(2)']
]))

t.test('simple: promotion and demotion, also to and fro in one change', (t) => play(t, EMPTY_CONF, [
  ['simple v1', 'voters=(1)'],
  ['simple v2', 'voters=(1 2)'],
  ['simple v3', 'voters=(1 2 3)'],
  ['simple l1 v1', 'voters=(1 2 3)'],
  ['simple l2', 'voters=(1 3) learners=(2)'],
  ['simple v2 l2', 'voters=(1 3) learners=(2)'],
  ['simple v2', 'voters=(1 2 3)']
]))

t.test('simple: at most one voter changes, any number of learners, and a voter is left', (t) => play(t, EMPTY_CONF, [
  ['simple l1', 'no voter would be left'],
  ['simple v1', 'voters=(1)'],
  ['simple v2 l3', 'voters=(1 2) learners=(3)'],
  ['simple r1 v5', MORE],
  ['simple r1 r2', 'no voter would be left'],
  ['simple v3 v4', MORE],
  ['simple l1 v5', MORE],
  ['simple l1 l2', 'no voter would be left'],
  ['simple l2 l3 l4 l5', 'voters=(1) learners=(2 3 4 5)'],
  ['simple r1', 'no voter would be left'],
  ['simple r2 r3 r4 r5', 'voters=(1)']
]))

t.test('the first configuration follows none, so it may have any voters', (t) => play(t, EMPTY_CONF, [
  ['joint v1', 'a configuration without voters cannot become joint'],
  ['leave', 'the configuration is not joint'],
  ['simple v1 v2 v3 l4', 'voters=(1 2 3) learners=(4)']
]))

t.test('joint: entered once, left once, nothing else meanwhile', (t) => play(t, EMPTY_CONF, [
  ['simple v1', 'voters=(1)'],
  ['leave', 'the configuration is not joint'],
  ['joint', 'voters=(1)&&(1)'],
  ['joint', 'the configuration is joint already'],
  ['leave', 'voters=(1)'],
  ['leave', 'the configuration is not joint'],
  ['joint r1 v2 v3 l4', 'voters=(2 3)&&(1) learners=(4)'],
  ['joint', 'the configuration is joint already'],
  ['joint v12', 'the configuration is joint already'],
  ['simple l15', 'the configuration is joint; it must be left first'],
  ['leave', 'voters=(2 3) learners=(4)'],
  ['simple l9', 'voters=(2 3) learners=(4 9)']
]))

t.test('joint: to be left by itself', (t) => play(t, EMPTY_CONF, [
  ['simple v1', 'voters=(1)'],
  ['joint-auto v2 v3', 'voters=(1 2 3)&&(1) autoLeave'],
  ['joint', 'the configuration is joint already'],
  ['leave', 'voters=(1 2 3)']
]))

t.test('joint: doing things twice, in one change', (t) => play(t, EMPTY_CONF, [
  ['simple v1', 'voters=(1)'],
  ['joint r1 r2 r9 v2 v3 v4 v2 v3 v4 l2 l2 r4 r4 l1 l1', 'voters=(3)&&(1) learners=(2) learnersNext=(1)'],
  ['leave', 'voters=(3) learners=(1 2)']
]))

t.test('joint: a voter that is demoted stays an outgoing voter, and becomes a learner at the end', (t) => play(t, EMPTY_CONF, [
  ['simple v1', 'voters=(1)'],
  ['joint v2 l1', 'voters=(2)&&(1) learnersNext=(1)'],
  ['leave', 'voters=(2) learners=(1)']
]))

t.test('ids', (t) => play(t, EMPTY_CONF, [
  ['simple v0', '0 is no node id'],
  ['simple v1 r0', '0 is no node id'],
  ['simple v-1', '-1 is no node id'],
  ['simple v1.5', '1.5 is no node id'],
  ['simple v1', 'voters=(1)']
]))

t.test('the transition asked for', (t) => {
  const three: ConfState = { ...EMPTY_CONF, voters: [1, 2, 3] }
  const next = (text: string) => show(nextConfState(three, parseChange(text.split(' '))))
  t.equal(next('v4'), 'voters=(1 2 3 4)')
  t.equal(next('l4 l5'), 'voters=(1 2 3) learners=(4 5)', 'learners alone need no joint configuration')
  t.equal(next('l3 l5'), 'voters=(1 2) learners=(3 5)')
  t.equal(next('v4 v5'), 'voters=(1 2 3 4 5)&&(1 2 3) autoLeave')
  t.equal(next('r3 v4'), 'voters=(1 2 4)&&(1 2 3) autoLeave')
  t.equal(next('v4 joint-implicit'), 'voters=(1 2 3 4)&&(1 2 3) autoLeave')
  t.equal(next('v4 joint-explicit'), 'voters=(1 2 3 4)&&(1 2 3)')
  t.equal(next('leave'), 'the configuration is not joint')
  t.equal(next('r1 r2 r3'), 'no voter would be left')
  t.end()
})

t.test('a configuration that contradicts itself is told', (t) => {
  t.match(defectOf({ ...EMPTY_CONF, voters: [1], learners: [1] }), /learner and a voter/)
  t.match(defectOf({ ...EMPTY_CONF, voters: [1], votersOutgoing: [2], learners: [2] }), /learner and a voter/)
  t.match(defectOf({ ...EMPTY_CONF, voters: [1], learnersNext: [2] }), /no outgoing voter/)
  t.match(defectOf({ ...EMPTY_CONF, voters: [1], votersOutgoing: [1], learnersNext: [1] }), /incoming voter/)
  t.match(defectOf({ ...EMPTY_CONF, voters: [1], autoLeave: true }), /not joint/)
  t.match(defectOf({ ...EMPTY_CONF, votersOutgoing: [1] }), /without incoming/)
  t.equal(defectOf(EMPTY_CONF), undefined)
  t.end()
})

t.test('any changes: never a contradiction, and a majority before meets one after', (t) => {
  const random = randomFrom(7)
  const below = (limit: number) => Math.floor(random() * limit)
  const majorities = (voters: readonly number[]) => Array.from({ length: 1 << voters.length }, (_, bits) => voters.filter((_, i) => (bits & (1 << i)) !== 0))
    .filter((chosen) => chosen.length * 2 > voters.length)
  const quorums = ({ voters, votersOutgoing }: ConfState) => votersOutgoing.length === 0
    ? majorities(voters)
    : majorities(voters).flatMap((one) => majorities(votersOutgoing).map((other) => [...one, ...other]))
  let checked = 0
  let conf: ConfState = { ...EMPTY_CONF, voters: [1, 2, 3] }
  for (let round = 0; round < 1500; round++) {
    const transition = (['auto', 'joint-implicit', 'joint-explicit'] as const)[below(3)]!
    const change = random() < 0.4
      ? { transition, steps: [] }
      : { transition, steps: Array.from({ length: 1 + below(3) }, () => ({ type: (['addVoter', 'addLearner', 'remove'] as const)[below(3)]!, id: 1 + below(6) })) }
    const before = conf
    const { state } = nextConfState(before, change)
    if (state === undefined) continue
    conf = state
    const defect = defectOf(conf)
    if (defect !== undefined) t.fail(`${formatConf(conf)}: ${defect}`)
    const apart = quorums(before).find((one) => quorums(conf).some((other) => !other.some((id) => one.includes(id))))
    if (apart !== undefined) t.fail(`${formatConf(before)} -> ${formatConf(conf)}: ${apart} decides alone`)
    checked++
  }
  t.ok(checked > 500, `${checked} changes`)
  t.end()
})
