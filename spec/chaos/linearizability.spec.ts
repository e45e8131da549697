import t from 'tap'
import { SeededRandom } from '../support/seeded-random.ts'
import { checkRegisters, type RegisterCall } from './linearizability.ts'

/** `w1 0-10`: a write of 1 from 0 to 10; `r- 5-6`: a read that gave nothing; `w2 3-?`: of unknown outcome; `b:w1 0-1`: of register b. */
function history (text: string): RegisterCall[] {
  return text.split(', ').map((call) => {
    const [, key = 'a', kind, value, from, to] = /^(?:(\w):)?([wr])(\d|-) (\d+)-(\d+|\?)$/.exec(call)!
    return { key, kind: kind === 'w' ? 'write' : 'read', value: value === '-' ? undefined : Number(value), calledAt: Number(from), returnedAt: to === '?' ? Infinity : Number(to) }
  })
}

const good = [
  'r- 0-1',
  'w1 0-1',
  'w1 0-1, r1 2-3',
  'w1 0-10, r- 1-2',
  'w1 0-10, r1 1-2',
  'w1 0-10, r- 1-2, r1 3-4',
  'w1 0-10, w2 0-10, r1 11-12',
  'w1 0-10, w2 0-10, r2 11-12',
  'w1 0-10, w2 5-20, r2 6-7, r2 21-22',
  'w1 0-10, w2 0-10, r1 1-2, r2 3-4',
  'w1 0-1, w2 2-?, r1 3-4',
  'w1 0-1, w2 2-?, r2 3-4',
  'w1 0-1, w2 2-?, r1 3-4, r2 90-91, r2 95-96',
  'w1 0-?, w2 1-?, w3 2-?, r3 5-6, r1 7-8, r2 9-10',
  'w1 0-1, r1 2-?',
  'w1 0-1, r9 2-?',
  'w1 0-1, w2 2-10, r1 3-9, r2 4-5',
  'w1 0-100, w2 0-100, w3 0-100, r3 1-50, r1 51-60, r2 61-99',
  'w1 0-1, b:w2 0-1, r1 2-3, b:r2 2-3',
  'w1 0-1, w2 1-2, r1 1-2',
  'w1 0-10, r1 0-10, r- 0-10, r1 0-10',
  'w0 0-1, r0 2-3'
]
const bad = [
  'r1 0-1',
  'w1 0-1, r- 2-3',
  'w1 0-1, r2 2-3',
  'w1 5-6, r1 0-1',
  'w1 0-1, w2 2-3, r1 4-5',
  'w1 0-10, r1 1-2, r- 3-4',
  'w1 0-1, w2 2-10, r2 3-4, r1 5-6',
  'w1 0-10, w2 0-10, r1 11-12, r2 13-14',
  'w1 0-10, w2 0-10, r- 11-12',
  'w1 0-10, w2 0-10, r1 1-2, r2 3-4, r1 5-6',
  'w1 0-1, w2 2-?, r2 3-4, r1 5-6',
  'w1 5-?, r1 0-1',
  'w1 0-1, w2 10-?, r2 5-6',
  'w1 0-?, w2 1-?, r1 5-6, r2 7-8, r1 9-10',
  'w1 0-1, w2 2-3, w3 4-5, r2 6-7',
  'w1 0-1, w2 2-3, r2 4-5, r1 4-5, r2 6-7',
  'w1 0-1, b:w2 0-1, r2 2-3',
  'w1 0-1, b:w2 0-1, b:r1 2-3',
  'w1 0-1, b:w2 0-1, b:r- 2-3',
  'w1 0-100, w2 0-100, w3 0-100, r3 1-50, r1 51-60, r3 61-99',
  'w1 0-1, w2 2-4, r1 5-6, r2 3-4',
  'w1 0-1, r1 2-3, r- 4-5',
  'w1 0-3, w2 4-9, w3 5-8, r1 10-11',
  'w0 0-1, r- 2-3'
]

t.test(`${good.length} histories of registers that have an order`, async (t) => {
  for (const text of good) t.same(checkRegisters(history(text)), [], text)
})

t.test(`${bad.length} histories of registers that have none`, async (t) => {
  for (const text of bad) t.equal(checkRegisters(history(text)).length, 1, text)
})

t.test('a value written twice is no history to be judged', async (t) => {
  t.throws(() => checkRegisters(history('w1 0-1, w1 2-3')), /written twice/)
})

/** Every order, tried one after the other. */
function hasOrder (calls: readonly RegisterCall[], value?: RegisterCall['value']): boolean {
  if (calls.length === 0) return true
  return calls.some((call, i) => {
    if (calls.some((other) => other.returnedAt < call.calledAt)) return false
    const others = calls.filter((_, at) => at !== i)
    // of unknown outcome: done now, or never
    if (call.returnedAt === Infinity && hasOrder(others, value)) return true
    return call.kind === 'write' ? hasOrder(others, call.value) : call.value === value && hasOrder(others, value)
  })
}

t.test('short histories by chance are judged as by trying every order', async (t) => {
  const random = new SeededRandom(7)
  const below = (n: number): number => Math.floor(random.next() * n)
  const judged = { good: 0, bad: 0 }
  for (let round = 0; round < 4000; round++) {
    const writes = 1 + below(3)
    const calls = Array.from({ length: writes + 1 + below(4) }, (_, i): RegisterCall => {
      const calledAt = below(20)
      const returnedAt = i < writes && below(4) === 0 ? Infinity : calledAt + below(12)
      const value = i < writes ? i : below(6) === 0 ? undefined : below(writes)
      return { key: 'a', kind: i < writes ? 'write' : 'read', value, calledAt, returnedAt }
    })
    const isGood = hasOrder(calls)
    judged[isGood ? 'good' : 'bad']++
    if ((checkRegisters(calls).length === 0) !== isGood) t.fail(`${isGood ? 'has' : 'has no'} order`, { calls })
  }
  t.ok(judged.good > 500 && judged.bad > 500, `${judged.good} good, ${judged.bad} bad`)
})

t.test('ten thousand calls of eight clients are judged in a moment', async (t) => {
  const random = new SeededRandom(3)
  let value: number | undefined
  const events: Array<{ at: number, act: () => void }> = []
  const calls: RegisterCall[] = []
  for (let client = 0; client < 8; client++) {
    for (let i = 0, at = random.next(); i < 1250; i++) {
      const calledAt = at
      const effectAt = calledAt + random.next() * 5
      const returnedAt = effectAt + random.next() * 5
      const id = client * 10_000 + i
      events.push({
        at: effectAt,
        act: () => {
          if (id % 3 === 0) value = id
          calls.push({ key: 'a', kind: id % 3 === 0 ? 'write' : 'read', value: id % 3 === 0 ? id : value, calledAt, returnedAt: id % 30 === 0 ? Infinity : returnedAt })
        }
      })
      at = returnedAt + random.next()
    }
  }
  for (const { act } of events.sort((a, b) => a.at - b.at)) act()
  t.same(checkRegisters(calls), [])
  // an old value, read once more when all is over
  const old = calls.find(({ kind }) => kind === 'write')!
  t.equal(checkRegisters([...calls, { ...old, kind: 'read', calledAt: 1e9, returnedAt: 1e9 + 1 }]).length, 1)
})
