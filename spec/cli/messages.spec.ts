import { join } from 'node:path'
import t from 'tap'
import { explain } from '../../lib/cli/explain.ts'
import { resend } from '../../lib/cli/resend.ts'
import { Engine, directoryPorts } from '../../lib/engine/index.ts'
import { openQueue } from '../../lib/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { groupConfig, put, topicConfig, wireMessage } from '../engine/wire.ts'

t.test('resend sends dead letters of a directory again, explain tells where a message is', async (t) => {
  const directory = join(t.testdir(), 'data')
  const queue = await openQueue(directory)
  for (let i = 0; i < 3; i++) await queue.send('orders', i)
  for (const message of (await queue.pull('orders', { group: 'shop' })).messages) await message.deadLetter()
  const [letter] = await queue.read('%DLQ%shop', { queueId: 0, fromOffset: 0 })
  await queue.close()
  const printed = t.capture(console, 'log')
  const lines = (): string => printed().map(({ args }) => String(args[0])).join('\n')
  const options = { namesrv: '127.0.0.1:9', data: directory }
  await resend('shop', { ...options, id: [letter!.id] })
  t.equal(lines(), '1 dead letters of shop were sent again, 2 were not selected')
  const firstId = letter!.properties.DLQ_ORIGIN_MESSAGE_ID!
  await explain(directory, firstId, false)
  t.match(lines(), new RegExp(`^${firstId}: of orders/\\d, offset 0, since 20.*\n  shop: given up after 1 times: ${letter!.id}$`))
  await explain(directory, firstId, true)
  t.match(JSON.parse(lines()), { is: 'queued', groups: [{ group: 'shop', is: 'dead-letter', attempts: 1 }] })
  await resend('shop', { ...options, topic: 'orders' })
  t.equal(lines(), '2 dead letters of shop were sent again')
  await resend('shop', options)
  t.equal(lines(), '0 dead letters of shop were sent again')
  const opened = await openQueue(directory)
  t.same((await opened.pull('orders', { group: 'shop' })).messages.map(({ body }) => body as number).sort(), [0, 1, 2])
  await opened.close()
})

t.test('explain finds in a directory of a broker where a message waits that a consumer gave back', async (t) => {
  const directory = join(t.testdir(), 'data')
  const engine = await Engine.open({ ...checkOpenOptions(directory, {}), directory, keyIndex: true, ports: directoryPorts(directory) })
  await engine.config.putGroups([{ config: groupConfig('shop') }])
  const sent = await put(engine, 'orders', wireMessage('x', { properties: Buffer.from('UNIQ_KEY\x01ID\x02') }), topicConfig('orders', 1))
  engine.offsets.commit({ group: 'shop', topic: 'orders', queueId: 0 }, 1)
  const { record } = (await engine.reads.viewMessage(sent.physicalOffset))!
  await engine.sendBack({ record, group: 'shop', delayLevel: 0, levels: [60_000, 60_000, 60_000], retryTopic: engine.topicPlanned(topicConfig('%RETRY%shop', 1)), deadLetterTopic: engine.topicPlanned(topicConfig('%DLQ%shop', 1)) })
  await engine.close()
  const printed = t.capture(console, 'log')
  await explain(directory, sent.messageId, false)
  t.match(String(printed()[0]!.args[0]), /\n {2}shop: given back 1 times, comes again at 20[^ ]+: [0-9A-F]{32}$/)
})

t.test('resend takes what is as large as messages may be', async (t) => {
  const directory = join(t.testdir(), 'data')
  const queue = await openQueue(directory)
  await queue.send('orders', 'x'.repeat(2 * 1024 * 1024))
  for (const message of (await queue.pull('orders', { group: 'shop' })).messages) await message.deadLetter()
  await queue.close()
  const printed = t.capture(console, 'log')
  await resend('shop', { namesrv: '127.0.0.1:9', data: directory })
  t.same(printed().map(({ args }) => args[0]), ['1 dead letters of shop were sent again'])
})
