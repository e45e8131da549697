import type { Test } from 'tap'
import { JavaError, type JavaDriver } from './java-driver.ts'
import { betweenBoth, FIRST_MESSAGES_BYTES, LATER_MESSAGES } from './old-topics.ts'

/** A message as the driver tells of it. */
export interface Seen {
  readonly topic: string
  readonly member?: string
  readonly queueId: number
  readonly queueOffset: number
  readonly tags: string | null
  readonly keys: string | null
  readonly flag: number
  readonly sysFlag: number
  readonly reconsumeTimes: number
  readonly msgId: string
  readonly body: string | null
  readonly bodyLength: number
  readonly bodyHash: number
  readonly properties: Readonly<Record<string, string>>
}

interface Sent { readonly status: string, readonly msgId: string, readonly offsetMsgId: string, readonly queueId: number, readonly queueOffset: number, readonly brokerName: string }
interface Pulled { readonly status: string, readonly queueId: number, readonly next: number, readonly min: number, readonly max: number, readonly messages: Seen[] }

/** One thing users do with the client, and what they count on. `name` is unique: topics and groups are called after it. */
export interface Snippet {
  readonly name: string
  readonly does: string
  readonly run: (t: Test, java: JavaDriver, name: string) => Promise<void>
}

const bodies = (messages: readonly Seen[]): string[] => messages.map(({ body }) => body!)
const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
const sorted = (texts: readonly string[]): string[] => [...texts].sort()

function grouped (messages: readonly Seen[]): Map<number, Seen[]> {
  const groups = new Map<number, Seen[]>()
  for (const message of messages) groups.set(message.queueId, [...groups.get(message.queueId) ?? [], message])
  return groups
}

/** Makes the topic of the snippet and fills it. */
async function filled (java: JavaDriver, topic: string, count: number, { queues = 4, tags = ['TagA'] }: { queues?: number, tags?: string[] } = {}): Promise<void> {
  await java.call('topic.create', { topic, queues })
  await java.call('send.sync', { topic, count, tags })
}

