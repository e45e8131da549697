import t from 'tap'
import { startedBroker } from '../broker/support.ts'

t.test('consumers get what they subscribe to: by tags, and by SQL92 with enablePropertyFilter=true', async (t) => {
  const { connect } = await startedBroker(t, { settings: 'enablePropertyFilter=true' })
  const client = connect()
  for (const [orderId, status, tag] of [['99', 'PAID', 'TagA'], ['123', 'PAID', 'TagB'], ['124', 'OPEN', 'TagC'], ['125', 'PAID', 'TagC']] as const) {
    await client.send('TopicTest', orderId, { TAGS: tag, orderId, status })
  }
  t.same((await client.pull('TopicTest', 0, 0, { subscription: 'TagA || TagB' })).bodies, ['99', '123'])
  t.same((await client.pull('TopicTest', 0, 0, { expressionType: 'SQL92', subscription: "orderId > 100 AND status = 'PAID'" })).bodies, ['123', '125'])
})
