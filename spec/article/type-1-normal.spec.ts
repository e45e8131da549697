import t from 'tap'
import { ResponseCode } from '../../lib/remoting/index.ts'
import { propertiesOf, sendFields, propertiesText, startedBroker } from '../broker/support.ts'

t.test('a normal message: sent with a tag, confirmed with its place, consumed', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const answer = await client.trySend('TopicTest', 'Hello', { ...sendFields('TopicTest'), i: propertiesText({ TAGS: 'TagA' }) })
  t.equal(answer.code, ResponseCode.SUCCESS, 'SEND_OK')
  const { bodies, records } = await client.pull('TopicTest', 0, 0)
  t.same(bodies, ['Hello'])
  t.equal(propertiesOf(records[0]!)['TAGS'], 'TagA')
})
