/** Opens a directory and times the way to the first send and the first receive. Command line: DIRECTORY. */
import type { openQueue as OpenQueue } from '../../lib/index.ts'

const self: string = 'ledgermq'
const { openQueue } = await import(self) as { openQueue: typeof OpenQueue }
const startMs = performance.now()
const queue = await openQueue(process.argv[2]!, { retention: { maxAgeMs: Infinity } })
const openMs = performance.now() - startMs
await queue.send('bench', new Uint8Array(1024), { key: 'first', tag: 'bench' })
const firstSendMs = performance.now() - startMs
const batch = await queue.pull('bench', { group: 'reopened', max: 1, waitMs: 10_000 })
const firstReceiveMs = performance.now() - startMs
await batch.ackAll()
const messages = queue.topics().find(({ name }) => name === 'bench')!.queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0)
await queue.close()
console.log(JSON.stringify({ openMs, firstSendMs, firstReceiveMs, received: batch.length, messages, peakRssMiB: process.resourceUsage().maxRSS / 1024 }))
