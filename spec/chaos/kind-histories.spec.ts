import t from 'tap'
import type { StampedRead } from '../cluster/read-back.ts'
import { DedupeHistory } from './dedupe-history.ts'
import { DelayHistory } from './delay-history.ts'
import { TransactionHistory } from './transaction-history.ts'

/** Judges are shown histories: what happened, in order, one word each, and what is stored in the queues 0 and 1, each message as `id` or `id@offset`. */
type Story = readonly [events: string, stored: string, stored1?: string]
type Bad = readonly [what: RegExp, ...Story]

interface Judge {
  given (read: StampedRead): void
  check (queues: StampedRead[][]): string[]
}

/** Delivered at 100, unless it says another time: `a~90`. */
function reads (text: string, queueId: number): StampedRead[] {
  return text.split(' ').filter((word) => word !== '').map((word, i) => {
    const [, id, offset = i, stamp = 100] = /^([\w/]+)(?:@(\d+))?(?:~(\d+))?$/.exec(word)!
    return { queueId, queueOffset: Number(offset), id: id!, storeTimestampMs: Number(stamp) }
  })
}

const words = (events: string): string[] => events.split(' ').filter((word) => word !== '')

/** `<a@0` is given to a consumer from queue 0; `tell` knows the other words. */
function problemsOf<J extends Judge> (judge: J, tell: (judge: J, what: string, id: string, more: string | undefined) => void, [events, stored, stored1 = '']: Story): string[] {
  for (const event of words(events)) {
    if (event.startsWith('<')) judge.given(reads(event.slice(1), 0)[0]!)
    else {
      const [, what, id, more] = /^([^\w]+)([\w/]+)(?:@(\w+))?$/.exec(event)!
      tell(judge, what!, id!, more)
    }
  }
  return judge.check([reads(stored, 0), reads(stored1, 1)])
}

/** `>a@50` is sent to queue 0 for 50, `>>a` for a time that only the broker knows; `+a@60` stored, due at 60; `-a` not; `?a` unknown; `!>a` to be recalled, `!+a` confirmed, `!-a` refused. */
function delayed (judge: DelayHistory, what: string, id: string, more: string | undefined): void {
  switch (what) {
    case '>': judge.sending(id, 0, Number(more)); break
    case '>>': judge.sending(id, 0, -Infinity); break
    case '+': judge.stored(id, Number(more)); break
    case '-': judge.notStored(id); break
    case '?': judge.unknown(); break
    case '!>': judge.recalling(id); break
    case '!+': judge.recalled(id); break
    default: judge.notRecalled(id)
  }
}

/** `>a` is prepared in queue 0, `+a` confirmed, `-a` not stored, `?a` unknown; `*a@c` to be committed, `*a@r` rolled back, `=a` that was confirmed; `!a` it was ended otherwise, `/a` not found. */
function transactional (judge: TransactionHistory, what: string, id: string, more: string | undefined): void {
  switch (what) {
    case '>': judge.preparing(id, 0); break
    case '+': judge.prepared(id); break
    case '-': judge.notPrepared(id); break
    case '?': judge.unknown(); break
    case '*': judge.deciding(id, more === 'c' ? 'commit' : 'rollback'); break
    case '=': judge.ended(id); break
    case '!': judge.endedOtherwise(id); break
    default: judge.refused(id, 'not found')
  }
}

/** `>a/1` is sent to queue 0, `+a/1@0` confirmed at offset 0 of it, `++a/1@0` of queue 1, `-a/1` not stored, `?a/1` unknown. */
function once (judge: DedupeHistory, what: string, id: string, more: string | undefined): void {
  switch (what) {
    case '>': judge.sending(id, 0); break
    case '+': judge.stored(id, 0, Number(more)); break
    case '++': judge.stored(id, 1, Number(more)); break
    case '-': judge.notStored(id); break
    default: judge.unknown()
  }
}

