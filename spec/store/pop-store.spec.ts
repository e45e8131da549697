import t from 'tap'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { AckProposal, DeadLetterProposal, ExpireProposal, OpenProposal, PopMachine, PopProposal, type PopResult } from '../../lib/store/index.ts'
import { RecordView } from '../../lib/message/index.ts'
import type { PopDecision } from '../../lib/store/pop-decision.ts'
import { Leader, MemoryLog } from './leader.ts'

await loadChecksum()

/** A store with a pop machine over a log, a disk and a database that outlive it. */
async function world () {
  const options = { disk: new MemoryDisk(), database: new MemoryKv(), log: new MemoryLog() }
  const open = async () => {
    const leader = await Leader.open({ ...options, machines: () => [new PopMachine()] })
    const machine = leader.store.machine('pop') as PopMachine
    const run = async <T>(proposal: PopDecision<T>, stampMs = 1000): Promise<T> => {
      leader.commit((writer) => { proposal.decide(writer, stampMs) }, { stampMs })
      proposal.settle()
      return await proposal.done
    }
    const sources = () => [0, 1].map((queueId) => leader.store.consumeQueues.proposed('jobs', queueId))
    const pop = async (max: number): Promise<PopResult> => await run(new PopProposal(machine, { group: 'g', topic: 'jobs', sources: sources(), max, invisibleMs: 100 }))
    return { leader, store: leader.store, machine, run, sources, pop }
  }
  return { ...options, open }
}

t.test('a pop takes messages of its own entry, and dead letters are stored by it', async (t) => {
  const { leader, machine, store, run, sources } = await (await world()).open()
  await run(new OpenProposal(machine, { group: 'g', topic: 'jobs', sources: sources(), start: 'first' }))
  const proposal = new PopProposal(machine, { group: 'g', topic: 'jobs', sources: sources(), max: 10, invisibleMs: 100 })
  const entry = leader.commit((writer) => {
    for (let i = 0; i < 3; i++) leader.append(writer, 'jobs', 0, { body: `body ${i}` })
    proposal.decide(writer, 1000)
  })
  proposal.settle()
  const { messages } = await proposal.done
  t.match(messages, [{ queueId: 0, first: 0, count: 3, attempts: 1 }])

  const [position, size] = (await leader.units('jobs'))[1]!
  const record = new RecordView(entry.bytes.slice(position! - entry.physicalOffset, position! - entry.physicalOffset + size!))
  const dead = await run(new DeadLetterProposal(machine, { ...messages[0]!, first: 1, count: 1 }, record, store.consumeQueues.proposed('%DLQ%g', 0), { attempts: 16 }))
  t.same(dead, { moved: true, hasTarget: true, queueOffset: 0 })
  const units = await leader.units('%DLQ%g')
  t.equal(units.length, 1)
  const last = leader.log.entries.at(-1)!
  const copy = new RecordView(last.bytes.slice(units[0]![0]! - last.physicalOffset, units[0]![0]! - last.physicalOffset + units[0]![1]!))
  t.equal(Buffer.from(copy.body).toString(), 'body 1')
  t.equal(machine.progressOf('g', 'jobs', 0)!.leasedCount, 2)
})

t.test('leases survive a restart, with and without a checkpoint, and a lost state', async (t) => {
  const { open, disk, log } = await world()
  const first = await open()
  for (let i = 0; i < 40; i++) first.leader.send('jobs', i % 2)
  await first.run(new OpenProposal(first.machine, { group: 'g', topic: 'jobs', sources: first.sources(), start: 'first' }))
  const { messages } = await first.pop(30)
  await first.run(new AckProposal(first.machine, [{ ...messages[0]!, count: 5 }]))
  await first.store.checkpoint()
  const later = await first.pop(4)
  await first.run(new AckProposal(first.machine, later.messages))
  const hash = await first.store.stateHash()
  await first.store.close()

  const second = await open()
  t.equal(await second.store.stateHash(), hash)
  t.equal((await second.run(new AckProposal(second.machine, [{ ...messages[0]!, first: 5, count: 1 }]))).count, 1, 'handles are good beyond a restart')
  t.equal(second.machine.nextExpiryMs, 1100)
  t.equal((await second.run(new ExpireProposal(second.machine), 1100)).count, 24)
  const afterHash = await second.store.stateHash()
  await second.store.close()

  const rebuilt = await Leader.open({ disk, database: new MemoryKv(), log, machines: () => [new PopMachine()] })
  t.equal(await rebuilt.store.stateHash(), afterHash)
  await rebuilt.store.close()
})

t.test('deleting a topic or a group ends its leases, in the entry that says so', async (t) => {
  const { leader, machine, store, run, sources, pop } = await (await world()).open()
  for (let i = 0; i < 10; i++) leader.send('jobs', i % 2)
  const start = async () => await run(new OpenProposal(machine, { group: 'g', topic: 'jobs', sources: sources(), start: 'first' }))
  await start()
  const { messages } = await pop(3)
  const ack = new AckProposal(machine, messages)
  leader.commit((writer) => {
    store.deleteTopic(writer, 'jobs')
    ack.decide(writer)
  })
  ack.settle()
  t.equal((await ack.done).count, 0)
  t.equal(machine.progressOf('g', 'jobs', 0), undefined)
  t.equal(machine.overlay.pendingCount, 0)
  leader.send('jobs', 0)
  t.equal((await pop(3)).unopened, true)
  await start()
  t.equal((await pop(3)).count, 1)
  leader.commit((writer) => { store.deleteGroup(writer, 'g', { removeOffsets: false }) })
  t.match(machine.progressOf('g', 'jobs', 0), { leasedCount: 1 })
  leader.commit((writer) => { store.deleteGroup(writer, 'g', { removeOffsets: true }) })
  t.equal(machine.isOpen('g', 'jobs', 1), false)
  t.equal(machine.overlay.pendingCount, 0)
})
