import t from 'tap'
import { DueUnits, Targets } from '../../lib/store/due-units.ts'

const unit = (deliverAtMs: number, physicalOffset: number) => ({ bucket: 1, ordinal: physicalOffset, deliverAtMs, topic: 'orders', queueId: 0, tagsCode: 7, physicalOffset, sizeBytes: 100 })

t.test('what has been overdue for days lies in as many spans as there are units: each is taken as fast as among few', async (t) => {
  const units = new DueUnits(new Targets())
  const later = new DueUnits(new Targets())
  const count = 50_000
  const begin = process.cpuUsage()
  for (let i = 0; i < count; i++) (i % 2 === 0 ? units : later).push(unit((i * 7919 % count) * 1000, i))
  units.absorb(later)
  t.same(units.trim(count - 10), { ms: (count - 10) * 1000, position: units.size === count - 10 ? offsetAt(count - 10) : -1 })
  let isInOrder = true
  for (let i = 0; i < count - 10; i++) isInOrder &&= units.take(Infinity)?.deliverAtMs === i * 1000
  t.ok(isInOrder)
  t.equal(units.take(Infinity), undefined)
  t.equal(units.nextMs, Infinity)
  const { user } = process.cpuUsage(begin)
  t.ok(user < 3_000_000, `${user / 1000} ms`)

  function offsetAt (place: number): number {
    for (let i = 0; i < count; i++) if (i * 7919 % count === place) return i
    return -1
  }
})
