import t from 'tap'
import type { Explanation } from '../../lib/engine/index.ts'
import { RequestCode, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import { PopClient } from './pop-client.ts'
import { consumerData, startedBroker } from './support.ts'

const groupsOf = (explanation: Explanation): unknown[] => explanation.is === 'queued' ? [...explanation.groups] : []

t.test('what groups that pull have made of a message: waiting, consumed, to come again, given up; and those that pop beside them', async (t) => {
  const { broker, connect, clock } = await startedBroker(t)
  const client = connect()
  const explain = (id: string): Promise<Explanation> => broker.engine.explanations.explain(id)
  const ids: string[] = []
  for (let i = 0; i < 3; i++) ids.push((await client.send('orders', `m${i}`, { UNIQ_KEY: `ID-${i}` }, { e: 0 })).msgId)
  const [first, second, third] = ids as [string, string, string]
  t.same(groupsOf(await explain(first)), [], 'nobody consumes it')
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*', '%RETRY%group': '*' })] })
  const commit = async (topic: string, offset: number): Promise<void> => {
    await client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'group', topic, queueId: 0, commitOffset: offset })
    await clock.advance(1000)
  }
  const sendBack = async (id: string, fields: ExtFields = {}): Promise<number> =>
    (await client.ask(RequestCode.CONSUMER_SEND_MSG_BACK, { offset: parseInt(id.slice(16), 16), group: 'group', delayLevel: 0, originMsgId: id, originTopic: 'orders', unitMode: false, ...fields })).code
  await commit('orders', 1)
  t.same(groupsOf(await explain(first)), [{ group: 'group', is: 'done' }])
  t.same(groupsOf(await explain(third)), [{ group: 'group', is: 'waiting', ahead: 1, attempts: 0 }])

  const sentBackMs = clock.wallMs()
  t.equal(await sendBack(first), ResponseCode.SUCCESS)
  const [waiting] = groupsOf(await explain(first)) as Array<{ readonly is: string, readonly attempts: number, readonly visibleAtMs: number, readonly retryId: string }>
  t.match(waiting, { group: 'group', is: 'retry', attempts: 1 })
  t.ok(Math.abs(waiting!.visibleAtMs - sentBackMs - 10_000) < 100, 'the third level')
  t.match(await explain(waiting!.retryId), { is: 'delayed', topic: '%RETRY%group', deliverAtMs: waiting!.visibleAtMs })
  await clock.advance(11_000)
  t.match(groupsOf(await explain(first)), [{ is: 'retry', attempts: 1, visibleAtMs: 0 }])
  const [retried] = (await client.pull('%RETRY%group', 0, 0)).records
  t.equal(await sendBack(waiting!.retryId), ResponseCode.SUCCESS, 'once more')
  await commit('%RETRY%group', retried!.queueOffset + 1)
  t.match(groupsOf(await explain(first)), [{ is: 'retry', attempts: 2, visibleAtMs: Number }])
  await clock.advance(31_000)
  await commit('%RETRY%group', 2)
  t.same(groupsOf(await explain(first)), [{ group: 'group', is: 'done' }])

  await commit('orders', 2)
  t.equal(await sendBack(second, { delayLevel: -1 }), ResponseCode.SUCCESS)
  t.match(groupsOf(await explain(second)), [{ is: 'dead-letter', attempts: 1, deadLetterId: String }])
  const popper = new PopClient(client, 'orders', 'poppers')
  await popper.take({ maxMsgNums: 1 })
  t.match(groupsOf(await explain(first)), [{ group: 'poppers', is: 'leased', attempts: 1 }, { group: 'group', is: 'done' }])
  t.same((groupsOf(await explain(third)) as Array<{ readonly group: string, readonly is: string }>).map(({ group, is }) => `${group} ${is}`), ['poppers waiting', 'group waiting'])
})
