import t from 'tap'
import { loadChecksum, hash64, viewOf } from '../../lib/base/index.ts'
import { DATA_FORMAT_VERSION, decodeIdentity, encodeIdentity, randomGroupId, readIdentity } from '../../lib/replica/index.ts'
import { writeIdentity } from '../../lib/replica/identity.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { DIRECTORY, GROUP_ID, Members } from './members.ts'

const identity = { groupId: GROUP_ID, nodeId: 2 ** 40 + 3, incarnation: 4, founders: [1, 2 ** 40 + 3, 7] }

t.before(loadChecksum)

/** A change of the bytes that keeps the checksum right. */
function resealed (bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const changed = bytes.slice()
  const view = viewOf(changed)
  change(view)
  view.setBigUint64(changed.length - 8, hash64(changed.subarray(0, -8), 0x6964656E74697479n))
  return changed
}

t.test('what was written is read back', async (t) => {
  const disk = new FaultyDisk({ directories: [DIRECTORY] })
  t.equal(await readIdentity(disk, DIRECTORY), undefined)
  await writeIdentity(disk, DIRECTORY, identity)
  t.same(await readIdentity(disk, DIRECTORY), identity)
  t.same(decodeIdentity(encodeIdentity({ ...identity, founders: [] }), 'f').founders, [])
})

t.test('any flipped bit is found, and none makes it anything else than damaged', async (t) => {
  const bytes = encodeIdentity(identity)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    try {
      decodeIdentity(flipped, '/data/identity')
      t.fail(`bit ${bit} was not noticed`)
    } catch (error: any) {
      if (error.code !== 'MQ_CORRUPT' || error.file !== '/data/identity') t.fail(`bit ${bit}: ${error.code}`)
    }
  }
  for (const length of [4, 8, 40, bytes.length - 1]) t.throws(() => decodeIdentity(bytes.subarray(0, length), 'f'), { code: 'MQ_CORRUPT' }, `cut to ${length}`)
})

t.test('a later format is refused as such, an unknown file too', async (t) => {
  const bytes = encodeIdentity(identity)
  t.throws(() => decodeIdentity(resealed(bytes, (view) => { view.setUint16(4, DATA_FORMAT_VERSION + 1) }), 'f'), { code: 'MQ_FORMAT_TOO_NEW', version: DATA_FORMAT_VERSION + 1 })
  t.throws(() => decodeIdentity(resealed(bytes, (view) => { view.setUint16(4, 0) }), 'f'), { code: 'MQ_FORMAT_TOO_OLD' })
  t.throws(() => decodeIdentity(resealed(bytes, (view) => { view.setUint16(6, 9) }), 'f'), { code: 'MQ_CORRUPT' }, 'more founders than there are')
  t.throws(() => decodeIdentity(Buffer.from('some text of another program, long enough to be one'), 'f'), { code: 'MQ_NOT_A_DATA_DIRECTORY' })
  t.throws(() => decodeIdentity(new Uint8Array(0), 'f'), { code: 'MQ_NOT_A_DATA_DIRECTORY' })
})

t.test('a power cut at any boundary leaves all of it or none', async (t) => {
  for (const keep of ['none', 'all', 'random', 'reorder'] as const) {
    let whole = 0
    for (let boundary = 1; boundary < 50; boundary++) {
      const faults = new Faults({ afterStop: 'reject' })
      faults.stopAt(boundary, 'middle')
      const disk = new FaultyDisk({ faults, directories: [DIRECTORY] })
      const finished = await writeIdentity(disk, DIRECTORY, identity).then(() => true, () => false)
      const found = await readIdentity(disk.powerCut({ keep, random: new SeededRandom(boundary), faults: new Faults() }), DIRECTORY)
      if (found !== undefined) {
        t.same(found, identity, `${keep}, boundary ${boundary}`)
        whole++
      }
      if (!finished) continue
      t.ok(found !== undefined, `${keep}: there once it was said to be`)
      break
    }
    t.ok(whole > 0)
  }
})

t.test('a directory keeps the identity it was made with', async (t) => {
  const members = new Members([1])
  const first = await members.open(1)
  t.same(first.replica.identity, { groupId: GROUP_ID, nodeId: 1, incarnation: 1, founders: [1] })
  await members.run(first.replica.close())
  const again = await members.open(1, first.disk, { founding: { groupId: randomGroupId(new SeededRandom(1)), founders: [1, 2], incarnation: 9 } })
  t.same(again.replica.identity, first.replica.identity, 'the founding is for an empty directory only')
  await members.run(again.replica.close())
  await t.rejects(members.open(2, first.disk), { code: 'MQ_INVALID_ARGUMENT', nodeId: 1 }, 'another node')

  const lost = new FaultyDisk({ directories: [DIRECTORY] })
  for (const path of first.disk.paths()) if (!path.endsWith('/identity')) lost.plant(path, first.disk.contents(path)!)
  await t.rejects(members.open(1, lost), { code: 'MQ_CORRUPT', file: `${DIRECTORY}/identity` }, 'a log without identity')
  lost.plant(`${DIRECTORY}/identity`, encodeIdentity({ ...first.replica.identity, groupId: new Uint8Array(16).fill(9) }))
  await t.rejects(members.open(1, lost), { code: 'MQ_CORRUPT' }, 'the identity of another group: no entry has its checksum')
  lost.plant(`${DIRECTORY}/identity`, encodeIdentity(first.replica.identity))
  await lost.unlink(`${DIRECTORY}/vote`)
  await t.rejects(members.open(1, lost), { code: 'MQ_CORRUPT', file: `${DIRECTORY}/vote` }, 'a log without vote')
  t.equal(first.disk.openHandles + lost.openHandles, 0, 'what is refused is closed')
})
