import t from 'tap'
import { letPass } from './time.ts'
import { startedBroker } from '../broker/support.ts'
import { TransactionalProducer, TransactionState } from './transactional-producer.ts'

t.test('a half message whose producer said nothing: the broker asks it, and does what it says', async (t) => {
  const { connect, clock } = await startedBroker(t, { settings: 'transactionTimeOut=6000\ntransactionCheckInterval=30000' })
  const client = connect()
  const producer = new TransactionalProducer(client, 'TransactionProducerGroup')
  await producer.start()
  for (const body of ['committed', 'rolled back', 'asked twice']) await producer.send('TopicTest', body, () => TransactionState.unknown)
  t.same((await client.pull('TopicTest', 0, 0)).bodies, [], 'nobody sees them before')
  await letPass(clock, 6500)
  const states: Record<string, 0 | 8 | 12> = { T0: TransactionState.commit, T1: TransactionState.rollback, T2: TransactionState.unknown }
  t.equal(await producer.answer((msgId) => states[msgId]!), 3)
  t.same((await client.pull('TopicTest', 0, 0)).bodies, ['committed'])
  states['T2'] = TransactionState.commit
  await letPass(clock, 31_000)
  t.equal(await producer.answer((msgId) => states[msgId]!), 1)
  t.same((await client.pull('TopicTest', 0, 0)).bodies, ['committed', 'asked twice'])
})
