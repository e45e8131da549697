import t from 'tap'
import { getMaxOffset, getEarliestMsgStoretime, RequestCode, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import { startedBroker } from './support.ts'

t.test('where queues begin and end, and what was stored when', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  const offset = async (code: number, fields: ExtFields): Promise<number> => getMaxOffset.response.decode(await client.ask(code, { topic: 'orders', queueId: 0, ...fields })).offset
  const earliest = async (queueId: number): Promise<number> => getEarliestMsgStoretime.response.decode(await client.ask(RequestCode.GET_EARLIEST_MSG_STORETIME, { topic: 'orders', queueId })).timestamp
  t.equal(await offset(RequestCode.GET_MAX_OFFSET, {}), 0)
  const stamps: number[] = []
  for (let i = 0; i < 3; i++) {
    await client.send('orders', `${i}`)
    const { records: [record] } = await client.pull('orders', 0, i)
    stamps.push(record!.storeTimestampMs)
    await clock.advance(1000)
  }
  t.equal(await offset(RequestCode.GET_MAX_OFFSET, {}), 3)
  t.equal(await offset(RequestCode.GET_MIN_OFFSET, {}), 0)
  t.equal(await earliest(0), stamps[0])
  t.equal(await earliest(1), -1)
  const search = (timestamp: number, boundaryType?: string) => offset(RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, { timestamp, boundaryType })
  t.equal(await search(stamps[1]!), 1)
  t.equal(await search(stamps[1]! + 1), 2)
  t.equal(await search(stamps[1]! + 1, 'UPPER'), 1)
  t.equal(await search(stamps[2]! + 9), 3)
  t.equal(await search(stamps[2]! + 9, 'upper'), 2)
  t.equal(await search(0), 0)
  t.equal(await search(0, 'upper'), 0)
  t.equal((await client.ask(RequestCode.GET_MAX_OFFSET, { topic: 'orders' })).code, ResponseCode.SYSTEM_ERROR, 'a field is missing')
})
