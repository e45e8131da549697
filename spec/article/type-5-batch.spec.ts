import t from 'tap'
import { encodeBatchItems, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { propertiesText, sendFields, startedBroker } from '../broker/support.ts'

t.test('ten messages in one send: all are there, side by side', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const items = Array.from({ length: 10 }, (_, i) => ({ flag: 0, body: Buffer.from(`Hello${i}`), properties: Buffer.from(propertiesText({ TAGS: 'TagA' })) }))
  const answer = await client.ask(RequestCode.SEND_BATCH_MESSAGE, { ...sendFields('TopicTest'), m: true }, { body: encodeBatchItems(items) })
  t.equal(answer.code, ResponseCode.SUCCESS)
  t.same((await client.pull('TopicTest', 0, 0)).bodies, items.map(({ body }) => body.toString()))
})