export const snippets: readonly Snippet[] = [
  {
    name: 'sync',
    does: 'sends and waits for each answer: status, ids, queue and offset are those under which the message is found',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      const sent = await java.call<Sent[]>('send.sync', { topic, count: 12 })
      t.same(sent.map(({ status }) => status), numbered('', 12).map(() => 'SEND_OK'))
      const read = await java.call<Seen[]>('topic.read', { topic, atLeast: 12 })
      t.same(sorted(bodies(read)), sorted(numbered('sync-', 12)))
      for (const [i, result] of sent.entries()) {
        const message = read.find(({ queueId, queueOffset }) => queueId === result.queueId && queueOffset === result.queueOffset)
        t.match(message, { body: `sync-${i}`, tags: 'TagA', keys: `key-${i}`, msgId: result.msgId })
      }
      const viewed = await java.call<Seen>('admin.view', { topic, msgId: sent[3]!.offsetMsgId })
      t.match(viewed, { body: 'sync-3', queueOffset: sent[3]!.queueOffset }, 'found by the id of its position')
    }
  },
  {
    name: 'auto-create',
    does: 'sends to a topic nobody made: it is made by the first message',
    async run (t, java, topic) {
      const sent = await java.call<Sent[]>('send.sync', { topic, count: 8 })
      t.same(sent.map(({ status }) => status), numbered('', 8).map(() => 'SEND_OK'))
      // the name server learns of it a moment after the message is answered
      const read = async (): Promise<Seen[] | undefined> => await java.call<Seen[]>('topic.read', { topic, atLeast: 8 }).catch((error: Error) => {
        if (!error.message.includes('Can not find Message Queue')) throw error
        return undefined
      })
      let seen: Seen[] | undefined
      while (seen === undefined) seen = await read()
      t.same(sorted(bodies(seen)), sorted(numbered('sync-', 8)))
    }
  },
  {
    name: 'async',
    does: 'sends without waiting, a callback tells of each',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      const sent = await java.call<Sent[]>('send.async', { topic, count: 50 })
      t.same(sent.filter(({ status }) => status !== 'SEND_OK'), [])
      t.equal(new Set(sent.map(({ msgId }) => msgId)).size, 50)
      t.same(sorted(bodies(await java.call<Seen[]>('topic.read', { topic, atLeast: 50 }))), sorted(numbered('async-', 50)))
    }
  },
  {
    name: 'oneway',
    does: 'sends one-way: no answer, the messages are there',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      await java.call('send.oneway', { topic, count: 20 })
      t.same(sorted(bodies(await java.call<Seen[]>('topic.read', { topic, atLeast: 20 }))), sorted(numbered('oneway-', 20)))
    }
  },
  {
    name: 'batch',
    does: 'sends batches of 10 and of 100: one answer names all messages, which lie side by side in one queue',
    async run (t, java, topic) {
      for (const count of [10, 100]) {
        const name = `${topic}-${count}`
        await java.call('topic.create', { topic: name, queues: 4 })
        const sent = await java.call<Sent>('send.batch', { topic: name, count })
        t.equal(sent.status, 'SEND_OK')
        t.equal(sent.msgId.split(',').length, count)
        t.equal(sent.offsetMsgId.split(',').length, count)
        const read = await java.call<Seen[]>('topic.read', { topic: name, atLeast: count })
        t.same(bodies(read), numbered('batch-', count))
        t.same(read.map(({ queueId, queueOffset }) => [queueId, queueOffset]), read.map((_, i) => [sent.queueId, sent.queueOffset + i]))
        t.equal(new Set(sent.msgId.split(',')).size, count)
        t.same(read[1], { ...read[1], keys: 'key-1', tags: 'TagA' })
      }
    }
  },
  {
    name: 'by-order',
    does: 'sends steps of orders, the queue chosen by the order: each order lies in one queue, in order',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      await java.call('send.byOrder', { topic, orders: 6, steps: 8 })
      const read = await java.call<Seen[]>('topic.read', { topic, atLeast: 48 })
      for (let order = 0; order < 6; order++) {
        const steps = read.filter(({ keys }) => keys === `order-${order}`)
        t.same(bodies(steps), numbered(`order-${order}/`, 8))
        t.equal(new Set(steps.map(({ queueId }) => queueId)).size, 1)
      }
    }
  },
  {
    name: 'global-order',
    does: 'sends all to the first queue; two members take them in order, one thread at a time, one of them all',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 1 })
      await java.call('send.toFirstQueue', { topic, count: 40 })
      const { received, overlaps } = await java.call<{ received: Seen[], overlaps: number }>('orderly.all', { topic, group: `${topic}-group`, count: 40, members: 2 })
      t.same(bodies(received), numbered('global-', 40))
      t.equal(overlaps, 0)
      t.equal(new Set(received.map(({ member }) => member)).size, 1)
    }
  },
  {
    name: 'properties',
    does: 'sends keys, user properties and a flag, with Chinese text in body, tags and properties',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 1 })
      const properties = { orderId: '123', userId: '456', 城市: '杭州市西湖区', emoji: '📦' }
      await java.call('send.withProperties', { topic, tags: '支付成功', body: '订单已支付：￥100 📦', keys: ['订单-1', 'order-1'], flag: 7, properties })
      const [message] = await java.call<Seen[]>('topic.read', { topic, atLeast: 1 })
      t.match(message, { tags: '支付成功', body: '订单已支付：￥100 📦', keys: '订单-1 order-1', flag: 7, properties })
      const chosen = await java.call<Pulled[]>('pull.queues', { topic, group: `${topic}-group`, tags: '支付成功 || 已发货' })
      t.same(bodies(chosen.flatMap(({ messages }) => messages)), ['订单已支付：￥100 📦'], 'found by its tag')
      const others = await java.call<Pulled[]>('pull.queues', { topic, group: `${topic}-group`, tags: '已发货' })
      t.same(others.map(({ status }) => status), ['NO_MATCHED_MSG'])
    }
  },
  {
    name: 'large',
    does: 'sends bodies of 100 KiB, 1 MiB and just under 4 MiB; more than that the broker refuses',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 1 })
      const lengths = [100 * 1024, 1024 * 1024, 4 * 1024 * 1024 - 2048]
      const hashes: number[] = []
      for (const length of lengths) hashes.push((await java.call<{ bodyHash: number }>('send.large', { topic, length })).bodyHash)
      const read = await java.call<Seen[]>('topic.read', { topic, atLeast: lengths.length })
      t.same(read.map(({ bodyLength, bodyHash }) => [bodyLength, bodyHash]), lengths.map((length, i) => [length, hashes[i]]))
      await t.rejects(java.call('send.tooLarge', { topic, length: 4 * 1024 * 1024 + 1 }), { type: 'MQBrokerException', code: 13 })
    }
  },
  {
    name: 'compressed',
    does: 'sends compressed bodies, by every algorithm the client has',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 1 })
      const { types, bodyHash } = await java.call<{ types: string[], bodyHash: number }>('send.compressed', { topic, length: 20_000 })
      const read = await java.call<(Seen & { storeSize: number })[]>('topic.read', { topic, atLeast: types.length })
      t.same(read.map(({ tags }) => tags), types)
      for (const message of read) {
        t.match(message, { bodyLength: 20_000, bodyHash })
        t.ok(message.storeSize < 5000, `${message.tags} is stored compressed, in ${message.storeSize} bytes`)
      }
    }
  },
  {
    name: 'push',
    does: 'a push consumer takes all, and the broker knows its progress afterwards',
    async run (t, java, topic) {
      await filled(java, topic, 40)
      const group = `${topic}-group`
      const received = await java.call<Seen[]>('push.all', { topic, group, count: 40 })
      t.same(sorted(bodies(received)), sorted(numbered('sync-', 40)))
      t.same(await java.call('admin.offsets', { topic, group, atLeast: 40 }), { 'broker-a/0': 10, 'broker-a/1': 10, 'broker-a/2': 10, 'broker-a/3': 10 })
    }
  },
  {
    name: 'tags',
    does: 'a push consumer of TagA || TagB gets these and no others',
    async run (t, java, topic) {
      await filled(java, topic, 30, { tags: ['TagA', 'TagB', 'TagC'] })
      const received = await java.call<Seen[]>('push.all', { topic, group: `${topic}-group`, tags: 'TagA || TagB', count: 20 })
      t.same(sorted(bodies(received)), sorted(numbered('sync-', 30).filter((_, i) => i % 3 !== 2)))
    }
  },
  {
    name: 'reconsume',
    does: 'a listener that answers RECONSUME_LATER gets the message again, later, under its own topic',
    async run (t, java, topic) {
      await filled(java, topic, 6)
      const received = await java.call<(Seen & { msgId: string })[]>('push.reconsume', { topic, group: `${topic}-group`, count: 6, delayLevel: 1 })
      for (let i = 0; i < 6; i++) {
        const deliveries = received.filter(({ body }) => body === `sync-${i}`)
        t.same(deliveries.map(({ reconsumeTimes }) => reconsumeTimes), [0, 1])
        t.same(deliveries.map(({ topic: name, keys, tags, msgId }) => [name, keys, tags, msgId]), deliveries.map(() => [topic, `key-${i}`, 'TagA', deliveries[0]!.msgId]))
      }
    }
  },
  {
    name: 'first-retry',
    does: 'the first retry without a wish of the listener comes after the third delay level',
    async run (t, java, topic) {
      await filled(java, topic, 1)
      const received = await java.call<(Seen & { storeTimestamp: number })[]>('push.reconsume', { topic, group: `${topic}-group`, count: 1, delayLevel: 0 })
      t.same(received.map(({ reconsumeTimes }) => reconsumeTimes), [0, 1])
      t.ok(received[1]!.storeTimestamp - received[0]!.storeTimestamp > 9500, `came ${received[1]!.storeTimestamp - received[0]!.storeTimestamp} ms later`)
    }
  },
  {
    name: 'dead-letters',
    does: 'a message that fails more often than its group allows is in the dead-letter topic of the group',
    async run (t, java, topic) {
      await filled(java, topic, 3)
      const { received, dead } = await java.call<{ received: Seen[], dead: Seen[] }>('push.deadLetters', { topic, group: `${topic}-group`, count: 3, maxReconsumeTimes: 2, delayLevel: 1 })
      for (let i = 0; i < 3; i++) {
        t.same(received.filter(({ body }) => body === `sync-${i}`).map(({ reconsumeTimes }) => reconsumeTimes), [0, 1, 2])
      }
      t.same(sorted(bodies(dead)), sorted(numbered('sync-', 3)))
      t.match(dead[0]!.properties, { RETRY_TOPIC: topic })
    }
  },
  {
    name: 'dead-at-once',
    does: 'a listener that asks for no retry at all has the message put aside at once',
    async run (t, java, topic) {
      await filled(java, topic, 2)
      const { received, dead } = await java.call<{ received: Seen[], dead: Seen[] }>('push.deadLetters', { topic, group: `${topic}-group`, count: 2, maxReconsumeTimes: 16, delayLevel: -1 })
      t.same(received.map(({ reconsumeTimes }) => reconsumeTimes), [0, 0])
      t.same(sorted(bodies(dead)), sorted(numbered('sync-', 2)))
    }
  },
  {
    name: 'pool',
    does: 'a listener that works with a pool of threads, in batches; what fails comes again',
    async run (t, java, topic) {
      await filled(java, topic, 60)
      const received = await java.call<Seen[]>('push.pool', { topic, group: `${topic}-group`, count: 60, failing: 6 })
      t.same(sorted([...new Set(bodies(received))]), sorted(numbered('sync-', 60)))
    }
  },
  {
    name: 'orderly',
    does: 'an orderly listener takes each queue in order, also past messages that hold it up for a moment',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      await java.call('send.byOrder', { topic, orders: 4, steps: 10 })
      const suspend = ['order-0/3', 'order-2/0', 'order-3/9']
      const { received, overlaps } = await java.call<{ received: Seen[], overlaps: number }>('orderly.all', { topic, group: `${topic}-group`, count: 40, suspend })
      t.equal(overlaps, 0)
      for (const messages of grouped(received).values()) {
        t.same(messages.map(({ queueOffset }) => queueOffset), [...messages].map(({ queueOffset }) => queueOffset).sort((a, b) => a - b), 'queue in order')
      }
      for (const body of suspend) t.equal(received.filter((message) => message.body === body).length, 2, `${body} came twice`)
      t.equal(received.length, 43)
    }
  },
  {
    name: 'broadcast',
    does: 'in a broadcasting group every member gets everything',
    async run (t, java, topic) {
      await filled(java, topic, 24)
      const received = await java.call<Seen[]>('push.broadcast', { topic, group: `${topic}-group`, count: 24 })
      for (const name of ['a', 'b']) t.same(sorted(bodies(received.filter(({ member }) => member === name))), sorted(numbered('sync-', 24)))
    }
  },
  {
    name: 'members',
    does: 'members of a group join and leave: the queues are shared out at once and every message comes once',
    async run (t, java, topic) {
      const group = `${topic}-group`
      const shared = (): Promise<Record<string, string[]>> => java.call('group.balanced', { topic, group, queues: 8 })
      await filled(java, topic, 16, { queues: 8 })
      await java.call('group.join', { topic, group, member: 'a' })
      t.same(Object.keys(await shared()), ['a'])
      await java.call('group.received', { group, count: 16 })
      await Promise.all(['b', 'c'].map((member) => java.call('group.join', { topic, group, member })))
      t.same(Object.values(await shared()).map((queues) => queues.length).sort(), [2, 3, 3])
      await java.call('send.sync', { topic, count: 24, prefix: 'with-three-' })
      const whileThree = (await java.call<Seen[]>('group.received', { group, count: 40 })).filter(({ body }) => body!.startsWith('with-three-'))
      t.same(sorted(bodies(whileThree)), sorted(numbered('with-three-', 24)), 'nothing came twice while nobody moved')
      t.equal(new Set(whileThree.map(({ member }) => member)).size, 3)
      await java.call('group.leave', { group, member: 'a' })
      t.same(Object.values(await shared()).map((queues) => queues.length), [4, 4])
      await java.call('send.sync', { topic, count: 8, prefix: 'with-two-' })
      const received = await java.call<Seen[]>('group.received', { group, count: 48 })
      t.same(sorted(bodies(received.filter(({ body }) => body!.startsWith('with-two-')))), sorted(numbered('with-two-', 8)))
      await Promise.all(['b', 'c'].map((member) => java.call('group.leave', { group, member })))
    }
  },
  {
    name: 'ten-members',
    does: 'ten members work off a backlog together',
    async run (t, java, topic) {
      const group = `${topic}-group`
      await filled(java, topic, 100, { queues: 20 })
      const members = numbered('m', 10)
      await Promise.all(members.map((member) => java.call('group.join', { topic, group, member })))
      t.same(Object.values(await java.call<Record<string, string[]>>('group.balanced', { topic, group, queues: 20 })).map((queues) => queues.length), members.map(() => 2))
      const received = await java.call<Seen[]>('group.received', { group, count: 100 })
      t.same(sorted([...new Set(bodies(received))]), sorted(numbered('sync-', 100)))
      await Promise.all(members.map((member) => java.call('group.leave', { group, member })))
    }
  },
  {
    name: 'from-first',
    does: 'a new group begins at the first message',
    async run (t, java, topic) {
      await filled(java, topic, 8)
      const received = await java.call<Seen[]>('push.from', { topic, group: `${topic}-group`, where: 'CONSUME_FROM_FIRST_OFFSET', count: 4, queues: 4 })
      t.same(sorted(bodies(received)), sorted([...numbered('sync-', 8), ...numbered('after-start-', 4)]))
    }
  },
  {
    name: 'from-last',
    does: 'a new group that asks for the last message gets those sent after its start; of a young topic also what is there',
    async run (t, java, topic) {
      await filled(java, topic, 8)
      const received = await java.call<Seen[]>('push.from', { topic, group: `${topic}-group`, where: 'CONSUME_FROM_LAST_OFFSET', count: 4, queues: 4 })
      t.same(sorted(bodies(received)), sorted([...numbered('sync-', 8), ...numbered('after-start-', 4)]), 'nothing of the queues was removed yet: a group begins at 0')
    }
  },
  {
    name: 'from-time',
    does: 'a new group begins at a moment; of a young topic at its beginning',
    async run (t, java, topic) {
      await filled(java, topic, 8)
      const received = await java.call<Seen[]>('push.from', { topic, group: `${topic}-group`, where: 'CONSUME_FROM_TIMESTAMP', timestamp: '20230101000000', count: 4, queues: 4 })
      t.same(sorted(bodies(received)), sorted([...numbered('sync-', 8), ...numbered('after-start-', 4)]))
    }
  },
  {
    name: 'pull',
    does: 'a pull consumer goes through every queue, 32 at a time, all tags or some',
    async run (t, java, topic) {
      await filled(java, topic, 90, { queues: 2, tags: ['TagA', 'TagB', 'TagC'] })
      const group = `${topic}-group`
      const pulls = await java.call<Pulled[]>('pull.queues', { topic, group })
      t.same(pulls.map(({ messages }) => messages.length).sort(), [13, 13, 32, 32])
      t.same(pulls.map(({ status, min, max }) => [status, min, max]), pulls.map(() => ['FOUND', 0, 45]))
      t.same(sorted(bodies(pulls.flatMap(({ messages }) => messages))), sorted(numbered('sync-', 90)))
      const some = await java.call<Pulled[]>('pull.queues', { topic, group, tags: 'TagA || TagB' })
      t.equal(some.flatMap(({ messages }) => messages).filter(({ tags }) => tags === 'TagC').length, 0)
      t.equal(some.flatMap(({ messages }) => messages).length, 60)
    }
  },
  {
    name: 'pull-waits',
    does: 'a pull at the end of a queue waits and is answered by the next message',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 1 })
      const answer = await java.call<Pulled & { waited: boolean }>('pull.waits', { topic, group: `${topic}-group` })
      t.match(answer, { status: 'FOUND', waited: true, messages: [{ body: 'wakes' }] })
    }
  },
  {
    name: 'pull-outside',
    does: 'a pull at the end finds nothing new, beyond it the offset is illegal; searches by time end at both ends',
    async run (t, java, topic) {
      await filled(java, topic, 5, { queues: 1 })
      const answer = await java.call('pull.outside', { topic, group: `${topic}-group` })
      t.match(answer, { max: 5, atEnd: { status: 'NO_NEW_MSG', next: 5 }, beyond: { status: 'OFFSET_ILLEGAL', next: 5 }, offsetAtZero: 0, offsetInFuture: 5 })
      t.ok(answer.earliest > Date.now() - 600_000)
    }
  },
  {
    name: 'progress',
    does: 'a pull consumer stores how far it is, another client of the group reads it',
    async run (t, java, topic) {
      await filled(java, topic, 40)
      const { before, after } = await java.call<Record<string, Record<string, number>>>('pull.progress', { topic, group: `${topic}-group` })
      t.same(Object.keys(before!).length, 4)
      t.same(after, { 'broker-a/0': 1, 'broker-a/1': 2, 'broker-a/2': 3, 'broker-a/3': 4 })
    }
  },
  {
    name: 'lite-subscribe',
    does: 'a lite pull consumer polls and commits; the next member of its group goes on from there',
    async run (t, java, topic) {
      await filled(java, topic, 40, { queues: 2 })
      const rounds = await java.call<Seen[][]>('lite.subscribe', { topic, group: `${topic}-group`, tags: '*', count: 40 })
      t.same(sorted([...new Set(bodies(rounds.flat()))]), sorted(numbered('sync-', 40)))
      t.ok(rounds[1]!.length < 40, 'the second round did not begin anew')
    }
  },
  {
    name: 'lite-assign',
    does: 'a lite pull consumer takes queues without a group, seeks to an offset and to the beginning',
    async run (t, java, topic) {
      await filled(java, topic, 10, { queues: 1 })
      const answer = await java.call<{ begin: Seen[], offset: Seen[], searched: number }>('lite.assign', { topic, group: `${topic}-group`, count: 10, offset: 7 })
      t.same(bodies(answer.begin), numbered('sync-', 10))
      t.same(bodies(answer.offset), ['sync-7', 'sync-8', 'sync-9'])
      t.equal(answer.searched, 0)
    }
  },
  {
    name: 'sql',
    does: 'consumers with SQL92 expressions get what matches, what was there and what comes; a wrong one does not start, and is told where',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 2 })
      await java.call('sql.send', { topic, count: 20 })
      const pushed = await java.call<Seen[]>('sql.push', { topic, group: `${topic}-push`, sql: "number BETWEEN 5 AND 9 AND colour IN ('red', 'green')", count: 4, sendAfterStart: 20 })
      t.same(sorted(bodies(pushed)), ['sql-6', 'sql-6', 'sql-8', 'sql-8'])
      const polled = await java.call<Seen[]>('sql.lite', { topic, group: `${topic}-lite`, sql: "colour = 'blue' AND number > 15 AND TAGS = 'TagA'", count: 4 })
      t.same(sorted(bodies(polled)), ['sql-17', 'sql-17', 'sql-19', 'sql-19'])
      await t.rejects(java.call('sql.push', { topic, group: `${topic}-wrong`, sql: "number > 'five'", count: 1 }), { type: 'MQClientException', code: 23 })
    }
  },
  {
    name: 'query',
    does: 'messages are found by key, by unique key, and by either in the admin client',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      const sent = await java.call<Sent[]>('send.sync', { topic, count: 12 })
      const found = await java.call<{ byKey: Seen[], byUniqueKey: Seen, byAdmin: Seen }>('query.byKey', { topic, key: 'key-7', msgId: sent[3]!.msgId })
      t.same(bodies(found.byKey), ['sync-7'])
      t.equal(found.byUniqueKey.body, 'sync-3')
      t.equal(found.byAdmin.body, 'sync-3')
    }
  },
  {
    name: 'requests',
    does: 'requests are answered by who consumes them; one that nobody answers is told so in time',
    async run (t, java, topic) {
      await java.call('topic.create', { topic, queues: 4 })
      t.same(await java.call('request.reply', { topic, group: `${topic}-group` }), { first: 'FIRST', second: 'SECOND', third: 'THIRD', silent: 'timeout' })
    }
  },
  {
    name: 'replay',
    does: 'three groups are sent back at once while they consume, and each takes all again',
    async run (t, java, topic) {
      await filled(java, topic, 20)
      const groups = await Promise.all(['a', 'b', 'c'].map((name) => java.call<Seen[]>('replay', { topic, group: `${topic}-${name}`, count: 20, timestamp: 0 })))
      for (const received of groups) t.same(sorted(bodies(received)), sorted([...numbered('sync-', 20), ...numbered('sync-', 20)]))
    }
  },
  {
    name: 'clone',
    does: 'a group that is given the offsets of another one gets only what that one has not had',
    async run (t, java, topic) {
      await filled(java, topic, 12)
      await java.call('push.all', { topic, group: `${topic}-first`, count: 12 })
      await java.call('admin.offsets', { topic, group: `${topic}-first`, atLeast: 12 })
      await java.call('admin.cloneOffsets', { topic, from: `${topic}-first`, group: `${topic}-second` })
      await java.call('send.sync', { topic, count: 4, prefix: 'since-' })
      t.same(sorted(bodies(await java.call<Seen[]>('push.all', { topic, group: `${topic}-second`, count: 4 }))), numbered('since-', 4))
    }
  },
  {
    name: 'skip',
    does: 'mqadmin skipAccumulatedMessage: a group that is consuming leaves its backlog behind, and gets what comes then',
    async run (t, java, topic) {
      const group = `${topic}-group`
      await java.call('topic.create', { topic, queues: 1 })
      await java.call('group.join', { topic, group, member: 'a' })
      await java.call('group.balanced', { topic, group, queues: 1 })
      await java.call('send.sync', { topic, count: 4, prefix: 'before-' })
      await java.call('group.received', { group, count: 4 })
      await java.call('group.pause', { group, member: 'a' })
      // a pull that waits already is answered still
      await java.call('send.sync', { topic, count: 1, prefix: 'last-' })
      await java.call('group.received', { group, count: 5 })
      await java.call('send.sync', { topic, count: 20, prefix: 'backlog-' })
      t.match(await java.mqadmin('skipAccumulatedMessage', '-n', java.namesrv, '-g', group, '-t', topic), /^broker-a\s+0\s+25\s*$/m)
      await java.call('group.resume', { group, member: 'a' })
      await java.call('send.sync', { topic, count: 1, prefix: 'then-' })
      t.same(sorted(bodies(await java.call<Seen[]>('group.received', { group, count: 6 }))), [...numbered('before-', 4), 'last-0', 'then-0'])
      await java.call('group.leave', { group, member: 'a' })
    }
  },
  {
    name: 'status',
    does: 'the admin client asks the members of a group how far they think they are',
    async run (t, java, topic) {
      const group = `${topic}-group`
      await filled(java, topic, 8)
      const clientId = await java.call<string>('group.join', { topic, group, member: 'a' })
      await java.call('group.received', { group, count: 8 })
      t.same(await java.call('admin.status', { topic, group, sum: 8 }), { [clientId]: { 'broker-a/0': 2, 'broker-a/1': 2, 'broker-a/2': 2, 'broker-a/3': 2 } })
      await java.call('group.leave', { group, member: 'a' })
    }
  },
  {
    name: 'transactions',
    does: 'sends transactional messages: committed ones are consumed, rolled back ones never, undecided ones as their producer says when it is asked',
    async run (t, java, topic) {
      const group = `${topic}-producers`
      await java.call('topic.create', { topic, queues: 4 })
      await java.call('transactions.begin', { group })
      const bodiesOf = (local: string, asked: string): string[] => Array.from({ length: 6 }, (_, i) => `${local[0]}${asked[0]}${i}/${local}/${asked}`)
      const committed = bodiesOf('COMMIT_MESSAGE', 'UNKNOW')
      const rolledBack = bodiesOf('ROLLBACK_MESSAGE', 'UNKNOW')
      const committedLater = bodiesOf('UNKNOW', 'COMMIT_MESSAGE')
      const rolledBackLater = bodiesOf('UNKNOW', 'ROLLBACK_MESSAGE')
      const sent = await java.call<Array<Sent & { body: string, state: string, transactionId: string }>>('transactions.send', { topic, group, bodies: [...committed, ...rolledBack, ...committedLater, ...rolledBackLater] })
      t.same(sent.map(({ status }) => status), sent.map(() => 'SEND_OK'))
      t.same(sent.map(({ body, state }) => [body, state]), sent.map(({ body }) => [body, body.split('/')[1]]))
      t.same(sorted(bodies(await java.call<Seen[]>('topic.read', { topic, atLeast: 6 }))), sorted(committed))
      const checked = await java.call<Array<Seen & { transactionId: string }>>('transactions.checked', { group, count: 12 })
      for (const message of checked) {
        t.match(sent.find(({ msgId }) => msgId === message.transactionId), { body: message.body, state: 'UNKNOW', transactionId: message.transactionId })
        t.match(message, { topic, tags: 'TagT', properties: { TRAN_MSG: 'true', PGROUP: group, TRANSACTION_CHECK_TIMES: '1' } })
      }
      const read = await java.call<Seen[]>('topic.read', { topic, atLeast: 12 })
      t.same(sorted(bodies(read)), sorted([...committed, ...committedLater]))
      for (const message of read) t.match(message, { sysFlag: 8, msgId: sent.find(({ body }) => body === message.body)!.msgId })
      await java.call('transactions.end', { group })
    }
  },
  {
    name: 'refused',
    does: 'names the broker does not allow are refused by code',
    async run (t, java) {
      const refusal = await java.call('send.sync', { topic: 'SCHEDULE_TOPIC_XXXX', count: 1 }).catch((error: unknown) => error)
      t.type(refusal, JavaError)
    }
  }
]

