import type { Test } from 'tap'
import type { JavaDriver } from './java-driver.ts'
import type { Seen } from './java-snippets.ts'
import type { Server } from './servers.ts'

/** What the commands work on, in order: a later one relies on what earlier ones did. */
export interface Context {
  readonly java: JavaDriver
  readonly server: Server
  readonly version: string
  readonly topic: string
  readonly group: string
}

/** One command of mqadmin, or a few that belong together, and what its output has to say. */
export interface Command {
  readonly name: string
  readonly does: string
  readonly run: (t: Test, context: Context) => Promise<void>
}

/** Runs the tool against our name server; `INTEROP_SHOW=1` shows what it printed. */
async function mqadmin (t: Test, { java, server }: Context, command: string, ...args: string[]): Promise<string> {
  const output = await java.mqadmin(command, '-n', server.namesrv, ...args)
  if (process.env['INTEROP_SHOW'] !== undefined) t.comment(`${command} ${args.join(' ')}\n${output}`)
  t.notMatch(output, /Exception|command failed|not found/i, `${command} ends without an error`)
  return output
}

/** Cells of the lines of a table that begin with `first`. */
function rows (output: string, first: string): string[][] {
  return output.split('\n').map((line) => line.trim().split(/\s+/)).filter((cells) => cells[0] === first)
}

