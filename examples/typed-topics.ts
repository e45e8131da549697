// Topics with types: TypeScript checks what is sent, an Avro schema checks it again when it runs.
import { isMqError, openQueue } from '../lib/index.ts'

interface Topics {
  email: { to: string, subject: string }
  measurement: { sensor: string, celsius: number }
}

const measurement = {
  type: 'record',
  name: 'Measurement',
  fields: [{ name: 'sensor', type: 'string' }, { name: 'celsius', type: 'double' }]
}

await using queue = await openQueue<Topics>(process.argv[2] ?? './typed-data', {
  topics: { email: { codec: 'json', queues: 2 }, measurement: { codec: { avro: measurement } } }
})

await queue.send('email', { to: 'a@b.c', subject: 'hi' })
await queue.send('measurement', { sensor: 'roof', celsius: 21.5 }, { key: 'roof' })
try {
  await queue.send('measurement', { sensor: 'roof', celsius: 'warm' as unknown as number })
} catch (error) {
  if (!isMqError(error, 'MQ_PAYLOAD_INVALID')) throw error
  console.log(`refused: ${error.message}`)
}

const [message] = await queue.pull('measurement', { group: 'archive', max: 10 })
console.log(`${message!.body.sensor}: ${message!.body.celsius} °C in ${message!.bytes.length} bytes`)
await message!.ack()
