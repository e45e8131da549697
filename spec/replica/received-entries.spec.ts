import t from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import { seedOfGroup } from '../../lib/log/index.ts'
import { EntryKind, type ConfChange, type RaftEntry } from '../../lib/raft/index.ts'
import { configOf, decodeConfChange, encodeConfChange } from '../../lib/replica/index.ts'
import { defectOfEntries } from '../../lib/replica/received-entries.ts'
import { Sealer } from '../../lib/replica/sealer.ts'
import { defaultReplicaSettings } from '../../lib/replica/settings.ts'
import { GROUP_ID, Members } from './members.ts'

t.before(loadChecksum)

const change: ConfChange = { transition: 'joint-explicit', steps: [{ type: 'addVoter', id: 2 ** 40 }, { type: 'remove', id: 1 }, { type: 'addLearner', id: 3 }], context: 'why' }

/** Entries that follow each other. */
function entries (): RaftEntry[] {
  const sealer = new Sealer(seedOfGroup(GROUP_ID), defaultReplicaSettings)
  const first = sealer.makeEntry(EntryKind.noop, { index: 4, term: 2, prevTerm: 1, physicalOffset: 1000 }, 5)
  const second = sealer.makeEntry(EntryKind.config, { index: 5, term: 2, prevTerm: 2, physicalOffset: 1000 + first.sizeBytes }, 6, change)
  return [first, second]
}

t.test('a change of the configuration survives its entry', async (t) => {
  const [, entry] = entries() as [RaftEntry, RaftEntry]
  const { config, ...read } = entry
  t.same(config, change)
  t.same(configOf(read), change)
  for (const transition of ['auto', 'joint-implicit'] as const) t.same(decodeConfChange(encodeConfChange({ transition, steps: [] })), { transition, steps: [] })
})

t.test('a body that is none, or of a later schema, is refused', async (t) => {
  const body = encodeConfChange(change)
  const newer = body.slice()
  newer[1] = 2
  t.throws(() => decodeConfChange(newer), { code: 'MQ_FORMAT_TOO_NEW' })
  t.throws(() => decodeConfChange(body.subarray(0, body.length - 1)), { code: 'MQ_CORRUPT' })
  t.throws(() => decodeConfChange(new Uint8Array(0)), { code: 'MQ_CORRUPT' })
})

t.test('entries of a peer are taken whole, or not at all', async (t) => {
  const [first, second] = entries() as [RaftEntry, RaftEntry]
  const seed = seedOfGroup(GROUP_ID)
  t.equal(defectOfEntries([first, second], seed), undefined)
  t.equal(defectOfEntries([], seed), undefined)
  t.match(defectOfEntries([first, second], seedOfGroup(new Uint8Array(16).fill(8))), /header/, 'another group')
  t.match(defectOfEntries([second, first], seed), /does not follow/)
  t.match(defectOfEntries([first, first], seed), /does not follow/)
  for (const lie of [{ index: 6 }, { term: 3 }, { prevTerm: 1 }, { kind: EntryKind.normal }, { physicalOffset: 0 }, { sizeBytes: 8 }]) {
    t.type(defectOfEntries([first, { ...second, ...lie }], seed), 'string', JSON.stringify(lie))
  }
  for (let bit = 0; bit < second.bytes.length * 8; bit++) {
    // Bytes [72, 88) are the local part: each node writes its own.
    if (bit >= 72 * 8 && bit < 88 * 8) continue
    const bytes = second.bytes.slice()
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    if (defectOfEntries([first, { ...second, bytes }], seed) === undefined) t.fail(`bit ${bit} was not noticed`)
  }
  t.type(defectOfEntries([{ ...second, bytes: second.bytes.subarray(0, 20) }], seed), 'string')
})

t.test('a follower drops what arrives damaged, and gets it again', async (t) => {
  const members = new Members([1, 2, 3])
  await members.openAll()
  const leader = await members.untilLeader()
  let damaged = 0
  members.network.filter = (message) => {
    if (message.type === 'appendEntries' && message.entries.length > 0 && damaged++ % 3 === 0) {
      const entry = message.entries.at(-1)!
      const bytes = entry.bytes.slice()
      bytes[bytes.length - 1]! ^= 4;
      (message.entries as RaftEntry[]).splice(-1, 1, { ...entry, bytes })
    }
    return true
  }
  for (let id = 0; id < 20; id++) t.equal(await members.add(leader, id, 100), undefined)
  members.network.filter = undefined
  await members.clock.advance(2000)
  const machines = [...members.members.values()].map(({ machine }) => machine)
  t.same(machines.map(({ count }) => count), [20, 20, 20])
  t.equal(new Set(machines.map(({ hash }) => hash)).size, 1)
  t.ok(damaged > 10)
  await members.closeAll()
})
