import t from 'tap'
import { decodeOffsetMessageId } from '../../lib/message/index.ts'
import { encodeBatchItems, RequestCode, ResponseCode, sendMessageResponse } from '../../lib/remoting/index.ts'
import { propertiesOf, propertiesText, sendFields, startedBroker } from './support.ts'

const item = (body: string, properties: Record<string, string> = {}, flag = 0) => ({ flag, body: Buffer.from(body), properties: Buffer.from(propertiesText(properties)) })

t.test('the messages of a batch follow each other in one queue', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const send = (body: Uint8Array, fields = {}) => client.ask(RequestCode.SEND_BATCH_MESSAGE, { ...sendFields('orders'), e: 1, m: true, i: propertiesText({ UNIQ_KEY: 'BATCH' }), ...fields }, { body })
  const answer = await send(encodeBatchItems([item('a', { TAGS: 'TagA', UNIQ_KEY: '1' }, 5), item('b', { UNIQ_KEY: '2' }), item('c')]))
  t.equal(answer.code, ResponseCode.SUCCESS)
  const header = sendMessageResponse.decode(answer)
  t.match(header, { queueId: 1, queueOffset: 0, transactionId: 'BATCH' })
  const ids = header.msgId.split(',')
  t.equal(ids.length, 3)
  const { bodies, records } = await client.pull('orders', 1, 0)
  t.same(bodies, ['a', 'b', 'c'])
  t.same(records.map(({ physicalOffset }) => physicalOffset), ids.map((id) => decodeOffsetMessageId(id).physicalOffset))
  t.equal(records[0]!.flag, 5)
  t.same(records.map(propertiesOf), [{ TAGS: 'TagA', UNIQ_KEY: '1' }, { UNIQ_KEY: '2' }, {}], 'items keep their own properties and get no others')
  t.same((await client.pull('orders', 1, 0, { subscription: 'TagA' })).bodies, ['a'])

  const code = async (body: Uint8Array, fields = {}): Promise<number> => (await send(body, fields)).code
  t.equal(await code(Buffer.from('no batch')), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await code(encodeBatchItems([item('a'), item('')])), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await code(encodeBatchItems([item('a', { DELAY: '3' })])), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await code(encodeBatchItems([item('a', { TRAN_MSG: 'true' })])), ResponseCode.MESSAGE_ILLEGAL)
  for (const name of ['TIMER_DELIVER_MS', 'TIMER_DELAY_MS', 'TIMER_DELAY_SEC', '__STARTDELIVERTIME']) t.equal(await code(encodeBatchItems([item('a'), item('b', { [name]: '5000' })])), ResponseCode.MESSAGE_ILLEGAL, name)
  await client.pull('orders', 0, 0)
  t.equal(await code(encodeBatchItems([item('a')]), { b: '%RETRY%group', e: 0 }), ResponseCode.MESSAGE_ILLEGAL)
  t.equal((await client.pull('orders', 1, 3)).code, ResponseCode.PULL_NOT_FOUND, 'nothing of those was stored')
  t.equal(await code(encodeBatchItems([item('urgent', { _SYS_MSG_PRIORITY_: '3' })])), ResponseCode.SUCCESS)
  t.same((await client.pull('orders', 1, 3)).bodies, ['urgent'], 'in the queue that was asked for')
})

t.test('the largest message and the largest batch are stored and pulled', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const body = 'x'.repeat(4 * 1024 * 1024)
  await client.send('orders', body)
  t.equal((await client.pull('orders', 0, 0)).bodies[0]?.length, body.length)
  const items = Array.from({ length: 4000 }, () => item('y'.repeat(1000)))
  const answer = await client.ask(RequestCode.SEND_BATCH_MESSAGE, { ...sendFields('orders'), m: true }, { body: encodeBatchItems(items) })
  t.equal(answer.code, ResponseCode.SUCCESS)
  t.equal(sendMessageResponse.decode(answer).msgId.split(',').length, 4000)
  t.match(await client.pull('orders', 0, 4000), { code: ResponseCode.SUCCESS, header: { nextBeginOffset: 4001, maxOffset: 4001 } })
})
