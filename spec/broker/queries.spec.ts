import t from 'tap'
import { encodeBatchItems, queryMessage, RequestCode, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import { BrokerGroup } from './broker-group.ts'
import { propertiesText, recordsIn, sendFields, startedBroker, type Client } from './support.ts'

const EVER = { beginTimestamp: 0, endTimestamp: '9223372036854775807' }
const query = (topic: string, key: string, rest: ExtFields = {}): ExtFields => ({ topic, key, maxNum: 32, ...EVER, ...rest })

async function found (client: Client, fields: ExtFields): Promise<string[] | number> {
  const answer = await client.ask(RequestCode.QUERY_MESSAGE, fields)
  return answer.code === ResponseCode.SUCCESS ? recordsIn(answer.body).map(({ body }) => Buffer.from(body).toString()) : answer.code
}

t.test('12 QUERY_MESSAGE finds messages by each of their keys, and by unique key', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'one', { KEYS: 'k1 k2', UNIQ_KEY: 'AC110001' })
  await client.send('orders', 'two', { KEYS: 'k2', UNIQ_KEY: 'AC110002' })
  t.same(await found(client, query('orders', 'k2')), ['one', 'two'])
  t.same(await found(client, query('orders', 'k2', { maxNum: 1 })), ['two'])
  t.same(await found(client, query('orders', 'AC110001', { maxNum: 0, _UNIQUE_KEY_QUERY: 'true' })), ['one'], 'as many as the broker likes')
  t.equal(await found(client, query('orders', 'k2', { _UNIQUE_KEY_QUERY: 'true' })), ResponseCode.QUERY_NOT_FOUND)
  t.equal(await found(client, query('orders', 'k3')), ResponseCode.QUERY_NOT_FOUND)
  t.equal(await found(client, query('bills', 'k2')), ResponseCode.QUERY_NOT_FOUND)
  t.equal(await found(client, query('orders', 'k2', { endTimestamp: 5 })), ResponseCode.QUERY_NOT_FOUND)
  t.equal(await found(client, query('orders', 'k2', { maxNum: -1 })), ResponseCode.QUERY_NOT_FOUND)
  const items = ['x', 'y'].map((body) => ({ flag: 0, body: Buffer.from(body), properties: Buffer.from(propertiesText({ KEYS: `batch ${body}`, UNIQ_KEY: `B${body}` })) }))
  await client.ask(RequestCode.SEND_BATCH_MESSAGE, { ...sendFields('orders'), m: true, i: propertiesText({}) }, { body: encodeBatchItems(items) })
  t.same([await found(client, query('orders', 'batch')), await found(client, query('orders', 'y')), await found(client, query('orders', 'Bx', { _UNIQUE_KEY_QUERY: 'true' }))], [['x', 'y'], ['y'], ['x']], 'those of a batch too')
  const answer = await client.ask(RequestCode.QUERY_MESSAGE, query('orders', 'k1'))
  const { indexLastUpdateTimestamp, indexLastUpdatePhyoffset } = queryMessage.response.decode(answer)
  t.ok(indexLastUpdateTimestamp > 0 && indexLastUpdatePhyoffset > 0)
})

t.test('an answer fits into a frame, and many queries at once are bounded', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  for (let i = 0; i < 5; i++) await client.send('orders', String(i).repeat(3_000_000), { KEYS: 'k' })
  t.same((await found(client, query('orders', 'k')) as string[]).map((body) => body[0]), ['3', '4'])
  const codes = await Promise.all(Array.from({ length: 60 }, async () => (await client.ask(RequestCode.QUERY_MESSAGE, query('orders', 'nothing'))).code))
  t.ok(codes.every((code) => code === ResponseCode.QUERY_NOT_FOUND || code === ResponseCode.SYSTEM_BUSY))
  t.equal(await found(client, query('orders', 'nothing')), ResponseCode.QUERY_NOT_FOUND, 'later ones are answered again')
  t.equal(await found(client, query('orders', 'k'.repeat(60_000))), ResponseCode.QUERY_NOT_FOUND)
  t.equal(await found(client, query('orders', 'k'.repeat(60_000), { maxNum: 2147483647, beginTimestamp: '-9223372036854775808' })), ResponseCode.QUERY_NOT_FOUND)
})

t.test('without an index nothing is found, and it is told why', async (t) => {
  const { connect } = await startedBroker(t, { settings: 'messageIndexEnable=false' })
  const client = connect()
  await client.send('orders', 'one', { KEYS: 'k' })
  const answer = await client.ask(RequestCode.QUERY_MESSAGE, query('orders', 'k'))
  t.equal(answer.code, ResponseCode.QUERY_NOT_FOUND)
  t.match(answer.remark, 'messageIndexEnable')
})

t.test('every node of a group finds what is committed, and a new leader what the old one had', async (t) => {
  const group = await BrokerGroup.start()
  t.teardown(() => group.closeAll())
  const client = group.connect(group.leaderId)
  await group.run(client.send('orders', 'one', { KEYS: 'k' }))
  await group.untilEqual()
  for (const id of group.brokers.keys()) t.same(await group.run(found(group.connect(id), query('orders', 'k'))), ['one'], `node ${id}`)
})

t.test('a half message is found by its keys when it is committed, not before, and never when it was rolled back', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const half = { TRAN_MSG: 'true', PGROUP: 'payers', KEYS: 'k' }
  const sent = [await client.send('orders', 'one', { ...half, UNIQ_KEY: 'A' }), await client.send('orders', 'two', { ...half, UNIQ_KEY: 'B' })]
  t.equal(await found(client, query('orders', 'k')), ResponseCode.QUERY_NOT_FOUND)
  for (const [i, commitOrRollback] of [8, 12].entries()) {
    const { queueOffset, msgId } = sent[i]!
    const ended = await client.ask(RequestCode.END_TRANSACTION, { producerGroup: 'payers', tranStateTableOffset: queueOffset, commitLogOffset: parseInt(msgId.slice(16), 16), commitOrRollback, fromTransactionCheck: false, msgId: 'AB'[i] })
    t.equal(ended.code, ResponseCode.SUCCESS)
  }
  t.same(await found(client, query('orders', 'k')), ['one'])
  t.same(await found(client, query('orders', 'A', { _UNIQUE_KEY_QUERY: 'true' })), ['one'])
  t.equal(await found(client, query('orders', 'B', { _UNIQUE_KEY_QUERY: 'true' })), ResponseCode.QUERY_NOT_FOUND)
})
