/**
 * BullMQ: adds jobs with many in flight, then takes them with a worker of concurrency 100. Redis syncs before it answers.
 * Options beside the common ones: --port of the redis-server.
 */
import { Driver, workloadFromArgs } from '../harness/measure.ts'
import { loadOptional } from './packages.ts'

const CONCURRENCY = 100

const workload = workloadFromArgs(['port', 'case'])
const { Queue, Worker } = await loadOptional('bullmq')
const connection = { host: '127.0.0.1', port: Number(workload.more.port), maxRetriesPerRequest: null }
const data = 'A'.repeat(workload.size)
const options = { removeOnComplete: true, attempts: 3 }
const driver = new Driver()

for (let round = 0; round < workload.rounds; round++) {
  const name = `bench-${process.pid}-${round}`
  const queue = new Queue(name, { connection })
  await queue.waitUntilReady()
  if (workload.more.case === 'send') {
    await driver.round(workload.messages, workload.inflight, 1, () => queue.add('job', data, options))
  } else {
    const bulk = Array.from({ length: 100 }, () => ({ name: 'job', data, opts: options }))
    const bulks = Math.ceil(workload.messages / bulk.length)
    for (let i = 0; i < bulks; i++) await queue.addBulk(bulk)
    let left = bulks * bulk.length
    const total = left
    let startMs = 0
    let worker: any
    await new Promise<void>((resolve, reject) => {
      worker = new Worker(name, async () => {}, { connection, concurrency: CONCURRENCY, autorun: false })
      worker.on('completed', () => { if (--left === 0) resolve() })
      worker.on('error', reject)
      startMs = performance.now()
      worker.run()
    })
    driver.addRate(total, performance.now() - startMs)
    await worker.close()
  }
  await queue.obliterate({ force: true })
  await queue.close()
}
console.log(JSON.stringify(driver.result(workload.more.case ?? 'consume', workload)))
process.exit(0)