/** What RocketMQ's broker does otherwise. */
export const ownSnippets: readonly Snippet[] = [
  {
    name: 'members-disagree',
    does: 'two members of one group want different tags: each gets what it wants of its own queues',
    async run (t, java, topic) {
      const group = `${topic}-group`
      await java.call('topic.create', { topic, queues: 4 })
      for (const [member, tags] of [['a', 'TagA'], ['b', 'TagB']]) await java.call('group.join', { topic, group, member, tags })
      const owned = await java.call<Record<string, string[]>>('group.balanced', { topic, group, queues: 4 })
      // five: so that messages of both tags come to each of the four queues
      const tags = ['TagA', 'TagB', 'TagA', 'TagB', 'TagB']
      const sent = await java.call<Sent[]>('send.sync', { topic, count: 40, tags })
      const wanted = sent.flatMap(({ queueId }, i) => owned[tags[i % 5] === 'TagA' ? 'a' : 'b']!.includes(`broker-a/${queueId}`) ? [`sync-${i}`] : [])
      t.ok(wanted.length > 0)
      const received = await java.call<Seen[]>('group.received', { group, count: wanted.length })
      t.same(sorted(bodies(received)), sorted(wanted))
      t.same(received.filter(({ member, tags }) => tags !== (member === 'a' ? 'TagA' : 'TagB')), [])
      for (const member of ['a', 'b']) await java.call('group.leave', { group, member })
    }
  }
]

