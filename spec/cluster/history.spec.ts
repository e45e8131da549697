import t from 'tap'
import { History, type Read } from './history.ts'

/**
 * What happened, in order: `>a` is sent, `+a@0` confirmed at offset 0, `-a` answered as not stored, `?a` of unknown outcome,
 * `<a@0` given to a consumer; then what is stored. All in queue 0, or in queue 1 after `1:`.
 */
function problemsOf (events: string, stored: string, stored1 = ''): string[] {
  const history = new History()
  for (const event of events.split(' ').filter((text) => text !== '')) {
    const [, queue, what, id, offset] = /^(1:)?([>+\-?<])(\w+)(?:@(\d+))?$/.exec(event)!
    const queueId = queue === undefined ? 0 : 1
    if (what === '>') history.sending(id!, queueId)
    else if (what === '+') history.stored(id!, queueId, Number(offset))
    else if (what === '-') history.notStored(id!)
    else if (what === '?') history.unknown(id!)
    else history.given({ queueId, queueOffset: Number(offset), id: id! })
  }
  const reads = (text: string, queueId: number): Read[] => text.split(' ').filter((id) => id !== '').map((item, i) => {
    const [id, queueOffset = i] = item.split('@')
    return { queueId, queueOffset: Number(queueOffset), id: id! }
  })
  return history.check([reads(stored, 0), reads(stored1, 1)])
}

const good: ReadonlyArray<readonly [events: string, stored: string, stored1?: string]> = [
  ['', ''],
  ['>a +a@0', 'a'],
  ['>a +a@0 >b +b@1', 'a b'],
  ['>a >b +b@0 +a@1', 'b a'],
  ['>a -a', ''],
  ['>a ?a', ''],
  ['>a ?a', 'a'],
  ['>a ?a >b +b@0', 'b'],
  ['>a ?a >b +b@1', 'a b'],
  ['>a ?a >b +b@0', 'b a'],
  ['>a >b -b +a@0', 'a'],
  ['>a +a@0 >b ?b >c +c@1', 'a c b'],
  ['>a +a@0 <a@0', 'a'],
  ['>a <a@0 ?a', 'a'],
  ['>a <a@0 +a@0 <a@0', 'a'],
  ['>a +a@0 1:>b 1:+b@0', 'a', 'b'],
  ['>a 1:>b 1:+b@0 +a@0', 'a', 'b'],
  ['>a', 'a'],
  ['>a >b >c +c@0 +a@2 +b@1', 'c b a'],
  ['>a1 ?a1 >a2 ?a2 >a3 +a3@2', 'a2 a1 a3']
]
const bad: ReadonlyArray<readonly [what: RegExp, events: string, stored: string, stored1?: string]> = [
  [/there is nothing/, '>a +a@0', ''],
  [/there is nothing/, '>a +a@0 >b +b@1', 'a'],
  [/a was confirmed at 0\/0, there is b/, '>a +a@0 >b +b@1', 'b a'],
  [/there is b/, '>a +a@0 >b ?b', 'b'],
  [/nobody sent/, '', 'x'],
  [/nobody sent/, '>a +a@0', 'a x'],
  [/confirmed elsewhere/, '>a +a@1', 'a'],
  [/not stored/, '>a -a', 'a'],
  [/not stored/, '>a -a >b +b@1', 'a b'],
  [/not stored/, '>a +a@0 >b -b', 'a b'],
  [/twice/, '>a +a@0', 'a a'],
  [/twice/, '>a ?a', 'a a'],
  [/twice/, '>a ?a', 'a', 'a'],
  [/gap/, '>a +a@0 >b +b@2', 'a b@2'],
  [/gap/, '>a +a@1', 'a@1'],
  [/both confirmed at 0\/0/, '>a +a@0 >b +b@0', 'a'],
  [/b is at 0\/0, and was sent when 1/, '>c >a +c@0 +a@1 >b +b@0', 'c a'],
  [/sent when 1 was confirmed/, '>a >c +a@1 >b ?b +c@2', 'b a c'],
  [/sent when 1 was confirmed/, '>a +a@0 >b +b@1 >c ?c', 'a c@0 b@1'],
  [/a consumer was given a at 0\/0, there is nothing/, '>a <a@0 ?a', ''],
  [/a consumer was given a at 0\/0, there is b/, '>a <a@0 ?a >b +b@0', 'b'],
  [/was given as a and as b/, '>a >b <a@0 <b@0 ?a +b@0', 'b'],
  [/not stored/, '>a <a@0 -a', 'a'],
  [/a consumer was given x/, '<x@0', ''],
  [/there is nothing/, '1:>a 1:+a@0', 'a', '']
]

t.test(`${good.length} histories of a queue in which all is well`, async (t) => {
  for (const [events, stored, stored1] of good) t.same(problemsOf(events, stored, stored1), [], `${events} | ${stored}`)
})

t.test(`${bad.length} histories of a queue in which something is wrong`, async (t) => {
  for (const [what, events, stored, stored1] of bad) t.match(problemsOf(events, stored, stored1).join('\n'), what, `${events} | ${stored}`)
})
