import t from 'tap'
import { startedBroker } from '../broker/support.ts'
import { TransactionalProducer, TransactionState } from './transactional-producer.ts'

t.test('a transactional message is there when the local transaction has succeeded, and never when it has failed', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const producer = new TransactionalProducer(client, 'TransactionProducerGroup')
  await producer.start()
  await producer.send('TopicTest', 'paid', () => TransactionState.commit)
  await producer.send('TopicTest', 'failed', () => TransactionState.rollback)
  t.same((await client.pull('TopicTest', 0, 0)).bodies, ['paid'])
})