/** The same of topics that were there long ago; each name is that of such a topic. @see makeOldTopics */
export const oldTopicSnippets: readonly Snippet[] = [
  {
    name: 'from-last-old',
    does: 'of a topic whose first messages were removed, a new group that asks for the last message gets only those sent after its start',
    async run (t, java, topic) {
      const received = await java.call<Seen[]>('push.from', { topic, group: `${topic}-group`, where: 'CONSUME_FROM_LAST_OFFSET', count: 4, queues: 4 })
      t.same(sorted(bodies(received)), numbered('after-start-', 4))
    }
  },
  {
    name: 'from-time-old',
    does: 'of such a topic, a new group that asks for a moment gets what was stored since',
    async run (t, java, topic) {
      const received = await java.call<Seen[]>('push.from', { topic, group: `${topic}-group`, where: 'CONSUME_FROM_TIMESTAMP', timestamp: betweenBoth, count: 4, queues: 4 })
      t.same(sorted(bodies(received)), sorted([...numbered('later-', LATER_MESSAGES), ...numbered('after-start-', 4)]))
    }
  },
  {
    name: 'from-first-old',
    does: 'of such a topic, a new group that asks for the first message gets what is left, from the first of each queue on',
    async run (t, java, topic) {
      const received = await java.call<Seen[]>('push.from', { topic, group: `${topic}-group`, where: 'CONSUME_FROM_FIRST_OFFSET', count: 4, queues: 4 })
      const later = received.filter(({ bodyLength }) => bodyLength < FIRST_MESSAGES_BYTES)
      t.same(sorted(bodies(later)), sorted([...numbered('later-', LATER_MESSAGES), ...numbered('after-start-', 4)]))
      for (const [queueId, messages] of grouped(received)) {
        const offsets = messages.map(({ queueOffset }) => queueOffset).sort((a, b) => a - b)
        t.ok(offsets[0]! > 0, `the first of queue ${queueId} is gone`)
        t.equal(offsets.at(-1)! - offsets[0]! + 1, messages.length, `without a gap in queue ${queueId}`)
      }
    }
  }
]
