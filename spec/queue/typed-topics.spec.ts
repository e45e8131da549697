import t from 'tap'
import { openQueue, type EmbeddedQueue } from '../../lib/index.ts'

interface Topics {
  email: { to: string }
  report: { day: string, pages?: number }
  raw: Uint8Array
}

/** Never run: the type check of this file is the spec; every expected error must be one. */
export async function typed (queue: EmbeddedQueue<Topics>, untyped: EmbeddedQueue): Promise<void> {
  await queue.send('email', { to: 'a@b.c' }, { key: 'user-7' })
  // @ts-expect-error no such topic
  await queue.send('mail', { to: 'a@b.c' })
  // @ts-expect-error the payload of another topic
  await queue.send('email', { day: 'monday' })
  // @ts-expect-error no such option
  await queue.send('email', { to: 'a@b.c' }, { keys: 'user-7' })
  await queue.sendBatch('report', [{ body: { day: 'monday' } }, { body: { day: 'tuesday', pages: 2 }, tag: 'x' }])
  await queue.sendBatch([{ topic: 'email', body: { to: 'x' } }, { topic: 'report', body: { day: 'x' } }])
  // @ts-expect-error the payload of another topic
  await queue.sendBatch([{ topic: 'email', body: { day: 'x' } }])
  const worker = queue.process('email', (message) => {
    const to: string = message.body.to
    // @ts-expect-error not in this topic's payload
    return [to, message.body.day]
  }, { group: 'g', backoff: ['1s', 500] })
  worker.on('completed', (message) => message.attempts)
  // @ts-expect-error no such event
  worker.on('finished', () => {})
  for await (const message of queue.receive('raw', { group: 'g' })) message.body.subarray(1)
  const batch = await queue.pull('report', { group: 'g' })
  const pages: number | undefined = batch.messages[0]?.body.pages
  const dead = await queue.pull('%DLQ%g', { group: 'h' })
  await untyped.send('anything', { at: ['all', pages, dead.length] })
  // @ts-expect-error no unit
  queue.receive('raw', { group: 'g', lease: '5 parsecs' })
  await openQueue<Topics>('x', { topics: { email: { codec: 'json' } } })
  // @ts-expect-error no such topic
  await openQueue<Topics>('x', { topics: { mail: { codec: 'json' } } })
}

t.test('typed topics compile, and what they forbid does not (checked by tsc)', async (t) => {
  t.type(typed, 'function')
})
