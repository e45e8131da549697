import t from 'tap'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { bodyOf } from '../../lib/log/index.ts'
import { EntryBody } from '../../lib/message/index.ts'
import { delayCost, SCHEDULES_FORMAT } from '../../lib/store/delay-commands.ts'
import { schedule } from './delayed-store.ts'
import { Leader } from './leader.ts'

await loadChecksum()

const TOPICS = ['orders', 'mails', 'räume', 'x'.repeat(255)]
const HOUR_MS = 3_600_000

async function open (format: number): Promise<Leader> {
  const leader = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv() })
  if (format > 1) leader.commit((writer) => { leader.store.raiseFormat(writer, format) })
  return leader
}

function scheduleSome (leader: Leader) {
  const positions: number[] = []
  const entry = leader.commit((writer) => {
    for (let i = 0; i < 40; i++) {
      const topic = TOPICS[i * 7 % TOPICS.length]!
      positions.push(writer.nextPhysicalOffset)
      schedule(leader.store, writer, { topic, queueId: i % 3, body: Uint8Array.of(i), stampMs: 1_700_000_000_000, deliverAtMs: 1_700_000_000_000 + (i * 13 % 40) * 100 * HOUR_MS + 1 })
    }
  })
  return { entry, positions, commands: new EntryBody(bodyOf(entry)).commands.map(({ type }) => type.toString(16)) }
}

t.test('an entry has one command for all that it schedules, once every node knows that one; what waits is the same', async (t) => {
  const single = await open(1)
  const gathered = await open(SCHEDULES_FORMAT)
  t.same(new Set(scheduleSome(single).commands), new Set(['601']))
  const { commands, entry, positions } = scheduleSome(gathered)
  t.same(commands, ['604'])
  const waiting = async (leader: Leader): Promise<unknown> => {
    const found = []
    for await (const { bucket, ordinal, deliverAtMs, topic, queueId, tagsCode, sizeBytes } of leader.store.delays.pendingBelow(Infinity, (error) => { throw error })) found.push([bucket, ordinal, deliverAtMs, topic, queueId, tagsCode, sizeBytes])
    return found
  }
  t.equal(gathered.store.delays.pendingCount, 40)
  t.same(await waiting(gathered), await waiting(single))
  for (const [i, position] of positions.entries()) {
    t.match(await gathered.store.locateAny(position), { physicalOffset: position, schedule: { topic: TOPICS[i * 7 % TOPICS.length], queueId: i % 3, deliverAtMs: 1_700_000_000_000 + (i * 13 % 40) * 100 * HOUR_MS + 1 } })
    t.equal(await gathered.store.locate(position), undefined, 'what waits is found by nobody')
  }
  t.equal(await gathered.store.locateAny(positions[1]! + 1), undefined)
  t.ok(entry.sizeBytes > 0)
})

t.test('they take no more room than they said', async (t) => {
  const leader = await open(SCHEDULES_FORMAT)
  leader.commit((writer) => {
    for (const [i, topic] of [...TOPICS, ...TOPICS].entries()) {
      const { sizeBytes, nextPhysicalOffset } = writer
      schedule(leader.store, writer, { topic, queueId: 0xffff_ffff, body: new Uint8Array(0), stampMs: 1, deliverAtMs: i % 2 === 0 ? 2 : Number.MAX_SAFE_INTEGER - 2 })
      const recordBytes = writer.nextPhysicalOffset - nextPhysicalOffset
      t.ok(writer.sizeBytes - sizeBytes - recordBytes - 10 <= delayCost.schedule(topic), topic)
    }
  })
  t.equal(leader.store.delays.pendingCount, 2 * TOPICS.length)
})
