import t, { type Test } from 'tap'
import { openQueue, VirtualClock, type EmbeddedQueue, type Message } from '../../lib/index.ts'

const ORDERS = 8

/** Every order is handed out twice: the first time the consumer is lost before it has said that it is done. */
async function handOutTwice (t: Test, processMessage: (message: Message, queue: EmbeddedQueue) => Promise<void>): Promise<EmbeddedQueue> {
  const clock = new VirtualClock()
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  for (let i = 0; i < ORDERS; i++) await queue.send('orders', { amount: 10 }, { key: `order-${i}` })
  for (const attempts of [1, 2]) {
    const { messages } = await queue.pull('orders', { group: 'g', max: 100, lease: '1s' })
    t.equal(messages.filter((message) => message.attempts === attempts).length, ORDERS)
    for (const message of messages) await processMessage(message, queue)
    await clock.advance(1100)
  }
  return queue
}

t.test('what was done is remembered: a map in the process', async (t) => {
  const processed = new Map<string, true>()
  let done = 0
  await handOutTwice(t, async ({ key }) => {
    if (processed.has(key!)) return
    done++
    processed.set(key!, true)
  })
  t.equal(done, ORDERS)
})

t.test('a lock and a mark: one of several at the same time does it', async (t) => {
  const locks = new Set<string>()
  const processed = new Set<string>()
  let done = 0
  const once = async (key: string): Promise<void> => {
    if (locks.has(key) || processed.has(key)) return
    locks.add(key)
    try {
      await new Promise((resolve) => setImmediate(resolve))
      done++
      processed.add(key)
    } finally {
      locks.delete(key)
    }
  }
  await handOutTwice(t, async ({ key }) => { await Promise.all([once(key!), once(key!)]) })
  t.equal(done, ORDERS)
})

t.test('a unique key of a database', async (t) => {
  // without a string constant: older versions have no types of it
  const name = 'node:sqlite'
  const sqlite = await import(name).catch(() => undefined) as { DatabaseSync: new (file: string) => { exec (sql: string): void, prepare (sql: string): { run (...values: unknown[]): unknown, get (): { n: number } } } } | undefined
  if (sqlite === undefined) return t.pass('SQLite', { skip: `Node ${process.version} has none of its own` })
  const database = new sqlite.DatabaseSync(':memory:')
  database.exec('CREATE TABLE orders (order_id TEXT PRIMARY KEY, amount INTEGER)')
  const insert = database.prepare('INSERT OR IGNORE INTO orders (order_id, amount) VALUES (?, ?)')
  await handOutTwice(t, async ({ key, body }) => { insert.run(key, body.amount) })
  t.equal(database.prepare('SELECT count(*) AS n FROM orders').get().n, ORDERS)
})

t.test('the acknowledgement and its effect in one entry: nothing to remember', async (t) => {
  let lost = 0
  const queue = await handOutTwice(t, async (message, queue) => {
    // the first consumer is lost before the transaction
    if (message.attempts === 1) return
    await queue.tx((tx) => {
      tx.ack(message)
      tx.put(`order:${message.key}`, message.body.amount)
    }).catch(() => { lost++ })
  })
  t.equal(lost, 0)
  for (let i = 0; i < ORDERS; i++) t.equal(await queue.get(`order:order-${i}`), 10)
  t.equal((await queue.pull('orders', { group: 'g' })).length, 0)
})
