// A process of its own for specs: `hold` keeps the directory open, `idle` opens it and has nothing more to do, `work`
// sends numbers from where the queue says it is, consumes them in order, and tells of both.
import { openQueue } from '../../lib/index.ts'

const [directory, mode] = process.argv.slice(2) as [string, string]
const queue = await openQueue(directory, { topics: { numbers: { queues: 2 } }, limits: { segmentBytes: 1024 * 1024 } })
const tell = (fact: unknown): void => { process.send!(fact) }

if (mode === 'hold') setInterval(() => {}, 1000)
if (mode === 'hold' || mode === 'idle') tell('open')

if (mode === 'work') {
  for (const queueId of [0, 1]) {
    let next = queue.topics()[0]!.queues[queueId]!.maxOffset
    const pump = (): void => {
      const n = next++
      queue.send('numbers', { n, padding: 'x'.repeat(n % 2000) }, { queueId }).then(() => {
        tell({ sent: n, queueId })
        pump()
      })
    }
    for (let i = 0; i < 20; i++) pump()
  }
  queue.process('numbers', async (message) => {
    await new Promise((resolve) => setImmediate(resolve))
    if (message.body.n !== message.queueOffset) throw new Error('out of place')
  }, { group: 'g', order: 'key', concurrency: 2 }).on('completed', ({ body, queueId, attempts }) => tell({ done: body.n, queueId, attempts }))
}
