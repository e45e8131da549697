// A message in, the same message out. In your project: import { openQueue } from 'ledgermq'
import { openQueue } from '../lib/index.ts'

const directory = process.argv[2] ?? './hello-data'

const queue = await openQueue(directory)
const { id, queueId, queueOffset } = await queue.send('greetings', { text: 'hello' }, { key: 'user-7', tag: 'welcome' })
console.log(`stored ${id} in queue ${queueId} at offset ${queueOffset}`)

let expected = 1
for await (const message of queue.receive('greetings', { group: 'readers' })) {
  console.log(`received ${message.body.text} for ${message.key}, attempt ${message.attempts}`)
  await message.ack()
  if (--expected === 0) break
}
await queue.close()
