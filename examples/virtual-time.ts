// Tests need not wait: in memory, time moves when told to. Here a lease of one hour runs out in no time.
import { openQueue, VirtualClock } from '../lib/index.ts'

const clock = new VirtualClock()
const queue = await openQueue(':memory:', { clock })
await queue.send('jobs', { name: 'long' })

const [first] = await queue.pull('jobs', { group: 'workers', lease: '1h' })
console.log(`${first!.body.name}: attempt ${first!.attempts}`)
console.log(`while leased: ${(await queue.pull('jobs', { group: 'workers' })).length} messages`)

await clock.advance(3_600_001)
const [second] = await queue.pull('jobs', { group: 'workers', waitMs: 1000 })
console.log(`${second!.body.name}: attempt ${second!.attempts}`)
await second!.ack()
await first!.ack().catch((error) => console.log(`the first consumer is too late: ${error.code}`))
await queue.close()
