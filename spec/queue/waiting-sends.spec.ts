import t from 'tap'
import { MqError, VirtualClock } from '../../lib/index.ts'
import type { Engine, PutProposal, Topic } from '../../lib/engine/index.ts'
import { tagsCodeOf } from '../../lib/message/index.ts'
import { makeCodec } from '../../lib/queue/codec.ts'
import { Sender } from '../../lib/queue/sender.ts'
import { TopicRoute, type TopicRoutes } from '../../lib/queue/topic-routes.ts'

/** A sender over an engine that takes proposals and does nothing with them by itself. */
function senderAlone () {
  const clock = new VirtualClock()
  const submitted: PutProposal[] = []
  const engine = { submit: (proposal: PutProposal) => { submitted.push(proposal) } } as unknown as Engine
  const topic = { name: 'jobs', nameBytes: 4, queueCount: 1, creationCostBytes: 0, ensure: () => undefined, queue: () => ({ proposedNextOffset: 7, append () {} }) } as unknown as Topic
  const routes = { get: () => new TopicRoute(topic, makeCodec({ codec: 'json' })) } as unknown as TopicRoutes
  const writer = { nextPhysicalOffset: 100 } as never
  return { clock, submitted, writer, sender: new Sender(engine, clock, routes, { maxMessageBytes: 1000, maxEntryBytes: 10_000 }) }
}

t.test('a send that is not sealed in time has not happened, and will not', async (t) => {
  const { clock, submitted, writer, sender } = senderAlone()
  const sent = t.rejects(sender.send('jobs', 1, { timeoutMs: 500 }), { code: 'MQ_TIMEOUT', outcome: 'not-applied' })
  await clock.advance(500)
  await sent
  submitted[0]!.decide(writer, 1)
  submitted[0]!.settle()
})

t.test('of a sealed send nobody knows', async (t) => {
  const { clock, submitted, writer, sender } = senderAlone()
  const sent = t.rejects(sender.send('jobs', 1, { timeoutMs: 500 }), { code: 'MQ_TIMEOUT', outcome: 'unknown' })
  submitted[0]!.decide(writer, 1)
  await clock.advance(500)
  await sent
  const controller = new AbortController()
  const aborted = t.rejects(sender.send('jobs', 1, { signal: controller.signal }), { code: 'MQ_ABORTED', outcome: 'unknown' })
  submitted[1]!.decide(writer, 1)
  controller.abort()
  await aborted
})

t.test('a send that ends leaves no timer and no listener', async (t) => {
  const { clock, submitted, writer, sender } = senderAlone()
  const { signal } = new AbortController()
  const sent = sender.send('jobs', 1, { timeoutMs: 500, signal })
  submitted[0]!.decide(writer, 123)
  submitted[0]!.settle()
  t.match(await sent, { topic: 'jobs', queueId: 0, queueOffset: 7, physicalOffset: 100, storeTimestampMs: 123 })
  t.equal(clock.waiting, 0)
  const failed = t.rejects(sender.send('jobs', 1, { timeoutMs: 500, signal }), { code: 'MQ_IO' })
  submitted[1]!.fail(new MqError('MQ_IO', 'disk'))
  await failed
  t.equal(clock.waiting, 0)
})

t.test('what encodes a body may send with another tag', async (t) => {
  const { submitted, sender } = senderAlone()
  const sent: Array<Promise<unknown>> = []
  const body = { toJSON: () => sent.push(sender.send('jobs', 1, { tag: 'inner' })) }
  sent.push(sender.send('jobs', body, { tag: 'outer' }))
  t.same(submitted.map(({ tags, tagsCode }) => [tags, tagsCode]), [['inner', tagsCodeOf('inner')], ['outer', tagsCodeOf('outer')]])
})
