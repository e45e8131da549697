import { join } from 'node:path'
import t from 'tap'
import { explain } from '../../lib/cli/explain.ts'
import { resend } from '../../lib/cli/resend.ts'
import { openQueue } from '../../lib/index.ts'

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