export const commands: readonly Command[] = [
  {
    name: 'updateTopic',
    does: 'makes a topic in the cluster, and changes the number of its queues',
    async run (t, context) {
      const { server: { broker }, topic } = context
      t.match(await mqadmin(t, context, 'updateTopic', '-c', 'DefaultCluster', '-t', topic), `create topic to ${broker} success`)
      const output = await mqadmin(t, context, 'updateTopic', '-b', broker, '-t', topic, '-r', '4', '-w', '4')
      t.match(output, `create topic to ${broker} success`)
      t.match(output, /readQueueNums=4, writeQueueNums=4, perm=RW-/)
    }
  },
  {
    name: 'topicList',
    does: 'lists the topic, by name server and by cluster',
    async run (t, context) {
      t.ok((await mqadmin(t, context, 'topicList')).split('\n').includes(context.topic))
      t.ok(rows(await mqadmin(t, context, 'topicList', '-c'), 'DefaultCluster').some((cells) => cells[1] === context.topic))
    }
  },
  {
    name: 'topicRoute',
    does: 'shows where the topic is',
    async run (t, context) {
      const output = await mqadmin(t, context, 'topicRoute', '-t', context.topic)
      const route = JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1).replaceAll(/([{,]\s*)(\d+):/g, '$1"$2":'))
      t.match(route, {
        brokerDatas: [{ brokerAddrs: { 0: context.server.broker }, brokerName: 'broker-a', cluster: 'DefaultCluster' }],
        queueDatas: [{ brokerName: 'broker-a', perm: 6, readQueueNums: 4, writeQueueNums: 4 }]
      })
    }
  },
  {
    name: 'topicClusterList',
    does: 'names the cluster of the topic',
    async run (t, context) {
      t.match(await mqadmin(t, context, 'topicClusterList', '-t', context.topic), /DefaultCluster/)
    }
  },
  {
    name: 'clusterList',
    does: 'shows the broker with version and rates',
    async run (t, context) {
      const [row] = rows(await mqadmin(t, context, 'clusterList'), 'DefaultCluster')
      t.match(row!.slice(0, 5), ['DefaultCluster', 'broker-a', '0', context.server.broker, /^V\d_\d+_\d+/])
    }
  },
  {
    name: 'brokerStatus',
    does: 'shows what the broker counts',
    async run (t, context) {
      const output = await mqadmin(t, context, 'brokerStatus', '-b', context.server.broker)
      for (const key of ['bootTimestamp', 'brokerVersionDesc', 'putTps', 'getTotalTps', 'msgPutTotalTodayNow', 'commitLogMaxOffset', 'putMessageTimesTotal', 'runtime']) {
        t.match(output, new RegExp(`^${key}\\s*:`, 'm'))
      }
    }
  },
  {
    name: 'getBrokerConfig',
    does: 'prints the configuration in force',
    async run (t, context) {
      const output = await mqadmin(t, context, 'getBrokerConfig', '-b', context.server.broker)
      t.match(output, /^brokerName\s*=\s*broker-a/m)
      t.match(output, new RegExp(`^listenPort\\s*=\\s*${context.server.broker.split(':')[1]}`, 'm'))
    }
  },
  {
    name: 'updateBrokerConfig',
    does: 'changes a setting at run time',
    async run (t, context) {
      const { server: { broker } } = context
      for (const [key, value] of [['defaultTopicQueueNums', '6'], ['flushDiskType', 'ASYNC_FLUSH'], ['flushDiskType', 'SYNC_FLUSH']] as const) {
        t.match(await mqadmin(t, context, 'updateBrokerConfig', '-b', broker, '-k', key, '-v', value), `update broker config success, ${broker}`)
        t.match(await mqadmin(t, context, 'getBrokerConfig', '-b', broker), new RegExp(`^${key}\\s*=\\s*${value}`, 'm'))
      }
    }
  },
  {
    name: 'updateSubGroup',
    does: 'makes a subscription group',
    async run (t, context) {
      const { server: { broker }, group } = context
      t.match(await mqadmin(t, context, 'updateSubGroup', '-c', 'DefaultCluster', '-g', group, '-r', '3'), `create subscription group to ${broker} success`)
      // 4.9 knows no retry policies
      if (context.version.startsWith('4')) return
      const policy = { type: 'EXPONENTIAL', exponentialRetryPolicy: { initial: 700, max: 9000, multiplier: 3 } }
      await mqadmin(t, context, 'updateSubGroup', '-c', 'DefaultCluster', '-g', group, '-r', '3', '-p', JSON.stringify(policy))
      t.match(await mqadmin(t, context, 'getConsumerConfig', '-g', group), /type=EXPONENTIAL.*initial=700, max=9000, multiplier=3/)
    }
  },
  {
    name: 'sendMessage',
    does: 'sends a message with tag and key',
    async run (t, context) {
      const output = await mqadmin(t, context, 'sendMessage', '-t', context.topic, '-p', 'sent by mqadmin', '-k', 'admin-key', '-c', 'AdminTag', '-b', 'broker-a', '-i', '0')
      t.match(rows(output, 'broker-a')[0], ['broker-a', '0', 'SEND_OK', /^[0-9A-F]{32,}$/])
    }
  },
  {
    name: 'queryMsgTraceById',
    does: 'shows who has sent and consumed a message, as their clients have written it down',
    async run (t, context) {
      const { java, topic, group } = context
      await java.call('topic.create', { topic: `${topic}-traced`, queues: 1 })
      const msgId = await java.call<string>('trace.send', { topic: `${topic}-traced`, group: `${group}-traced` })
      const output = await mqadmin(t, context, 'queryMsgTraceById', '-i', msgId)
      t.match(rows(output, 'Pub')[0]?.slice(0, 2), ['Pub', `${group}-traced-producers`])
      t.match(output, new RegExp(`${group}-traced\\s`))
    }
  },
  {
    name: 'topicStatus',
    does: 'shows the range and the last change of every queue',
    async run (t, context) {
      await context.java.call('send.sync', { topic: context.topic, count: 8 })
      const queues = rows(await mqadmin(t, context, 'topicStatus', '-t', context.topic), 'broker-a')
      t.same(queues.map((cells) => cells[1]), ['0', '1', '2', '3'])
      t.same(queues.map((cells) => cells[2]), ['0', '0', '0', '0'])
      t.equal(queues.reduce((sum, cells) => sum + Number(cells[3]), 0), 9)
      t.match(queues[0]![4], /^\d{4}-\d\d-\d\d/)
    }
  },
  {
    name: 'queryMsgById',
    does: 'shows the message at a position',
    async run (t, context) {
      const [sent] = await context.java.call<{ offsetMsgId: string, queueId: number, queueOffset: number }[]>('send.sync', { topic: context.topic, count: 1, prefix: 'looked-up-' })
      const output = await mqadmin(t, context, 'queryMsgById', '-i', sent!.offsetMsgId, ...context.version.startsWith('4.') ? [] : ['-t', context.topic])
      t.match(output, new RegExp(`^OffsetID:\\s+${sent!.offsetMsgId}`, 'm'))
      for (const line of [`Topic:\\s+${context.topic}`, 'Tags:\\s+\\[TagA\\]', 'Keys:\\s+\\[key-0\\]', `Queue ID:\\s+${sent!.queueId}`, `Queue Offset:\\s+${sent!.queueOffset}`, 'Reconsume Times:\\s+0']) {
        t.match(output, new RegExp(`^${line}`, 'm'))
      }
    }
  },
  {
    name: 'queryMsgByKey',
    does: 'lists the messages with a key',
    async run (t, context) {
      const [sent] = await context.java.call<{ msgId: string, queueId: number, queueOffset: number }[]>('send.sync', { topic: context.topic, count: 1, prefix: 'by-key-' })
      const output = await mqadmin(t, context, 'queryMsgByKey', '-t', context.topic, '-k', 'key-0')
      t.ok(rows(output, sent!.msgId).some((cells) => cells[1] === String(sent!.queueId) && cells[2] === String(sent!.queueOffset)), output)
    }
  },
  {
    name: 'queryMsgByUniqueKey',
    does: 'shows the message with a unique key',
    async run (t, context) {
      const [sent] = await context.java.call<{ msgId: string, queueId: number, queueOffset: number }[]>('send.sync', { topic: context.topic, count: 1, prefix: 'unique-' })
      const output = await mqadmin(t, context, 'queryMsgByUniqueKey', '-t', context.topic, '-i', sent!.msgId)
      for (const line of [`Topic:\\s+${context.topic}`, `Queue ID:\\s+${sent!.queueId}`, `Queue Offset:\\s+${sent!.queueOffset}`]) t.match(output, new RegExp(`^${line}`, 'm'))
    }
  },
  {
    name: 'queryMsgByOffset',
    does: 'shows the message at an offset of a queue',
    async run (t, context) {
      const output = await mqadmin(t, context, 'queryMsgByOffset', '-t', context.topic, '-b', 'broker-a', '-i', '0', '-o', '0')
      t.match(output, /^Tags:\s+\[AdminTag\]/m)
      t.match(output, /^Queue Offset:\s+0/m)
    }
  },
  {
    name: 'printMsgByQueue',
    does: 'prints the messages of one queue',
    async run (t, context) {
      const output = await mqadmin(t, context, 'printMsgByQueue', '-t', context.topic, '-a', 'broker-a', '-i', '0', '-p', 'true', '-d', 'true')
      t.match(output, /BODY: sent by mqadmin/)
    }
  },
  {
    name: 'consumeMessage',
    does: 'takes messages of a topic, and of one queue from an offset',
    async run (t, context) {
      t.match(await mqadmin(t, context, 'consumeMessage', '-t', context.topic, '-g', `${context.group}-console`), /BODY: sent by mqadmin/)
      t.match(await mqadmin(t, context, 'consumeMessage', '-t', context.topic, '-b', 'broker-a', '-i', '0', '-o', '0', '-c', '1', '-g', `${context.group}-console`), /BODY: sent by mqadmin/)
    }
  },
  {
    name: 'consumerConnection',
    does: 'shows the members of a group, their subscription and how they consume',
    async run (t, context) {
      const { java, topic, group } = context
      const clientId = await java.call<string>('group.join', { topic, group, member: 'a', tags: 'TagA || AdminTag' })
      await java.call('group.balanced', { topic, group, queues: 4 })
      await java.call('group.received', { group, count: 10 })
      const output = await mqadmin(t, context, 'consumerConnection', '-g', group)
      t.match(output, clientId)
      t.match(output, new RegExp(`${topic}\\s+(SubExpression: )?TagA \\|\\| AdminTag`))
      for (const fact of [/ConsumeType: CONSUME_PASSIVELY/, /MessageModel: CLUSTERING/, /ConsumeFromWhere: CONSUME_FROM_FIRST_OFFSET/]) t.match(output, fact)
    }
  },
  {
    name: 'producerConnection',
    does: 'shows the clients of a producer group',
    async run (t, context) {
      const output = await mqadmin(t, context, 'producerConnection', '-g', 'interop-producers', '-t', context.topic)
      t.match(output, /127\.0\.0\.1:\d+\s+JAVA\s+V\d_\d+_\d+/)
    }
  },
  {
    name: 'consumerProgress',
    does: 'shows how far a group is in every queue, and all groups',
    async run (t, context) {
      const { java, topic, group } = context
      await java.call('admin.offsets', { topic, group, atLeast: 12 })
      const output = await mqadmin(t, context, 'consumerProgress', '-g', group)
      const queues = rows(output, topic)
      t.equal(queues.length, 4)
      t.same(queues.map((cells) => cells[3]), queues.map((cells) => cells[4]), 'consumer offset is broker offset')
      t.match(output, /Consume Diff Total: 0|Diff Total: 0/)
      const [row] = rows(await mqadmin(t, context, 'consumerProgress'), group)
      t.match(row!.join(' '), new RegExp(`^${group} 1 V\\d_\\d+_\\d+ PUSH CLUSTERING`))
    }
  },
  {
    name: 'resetOffsetByTime',
    does: 'sends a group that is consuming back to a moment: its members get the messages again, without a restart',
    async run (t, context) {
      const { java, topic, group } = context
      const before = (await java.call<Seen[]>('group.received', { group })).length
      const output = await mqadmin(t, context, 'resetOffsetByTime', '-g', group, '-t', topic, '-s', '1000')
      t.equal(rows(output, 'broker-a').length, 4)
      const received = await java.call<Seen[]>('group.received', { group, deliveries: before + 12 })
      t.equal(new Set(received.slice(before).map(({ body }) => body)).size, 12)
    }
  },
  {
    name: 'resetOffsetByTime-by-clients',
    does: 'with useServerSideResetOffset=false the members are told (220), and move themselves',
    async run (t, context) {
      const { java, topic, group, server: { broker } } = context
      const setting = (value: boolean): Promise<string> => mqadmin(t, context, 'updateBrokerConfig', '-b', broker, '-k', 'useServerSideResetOffset', '-v', String(value))
      const before = (await java.call<Seen[]>('group.received', { group })).length
      await setting(false)
      try {
        t.equal(rows(await mqadmin(t, context, 'resetOffsetByTime', '-g', group, '-t', topic, '-s', '1000'), 'broker-a').length, 4)
      } finally {
        await setting(true)
      }
      const received = await java.call<Seen[]>('group.received', { group, deliveries: before + 12 })
      t.equal(new Set(received.slice(before).map(({ body }) => body)).size, 12)
    }
  },
  {
    name: 'resetOffsetByTime-offline',
    does: 'sends a group without members to the end',
    async run (t, context) {
      const { java, topic, group } = context
      await java.call('group.leave', { group, member: 'a' })
      await java.call('send.sync', { topic, count: 4, prefix: 'skipped-' })
      await mqadmin(t, context, 'resetOffsetByTime', '-g', group, '-t', topic, '-s', 'now')
      await java.call('group.join', { topic, group, member: 'a' })
      await java.call('group.balanced', { topic, group, queues: 4 })
      const [last] = await java.call<{ queueId: number }[]>('send.sync', { topic, count: 1, prefix: 'after-reset-' })
      t.ok(last)
      const isThere = async (): Promise<Seen[] | undefined> => {
        const received = await java.call<Seen[]>('group.received', { group })
        return received.some(({ body }) => body === 'after-reset-0') ? received : undefined
      }
      let received: Seen[] | undefined
      while ((received = await isThere()) === undefined);
      t.same(received.filter(({ body }) => body!.startsWith('skipped-')), [])
      await java.call('group.leave', { group, member: 'a' })
    }
  },
  {
    name: 'cloneGroupOffset',
    does: 'gives a group the offsets of another one',
    async run (t, context) {
      const { java, topic, group } = context
      const clone = `${group}-clone`
      const offsets = await java.call<Record<string, number>>('admin.offsets', { topic, group, atLeast: 17 })
      await mqadmin(t, context, 'updateSubGroup', '-c', 'DefaultCluster', '-g', clone)
      t.match(await mqadmin(t, context, 'cloneGroupOffset', '-s', group, '-d', clone, '-t', topic, '-o', 'true'), /clone group offset success/)
      t.same(await java.call('offsets.get', { topic, group: clone }), offsets)
    }
  },
  {
    name: 'statsAll',
    does: 'shows topic and group with what waits',
    async run (t, context) {
      const [row] = rows(await mqadmin(t, context, 'statsAll', '-t', context.topic), context.topic)
      t.ok(row !== undefined)
    }
  },
  {
    name: 'deleteSubGroup',
    does: 'removes a group',
    async run (t, context) {
      const { server: { broker }, group } = context
      t.match(await mqadmin(t, context, 'deleteSubGroup', '-c', 'DefaultCluster', '-g', group), `delete subscription group [${group}] from broker [${broker}] in cluster [DefaultCluster] success`)
    }
  },
  {
    name: 'deleteTopic',
    does: 'removes a topic from brokers and name server',
    async run (t, context) {
      const { topic } = context
      const output = await mqadmin(t, context, 'deleteTopic', '-c', 'DefaultCluster', '-t', topic)
      t.match(output, `delete topic [${topic}] from cluster [DefaultCluster] success`)
      t.notOk((await mqadmin(t, context, 'topicList')).split('\n').includes(topic))
    }
  }
]
