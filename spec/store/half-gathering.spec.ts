import t from 'tap'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { bodyOf } from '../../lib/log/index.ts'
import { EntryBody, EntryBodyWriter, HIDDEN_TARGET, LOCAL_HOST, type RecordFields } from '../../lib/message/index.ts'
import { halfCost } from '../../lib/store/index.ts'
import { Leader } from './leader.ts'

await loadChecksum()

const topicBytes = new TextEncoder().encode('orders')
const record = (queueId: number): RecordFields => ({
  bodyCrc: 0,
  queueId,
  flag: 0,
  queueOffset: -1,
  physicalOffset: -1,
  sysFlag: 4,
  bornTimestampMs: 0,
  bornHost: LOCAL_HOST,
  storeTimestampMs: 0,
  storeHost: LOCAL_HOST,
  reconsumeTimes: 0,
  preparedTransactionOffset: 0,
  body: Uint8Array.of(1),
  topic: topicBytes,
  properties: new Uint8Array(0)
})
const terms = { producerGroup: 'producers', idHash: 5, checkAtMs: 7, immuneUntilMs: 0 }

async function open () {
  const leader = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv() })
  const { halves, consumeQueues } = leader.store
  return { leader, halves, queue: (queueId: number) => consumeQueues.proposed('orders', queueId), commandsOf: (entry: Parameters<typeof bodyOf>[0]) => new EntryBody(bodyOf(entry)).commands.map(({ type }) => type.toString(16)) }
}

t.test('an entry has one command for all half messages it stores, and one for those it commits in a row; they take no more room than they said', async (t) => {
  const { leader, halves, queue, commandsOf } = await open()
  leader.commit((writer) => { for (let i = 0; i < 6; i++) halves.prepare(writer, record(i % 2), 'orders', 0, 1000, terms) })
  t.equal(halves.pendingCount, 6)
  const entry = leader.seal((writer) => {
    for (let i = 0; i < 4; i++) {
      const before = writer.sizeBytes
      halves.commit(writer, halves.proposed(i)!, queue(i % 2))
      t.ok(writer.sizeBytes - before <= halfCost.commit('orders'))
      const { sizeBytes } = writer
      const hidden = record(0)
      halves.prepare(writer, hidden, 'orders', 0, 1000, terms)
      t.ok(writer.sizeBytes - sizeBytes <= halfCost.prepare('orders', 'producers') + EntryBodyWriter.recordCostBytes(200, 0))
    }
  })
  t.same(commandsOf(entry), ['702', '701'])
  leader.store.apply(entry)
  t.same([halves.pendingCount, halves.nextOffset], [6, 10])
  const first = await leader.units('orders', 0)
  t.equal(first.length, 2)
  t.equal((await leader.units('orders', 1)).length, 2)
  for (let i = 0; i < 4; i++) t.equal((await leader.store.locate(halves.find(6 + i)!.physicalOffset)), undefined, 'what waits is found by nobody')
  t.match(await leader.store.locate(first[1]![0]!), { topic: 'orders', queueId: 0, queueOffset: 1 })
})

t.test('what has an order with a commit comes between: a message of the queue, a check, another end', async (t) => {
  const { leader, halves, queue, commandsOf } = await open()
  leader.commit((writer) => { for (let i = 0; i < 8; i++) halves.prepare(writer, record(0), 'orders', 0, 1000, terms) })
  const entry = leader.commit((writer) => {
    halves.commit(writer, halves.proposed(0)!, queue(0))
    leader.append(writer, 'orders', 0)
    halves.commit(writer, halves.proposed(1)!, queue(0))
    halves.check(writer, [halves.proposed(3)!], 9)
    halves.commit(writer, halves.proposed(3)!, queue(0))
    halves.end(writer, halves.proposed(4)!, 2)
    halves.commit(writer, halves.proposed(2)!, queue(0))
    leader.append(writer, 'orders', 0)
  })
  t.same(commandsOf(entry), ['702', '702', '704', '702', '703', '702'])
  const places = (await leader.units('orders', 0)).map(([position]) => position! >= entry.physicalOffset)
  t.same(places, [false, true, false, false, false, true], 'the units stand in the order of what was decided')
  t.same([halves.pendingCount, halves.outcomeOf(3), halves.outcomeOf(4)], [3, 1, 2])
  t.equal(new EntryBody(bodyOf(entry)).targetOf(0) === HIDDEN_TARGET, false)
})
