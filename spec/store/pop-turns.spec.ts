import t from 'tap'
import { PopTurns } from '../../lib/store/pop-turns.ts'
import type { PopQueue } from '../../lib/store/pop-queue.ts'

interface Waiting { queueId: number, minOffset: number, proposedNextOffset: number, nextOffset: number, returnedCount: number }

function topicOf (waiting: readonly number[]): Waiting[] {
  return waiting.map((count, queueId) => ({ queueId, minOffset: 0, proposedNextOffset: count, nextOffset: 0, returnedCount: 0 }))
}

function turn (turns: PopTurns, queues: readonly Waiting[]): number {
  return turns.next(queues, new Map(queues.map((queue) => [queue.queueId, queue as unknown as PopQueue])))
}

t.test('queues of unequal load drain side by side', async (t) => {
  const total = [40_000, 20_000, 8_000, 4_000]
  const queues = topicOf(total)
  const turns = new PopTurns()
  for (let pop = 0; pop < 1000; pop++) {
    const queue = queues[turn(turns, queues)]!
    queue.nextOffset = Math.min(queue.proposedNextOffset, queue.nextOffset + 32)
  }
  const drained = queues.map(({ nextOffset }, i) => nextOffset / total[i]!)
  t.ok(Math.max(...drained) - Math.min(...drained) < 0.1, `parts drained: ${drained.join(', ')}`)
})

t.test('a queue with one message does not wait behind those with a million', async (t) => {
  const queues = topicOf([1_000_000, 1_000_000, 1, 1_000_000])
  const turns = new PopTurns()
  let waited = 0
  while (turn(turns, queues) !== 2) waited++
  t.ok(waited <= 16, `its turn came after ${waited} others`)
})

t.test('a queue that was long the only busy one does not go before others that fill up later', async (t) => {
  const queues = topicOf([1_000_000_000, 0, 0, 0])
  const turns = new PopTurns()
  for (let pop = 0; pop < 20_000; pop++) turn(turns, queues)
  for (const queue of queues) queue.proposedNextOffset = 1_000_000_000
  const counts = [0, 0, 0, 0]
  for (let pop = 0; pop < 100; pop++) counts[turn(turns, queues)]!++
  t.ok(Math.min(...counts) >= 20, `of 100 turns each got: ${counts.join(', ')}`)
})

t.test('where nothing waits, and for a single queue, turns go round', async (t) => {
  const turns = new PopTurns()
  const empty = topicOf([0, 0, 0])
  t.same(new Set(Array.from({ length: 12 }, () => turn(turns, empty))), new Set([0, 1, 2]))
  t.equal(turn(turns, topicOf([5])), 0)
})

t.test('messages that came back count as waiting', async (t) => {
  const queues = topicOf([0, 0, 0])
  queues[1]!.returnedCount = 10
  const turns = new PopTurns()
  const chosen = Array.from({ length: 8 }, () => turn(turns, queues))
  t.ok(chosen.filter((i) => i === 1).length >= 6)
})

t.test('of a hundred pops as many look at the last queue first as are to, spread evenly', (t) => {
  for (const percent of [0, 1, 30, 50, 99, 100]) {
    const turns = new PopTurns()
    const looks = Array.from({ length: 200 }, () => turns.isLastFirst(percent))
    t.equal(looks.filter((look) => look).length, 2 * percent)
    t.equal(looks.slice(0, 50).filter((look) => look).length, Math.floor(percent / 2))
  }
  t.end()
})
