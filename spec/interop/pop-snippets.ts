import type { JavaDriver } from './java-driver.ts'
import type { Seen, Snippet } from './java-snippets.ts'

type Popped = Seen & { readonly handle: string }
interface Taken { readonly status: string, readonly messages: Popped[] }

const MEMBERS = 10
const QUEUES = 4
const COUNT = 160

const bodies = (messages: readonly Seen[]): string[] => messages.map(({ body }) => body!)
const sorted = (texts: readonly string[]): string[] => [...texts].sort()

/** The group, made if need be, consumes the topic in pop mode from now on; what the command says. */
export async function popMode (java: JavaDriver, topic: string, group: string): Promise<string> {
  await java.mqadmin('updateSubGroup', '-n', java.namesrv, '-c', 'DefaultCluster', '-g', group)
  return await java.mqadmin('setConsumeMode', '-n', java.namesrv, '-c', 'DefaultCluster', '-t', topic, '-g', group, '-m', 'POP', '-q', '0')
}

/** Consumers in pop mode, of clients that have it. */
export const popSnippets: readonly Snippet[] = [
  {
    name: 'pop-push',
    does: `mqadmin setConsumeMode POP: ${MEMBERS} push consumers share the backlog of ${QUEUES} queues message by message, what fails comes again`,
    async run (t, java, topic) {
      if (!await java.call<boolean>('pop.isThere')) {
        t.pass('this client has no pop', { skip: true })
        return
      }
      const group = `${topic}-group`
      await java.call('topic.create', { topic, queues: QUEUES })
      await java.call('send.sync', { topic, count: COUNT, prefix: 'm' })
      t.match(await popMode(java, topic, group), /set consume mode to .* success/)
      const fail = ['m3', 'm77', 'm150']
      const { isPopped, received } = await java.call<{ isPopped: boolean, received: Array<Seen & { member: string }> }>('pop.push', { topic, group, members: MEMBERS, count: COUNT, fail, pauseMs: 50 })
      t.ok(isPopped, 'the client pops')
      t.same(sorted(new Set(bodies(received)).size === COUNT ? bodies(received) : []), sorted([...Array.from({ length: COUNT }, (_, i) => `m${i}`), ...fail]), 'each once, those that failed once more')
      t.same(sorted(bodies(received.filter(({ reconsumeTimes }) => reconsumeTimes === 1))), sorted(fail))
      t.ok(new Set(received.map(({ member }) => member)).size > QUEUES, 'more members than queues have some')
      const offsets = await java.call<Record<string, number>>('admin.offsets', { topic, group, atLeast: COUNT })
      t.equal(Object.values(offsets).reduce((sum, offset) => sum + offset, 0), COUNT, 'tools see that all is done')
    }
  },
  {
    name: 'pop-calls',
    does: 'pops, acknowledges one and many, changes the invisible time, pops in order: by the calls of Apache\'s client, which makes and reads the handles',
    async run (t, java, topic) {
      if (!await java.call<boolean>('pop.isThere')) {
        t.pass('this client has no pop', { skip: true })
        return
      }
      const group = `${topic}-group`
      await java.call('topic.create', { topic, queues: 1 })
      await java.call('send.sync', { topic, count: 12, prefix: 'm' })
      const take = (fields: object) => java.call<Taken>('pop.take', { topic, group, invisibleTime: 60_000, ...fields })
      const ack = ({ handle }: Popped) => java.call<string>('pop.ack', { topic, group, handle })
      const first = await take({ max: 6, invisibleTime: 20_000 })
      t.same([first.status, bodies(first.messages)], ['FOUND', ['m0', 'm1', 'm2', 'm3', 'm4', 'm5']])
      t.equal(await ack(first.messages[0]!), 'OK')
      t.equal(await java.call('pop.ackAll', { topic, group, handles: [1, 3, 5].map((i) => first.messages[i]!.handle) }), 'OK')
      const handle = await java.call<string>('pop.change', { topic, group, handle: first.messages[2]!.handle, invisibleTime: 500 })
      t.match(handle, / 500 /)
      t.equal(await ack(first.messages[2]!), 'NO_EXIST', 'the old handle')
      t.equal(await java.call('pop.change', { topic, group, handle: first.messages[2]!.handle, invisibleTime: 500 }), 'NO_EXIST')
      t.equal(await ack(first.messages[4]!), 'OK')
      const rest: Popped[] = []
      while (rest.length < 7) rest.push(...(await take({ pollTime: 10_000 })).messages)
      t.same(rest.map(({ body, reconsumeTimes }) => `${body} ${reconsumeTimes}`).sort(), ['m10 0', 'm11 0', 'm2 1', 'm6 0', 'm7 0', 'm8 0', 'm9 0'])

      const ordered = (attemptId: string) => java.call<Taken>('pop.take', { topic, group: `${group}-ordered`, invisibleTime: 60_000, max: 3, order: true, attemptId })
      const one = await ordered('a')
      t.same(bodies(one.messages), ['m0', 'm1', 'm2'])
      t.same(await ordered('b'), { status: 'POLLING_NOT_FOUND', messages: [] }, 'nobody else has the queue meanwhile')
      const again = await ordered('a')
      t.same(bodies(again.messages), ['m0', 'm1', 'm2'], 'the same attempt has the same again')
      const handles = again.messages.map(({ handle }) => handle)
      t.equal(await java.call('pop.ackAll', { topic, group: `${group}-ordered`, handles }), 'OK')
      t.same(bodies((await ordered('b')).messages), ['m3', 'm4', 'm5'])
    }
  },
  {
    name: 'pop-priorities',
    does: 'messages with a priority, as later clients set it, are popped from the highest down',
    async run (t, java, topic) {
      if (!await java.call<boolean>('pop.isThere')) {
        t.pass('this client has no pop', { skip: true })
        return
      }
      t.match(await java.mqadmin('updateTopic', '-n', java.namesrv, '-c', 'DefaultCluster', '-t', topic, '-r', '4', '-w', '4', '-a', '+message.type=PRIORITY'), /success/)
      const priorities = [1, 3, 0, 2, 3, 1]
      for (const [i, priority] of priorities.entries()) await java.call('send.withProperties', { topic, body: `${priority}/${i}`, keys: [`key-${i}`], flag: 0, properties: { _SYS_MSG_PRIORITY_: priority } })
      const taken: string[] = []
      while (taken.length < priorities.length) taken.push(...bodies((await java.call<Taken>('pop.take', { topic, group: `${topic}-group`, invisibleTime: 60_000, pollTime: 10_000, max: 2 })).messages))
      t.same(taken, ['3/1', '3/4', '2/3', '1/0', '1/5', '0/2'])
    }
  }
]
