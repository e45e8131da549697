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

t.test('a part of what waits is told of in order, whether it is most of it or little, and so is the rest', async (t) => {
  const units = new DueUnits(new Targets())
  for (let i = 0; i < 1000; i++) units.push(unit(5000 + (i * 379 % 1000) * 37, i))
  const told = (fromMs: number, toMs: number): number[] => {
    const times: number[] = []
    t.equal(units.tell(fromMs, toMs, Infinity, (physicalOffset, sizeBytes, deliverAtMs) => { times.push(deliverAtMs) }), toMs)
    return times.sort((a, b) => a - b)
  }
  const expected = (fromMs: number, toMs: number): number[] => Array.from({ length: 1000 }, (_, i) => 5000 + i * 37).filter((ms) => ms >= fromMs && ms < toMs)
  for (const [fromMs, toMs] of [[-Infinity, Infinity], [-Infinity, 6000], [0, 100], [5000, 5001], [5037, 12_345], [20_000, 20_000], [41_963, 41_964], [30_000, Infinity], [4000, 1e12]] as const) {
    t.same(told(fromMs, toMs), expected(fromMs, toMs), `${fromMs} ${toMs}`)
  }
})
