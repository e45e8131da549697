import t from 'tap'
import type { VirtualClock } from '../../lib/adapters/index.ts'
import { RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { startedBroker } from './support.ts'

const HOUR_MS = 3_600_000

/** Retention looks every minute. */
async function passMinutes (clock: VirtualClock, minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    await clock.advance(60_001)
    for (let turn = 0; turn < 50; turn++) await clock.settle()
  }
}

t.test('fileReservedTime changed while running counts from the next look on', async (t) => {
  const { connect, clock, broker } = await startedBroker(t, { settings: 'fileReservedTime=72\nmappedFileSizeCommitLog=65536' })
  const client = connect()
  for (let n = 0; n < 300; n++) await client.send('orders', `${n} ${'x'.repeat(1000)}`)
  const removed = (): number => [0, 1, 2, 3].reduce((sum, queueId) => sum + broker.engine.reads.rangeOf('orders', queueId).minOffset, 0)
  await clock.advance(2 * HOUR_MS)
  await passMinutes(clock, 2)
  t.equal(removed(), 0)
  // a connection without traffic was closed meanwhile
  const update = await connect().ask(RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'fileReservedTime=1' })
  t.equal(update.code, ResponseCode.SUCCESS)
  await passMinutes(clock, 2)
  t.ok(removed() > 200, `${removed()} of 300 were removed`)
})

t.test('the log is kept within fileReservedBytes, at once when an administrator asks for it', async (t) => {
  const { connect, clock, broker } = await startedBroker(t, { settings: 'mappedFileSizeCommitLog=65536' })
  const client = connect()
  for (let n = 0; n < 300; n++) await client.send('orders', `${n} ${'x'.repeat(1000)}`)
  const { log: { minPosition: before, maxPosition: end } } = broker.engine.stats()
  await client.ask(RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'fileReservedBytes=131072' })
  t.equal(broker.engine.stats().log.minPosition, before)
  const asked = client.ask(RequestCode.DELETE_EXPIRED_COMMITLOG)
  await clock.advance(10)
  t.equal((await asked).code, ResponseCode.SUCCESS)
  const kept = end - broker.engine.stats().log.minPosition
  t.ok(kept >= 131_072 && kept < 140_000, `${kept} bytes are kept`)
})
