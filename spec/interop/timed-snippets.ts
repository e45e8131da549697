import type { Snippet } from './java-snippets.ts'

interface Told { readonly status: string, readonly handle: string | null, readonly tookMs?: number, readonly msgId?: string, readonly recalled?: unknown, readonly again?: unknown }

/** Lateness that a busy machine may add. */
const LATE_MS = 3000

/** Messages that come later, with the client's own ways to ask for that. */
export const timedSnippets: readonly Snippet[] = [
  {
    name: 'timed',
    does: 'sends with levels of delay and with every property for a time: they come then, not earlier; one whose time has passed comes at once',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      const ways = [
        { body: 'level 1', level: 1, waitMs: 1000 },
        { body: 'level 2', level: 2, waitMs: 5000 },
        { body: 'seconds', property: 'TIMER_DELAY_SEC', value: '3', waitMs: 3000 },
        { body: 'milliseconds', property: 'TIMER_DELAY_MS', value: '2345', waitMs: 2345 },
        { body: 'a time', property: 'TIMER_DELIVER_MS', at: 4000, waitMs: 4000 },
        { body: 'passed', property: 'TIMER_DELIVER_MS', at: -5000, waitMs: 0 }
      ]
      const told = await java.call<Record<string, Told>>('timed.consume', { topic, group: `${topic}-group`, ways, lingerMs: 0 })
      for (const { body, waitMs } of ways) {
        const { status, tookMs } = told[body]!
        t.equal(status, 'SEND_OK')
        // RocketMQ rounds times down to a second
        t.ok(tookMs! >= waitMs, `${body} is not early: ${tookMs} ms`)
        t.ok(tookMs! <= waitMs + LATE_MS, `${body} is hardly late: ${tookMs} ms`)
      }
      for (const [property, value] of [['TIMER_DELAY_SEC', '999999999'], ['TIMER_DELIVER_MS', 'soon']]) t.match(await java.call('timed.refused', { topic, property, value }), { code: 13, message: /timer message illegal/ })
    }
  },
  {
    name: 'recall',
    does: 'recalls messages by the handle of their send: they never come, the others do',
    async run (t, java, topic) {
      if (!await java.call<boolean>('timed.canRecall')) {
        t.pass('this client has no recall', { skip: true })
        return
      }
      await java.call('topic.create', { topic, queues: 4 })
      const ways = Array.from({ length: 10 }, (_, i) => ({ body: `m${i}`, property: 'TIMER_DELAY_MS', value: '4000', recall: i % 3 === 0 }))
      const told = await java.call<Record<string, Told>>('timed.consume', { topic, group: `${topic}-group`, ways, lingerMs: 1500 })
      for (const { body, recall } of ways) {
        const { handle, msgId, recalled, again, tookMs } = told[body]!
        t.ok(handle)
        t.equal(tookMs === undefined, recall, body)
        if (!recall) continue
        t.equal(recalled, msgId)
        t.match(again, { code: 604 }, 'nothing waits any more')
      }
    }
  }
]
