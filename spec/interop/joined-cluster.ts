import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildJava, hasJava, javaVersions } from './java-build.ts'
import { JavaDriver } from './java-driver.ts'
import type { Seen } from './java-snippets.ts'
import { freePorts, startApache, startLedgermq, startLedgermqBroker } from './servers.ts'

/** Clusters of Apache's servers and ours: a topic lies on both brokers, one client uses both. */
t.setTimeout(280_000)

if (!hasJava()) {
  t.pass('joined cluster', { skip: 'no mvn or no JDK here' })
} else {
  const classpath = buildJava(javaVersions[0])

  const withFolder = async (t: Test): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'ledgermq-joined-'))
    for (const name of ['ours', 'theirs']) await mkdir(join(folder, name))
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    return folder
  }

  /** One topic over both brokers: made, filled, consumed, looked at. */
  const useBoth = async (t: Test, java: JavaDriver, namesrv: string, addresses: readonly string[]): Promise<void> => {
    const topic = 'both'
    const cluster = await untilListed(java, namesrv, addresses)
    for (const address of addresses) t.match(cluster, address, 'the name server knows both')
    await java.call('topic.create', { topic, queues: 4 })
    const sent = await java.call<{ status: string, brokerName: string }[]>('send.sync', { topic, count: 64 })
    t.same(sent.filter(({ status }) => status !== 'SEND_OK'), [])
    t.same([...new Set(sent.map(({ brokerName }) => brokerName))].sort(), ['apache', 'ledgermq'], 'messages went to both')
    const received = await java.call<Seen[]>('push.all', { topic, group: 'both-group', count: 64 })
    t.same([...new Set(received.map(({ body }) => body))].sort(), Array.from({ length: 64 }, (_, i) => `sync-${i}`).sort(), 'and came from both')
    const offsets = await java.call<Record<string, number>>('admin.offsets', { topic, group: 'both-group', atLeast: 64 })
    t.equal(Object.keys(offsets).length, 8)
    t.equal(Object.values(offsets).reduce((sum, offset) => sum + offset, 0), 64)
  }

  const untilListed = async (java: JavaDriver, namesrv: string, addresses: readonly string[]): Promise<string> => {
    for (;;) {
      const output = await java.mqadmin('clusterList', '-n', namesrv)
      if (addresses.every((address) => output.includes(address))) return output
    }
  }

  await t.test('a broker of ours registers with Apache\'s name server, beside a broker of Apache\'s', async (t) => {
    const folder = await withFolder(t)
    const [theirs, ours] = [await freePorts(), await freePorts()]
    const apache = await startApache({ classpath, folder: join(folder, 'theirs'), ports: theirs, properties: { brokerName: 'apache' } })
    const broker = await startLedgermqBroker(join(folder, 'ours'), { ...ours, namesrv: theirs.namesrv }, { brokerName: 'ledgermq' })
    const java = new JavaDriver({ classpath, namesrv: apache.namesrv, home: folder })
    try {
      await useBoth(t, java, apache.namesrv, [apache.broker, broker.broker])
    } finally {
      await java.close()
      await broker.stop()
      await apache.stop()
    }
  })

  await t.test('a broker of Apache\'s registers with our name server, beside a broker of ours', async (t) => {
    const folder = await withFolder(t)
    const [theirs, ours] = [await freePorts(), await freePorts()]
    const ledgermq = await startLedgermq(join(folder, 'ours'), ours, { brokerName: 'ledgermq' })
    const apache = await startApache({ classpath, folder: join(folder, 'theirs'), ports: { ...theirs, namesrv: ours.namesrv }, roles: ['broker'], properties: { brokerName: 'apache' } })
    const java = new JavaDriver({ classpath, namesrv: ledgermq.namesrv, home: folder })
    try {
      await useBoth(t, java, ledgermq.namesrv, [ledgermq.broker, apache.broker])
    } finally {
      await java.close()
      await apache.stop()
      await ledgermq.stop()
    }
  })
}
