import t from 'tap'
import { PreparedRecords } from '../../lib/engine/prepared-records.ts'

t.test('a record is added though the room that was made for it has gone meanwhile, with what was in it', async (t) => {
  const records = new PreparedRecords()
  t.ok(records.makeRoom(1000) > 0)
  records.add(0, Uint8Array.of(1), 1000)
  t.ok(records.makeRoom(60_000) > 0)
  records.removeBefore(50_000)
  records.add(64, Uint8Array.of(2), 60_000)
  t.equal(records.find(0, 1), undefined)
  t.same(records.find(64, 1), Uint8Array.of(2))
})
