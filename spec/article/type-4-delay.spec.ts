import t from 'tap'
import { startedBroker } from '../broker/support.ts'

t.test('a message with level 3 comes after ten seconds', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await client.send('TopicTest', 'Hello', { TAGS: 'TagA', DELAY: '3' })
  await clock.advance(9900)
  t.same((await client.pull('TopicTest', 0, 0)).bodies, [])
  await clock.advance(200)
  t.same((await client.pull('TopicTest', 0, 0)).bodies, ['Hello'])
})