const families = [
  {
    name: 'messages for a later time',
    problems: (story: Story) => problemsOf(new DelayHistory(), delayed, story),
    good: [
      ['', ''],
      ['>a@50 +a@50', 'a'],
      ['>a@100 +a@100 <a@0', 'a'],
      ['>a@50 +a@50 >b@60 +b@60', 'b a'],
      ['>a@50 ?a', ''],
      ['>a@50 ?a', 'a'],
      ['>a@50 -a', ''],
      ['>>a +a@90', 'a~90'],
      ['>>a ?a', 'a~1'],
      ['>a@50 +a@50 !>a !+a', ''],
      ['>a@50 +a@50 !>a', ''],
      ['>a@50 +a@50 !>a', 'a'],
      ['>a@50 +a@50 !>a !-a', 'a']
    ],
    bad: [
      [/was to come at 50, and is not there/, '>a@50 +a@50', ''],
      [/is not there/, '>a@50 +a@50 >b@60 +b@60', 'a'],
      [/is not there/, '>a@50 +a@50 !>a !-a', ''],
      [/there twice/, '>a@50 +a@50', 'a a'],
      [/there twice/, '>a@50 +a@50', 'a', 'a'],
      [/there twice/, '>a@50 ?a', 'a a'],
      [/1 ms early/, '>a@101 +a@101', 'a'],
      [/20 ms early/, '>a@120 ?a', 'a'],
      [/5 ms early/, '>>a +a@95', 'a~90'],
      [/was recalled/, '>a@50 +a@50 !>a !+a', 'a'],
      [/was recalled/, '>a@50 +a@50 >b@60 +b@60 !>b !+b', 'a b'],
      [/there is nothing/, '>a@50 +a@50 <a@0 !>a !+a', ''],
      [/sent to queue 0/, '>a@50 +a@50', '', 'a'],
      [/sent to queue 0/, '>a@50 ?a', '', 'a'],
      [/sent to queue 0/, '>a@50 +a@50 !>a', '', 'a'],
      [/answered as not stored/, '>a@50 -a', 'a'],
      [/answered as not stored/, '>a@50 -a >b@60 +b@60', 'b a'],
      [/nobody sent/, '', 'x'],
      [/gap/, '>a@50 +a@50', 'a@1'],
      [/was given a at 0\/0, there is nothing/, '>a@50 ?a <a@0', ''],
      [/there is b/, '>a@50 ?a >b@60 +b@60 <a@0', 'b'],
      [/given as a and as b/, '>a@50 +a@50 >b@60 ?b <a@0 <b@0', 'a']
    ]
  },
  {
    name: 'transactions',
    problems: (story: Story) => problemsOf(new TransactionHistory(), transactional, story),
    good: [
      ['', ''],
      ['>a +a *a@c =a', 'a'],
      ['>a +a *a@c =a <a@0', 'a'],
      ['>a +a *a@c <a@0 =a =a', 'a'],
      ['>a +a *a@r =a', ''],
      ['>a -a', ''],
      ['>a ?a', ''],
      ['>a ?a *a@c', ''],
      ['>a ?a *a@c', 'a'],
      ['>a ?a +a *a@c =a', 'a'],
      ['>a +a >b +b *b@c =b <b@0 *a@c =a', 'b a'],
      ['>a +a *a@c >b +b *b@c =b =a', 'b a']
    ],
    bad: [
      [/was committed, and is not there/, '>a +a *a@c =a', ''],
      [/is not there/, '>a +a *a@c =a >b +b *b@c =b', 'b'],
      [/is not there/, '>a ?a +a *a@c =a', ''],
      [/there twice/, '>a +a *a@c =a', 'a a'],
      [/there twice/, '>a +a *a@c =a', 'a', 'a'],
      [/there twice/, '>a ?a *a@c', 'a a'],
      [/nobody has committed/, '>a +a', 'a'],
      [/nobody has committed/, '>a ?a', 'a'],
      [/was given at 0\/0, and nobody has committed/, '>a +a <a@0 *a@c =a', 'a'],
      [/not to be committed when 0 was there/, '>a +a >b +b *b@c =b <b@0 *a@c =a', 'a b'],
      [/not to be committed when 1/, '>c ?c >a +a >b +b *b@c =b <b@1 *c@c *a@c =a', 'a b c'],
      [/rolled back/, '>a +a *a@r =a', 'a'],
      [/rolled back/, '>a +a *a@r', 'a'],
      [/rolled back/, '>a +a *a@r =a <a@0', ''],
      [/ended by commit, and then otherwise/, '>a +a *a@c =a !a', 'a'],
      [/ended by rollback, and then otherwise/, '>a +a *a@r =a !a', ''],
      [/then otherwise/, '>a ?a +a *a@c =a !a', ''],
      [/never ended/, '>a +a', ''],
      [/never ended/, '>a +a *a@c', 'a'],
      [/never ended/, '>a ?a +a', ''],
      [/to be ended by commit: not found/, '>a +a *a@c /a', ''],
      [/answered as not stored/, '>a -a *a@c', 'a'],
      [/producer is asked/, '>a -a +a *a@r =a', ''],
      [/producer was asked/, '>a +a -a *a@r =a', ''],
      [/sent to queue 0/, '>a +a *a@c =a', '', 'a'],
      [/nobody sent/, '', 'x']
    ]
  },
  {
    name: 'messages that are sent again',
    problems: (story: Story) => problemsOf(new DedupeHistory(), once, story),
    good: [
      ['', ''],
      ['>a/1 +a/1@0', 'a/1'],
      ['>a/1 +a/1@0 >a/1 +a/1@0', 'a/1'],
      ['>a/1 ?a/1 >a/1 +a/1@0', 'a/1'],
      ['>a/1 ?a/1', ''],
      ['>a/1 ?a/1', 'a/1'],
      ['>a/1 -a/1 >a/1 +a/1@0', 'a/1'],
      ['>a/1 -a/1', ''],
      ['>a/1 +a/1@0 >b/7 +b/7@1 >a/2 +a/2@2', 'a/1 b/7 a/2'],
      ['>a/1 +a/1@0 >a/1 ?a/1 >a/2 +a/2@1 <a/1@0', 'a/1 a/2']
    ],
    bad: [
      [/there twice/, '>a/1 +a/1@0', 'a/1 a/1'],
      [/there twice/, '>a/1 ?a/1 >a/1 +a/1@1', 'a/1 a/1'],
      [/there twice/, '>a/1 ?a/1 >a/1 ?a/1', 'a/1 a/1'],
      [/there twice/, '>a/1 +a/1@0 >a/1 ?a/1', 'a/1', 'a/1'],
      [/confirmed at 0\/0, and then at 0\/1/, '>a/1 +a/1@0 >a/1 +a/1@1', 'a/1'],
      [/and then at 0\/0/, '>a/1 +a/1@1 >a/1 +a/1@0', 'a/1'],
      [/and then at 1\/0/, '>a/1 +a/1@0 >a/1 ++a/1@0', 'a/1'],
      [/confirmed at 0\/0, there is nothing/, '>a/1 +a/1@0', ''],
      [/there is b\/1/, '>a/1 +a/1@0 >b/1 ?b/1', 'b/1'],
      [/there is nothing/, '>a/1 +a/1@0 >a/2 +a/2@1', 'a/1'],
      [/a\/1, behind a\/2/, '>a/1 ?a/1 >a/2 +a/2@0', 'a/2 a/1'],
      [/behind a\/2/, '>a/1 ?a/1 >b/1 +b/1@1 >a/2 +a/2@0', 'a/2 b/1 a/1'],
      [/behind a\/3/, '>a/1 +a/1@0 >a/2 ?a/2 >a/3 +a/3@1', 'a/1 a/3 a/2'],
      [/answered as not stored/, '>a/1 -a/1', 'a/1'],
      [/answered as not stored/, '>a/1 -a/1 >a/1 -a/1', 'a/1'],
      [/answered as not stored/, '>b/1 +b/1@0 >a/1 -a/1', 'b/1 a/1'],
      [/sent to queue 0/, '>a/1 ++a/1@0', '', 'a/1'],
      [/nobody sent/, '', 'x/1']
    ]
  }
] satisfies ReadonlyArray<{ name: string, problems: (story: Story) => string[], good: readonly Story[], bad: readonly Bad[] }>

for (const { name, problems, good, bad } of families) {
  t.test(`${name}: ${good.length} histories in which all is well, ${bad.length} in which something is wrong`, async (t) => {
    for (const story of good as readonly Story[]) t.same(problems(story), [], story.join(' | '))
    for (const [what, ...story] of bad as readonly Bad[]) t.match(problems(story).join('\n'), what, story.join(' | '))
  })
}
