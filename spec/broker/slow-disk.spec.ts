import t from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { memoryPorts } from '../../lib/engine/index.ts'
import { encodeBatchItems, RequestCode, ResponseCode, sendMessageResponse } from '../../lib/remoting/index.ts'
import { HeldSyncs } from '../replica/held-syncs.ts'
import { sendFields, startedBroker } from './support.ts'

/** So much is not flushed on the spot. */
const LARGE = 'y'.repeat(300_000)

t.test('a send whose flush takes too long is told so, once', async (t) => {
  const clock = new VirtualClock()
  const syncs = new HeldSyncs()
  const ports = memoryPorts(clock)
  const { connect } = await startedBroker(t, { clock, ports: { ...ports, disk: syncs.disk(ports.disk) } })
  const client = connect()
  await client.send('orders', 'x')
  syncs.hold()
  const sending = client.trySend('orders', LARGE)
  await clock.advance(1)
  const batch = client.ask(RequestCode.SEND_BATCH_MESSAGE, { ...sendFields('orders'), m: true }, { body: encodeBatchItems([{ flag: 0, body: Buffer.from('z'), properties: new Uint8Array(0) }]) })
  await clock.advance(4000)
  t.ok(syncs.waiting > 0, 'the disk is stuck')
  await clock.advance(2500)
  const answer = await sending
  t.equal(answer.code, ResponseCode.FLUSH_DISK_TIMEOUT)
  t.match(sendMessageResponse.decode(answer), { queueId: 0, queueOffset: 1 })
  t.ok([ResponseCode.FLUSH_DISK_TIMEOUT, ResponseCode.SYSTEM_BUSY].includes((await batch).code as never))
  syncs.release()
  await clock.advance(100)
  t.same([...(await client.pull('orders', 0, 1)).bodies, ...(await client.pull('orders', 0, 2)).bodies], [LARGE, 'z'], 'both are there in the end')
  t.equal((await client.trySend('orders', 'w')).code, ResponseCode.SUCCESS)
})

t.test('sends beyond their bound are refused, and later ones are not', async (t) => {
  const clock = new VirtualClock()
  const syncs = new HeldSyncs()
  const ports = memoryPorts(clock)
  const { connect } = await startedBroker(t, { clock, ports: { ...ports, disk: syncs.disk(ports.disk) }, settings: 'sendThreadPoolQueueCapacity=3' })
  const client = connect()
  await client.send('orders', 'x')
  syncs.hold()
  const sends = Array.from({ length: 4 }, (_, i) => client.trySend('orders', i === 0 ? LARGE : `${i}`))
  const refused = await sends[3]!
  t.equal(refused.code, ResponseCode.SYSTEM_BUSY)
  t.match(refused.remark, /sendThreadPoolQueueCapacity/)
  syncs.release()
  await clock.advance(100)
  t.same((await Promise.all(sends.slice(0, 3))).map(({ code }) => code), [0, 0, 0])
  t.equal((await client.trySend('orders', 'again')).code, ResponseCode.SUCCESS)
})

t.test('a lone SYNC_MASTER says that it has no replica', async (t) => {
  const { connect } = await startedBroker(t, { settings: 'brokerRole=SYNC_MASTER' })
  const answer = await connect().trySend('orders', 'x')
  t.equal(answer.code, ResponseCode.SLAVE_NOT_AVAILABLE)
  t.match(sendMessageResponse.decode(answer), { queueOffset: 0 })
})
