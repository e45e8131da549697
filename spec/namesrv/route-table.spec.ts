import t from 'tap'
import { hostA, hostB, hostC, newLink, TableUnderTest, topicConfig } from './support.ts'

t.test('a broker registers: its address and topics are known', async (t) => {
  const { table, register, addrs } = bound(new TableUnderTest())
  t.equal(table.route('T'), undefined)
  t.match(register(), { kind: 'accepted', masterAddr: undefined })
  t.same(addrs(), { 0: '10.0.0.1:10911' })
  t.same(table.route('T'), {
    brokerDatas: [{ brokerName: 'broker-a', cluster: 'DefaultCluster', enableActingMaster: false, zoneName: undefined, brokerAddrs: new Map([[0, '10.0.0.1:10911']]) }],
    queueDatas: [{ brokerName: 'broker-a', readQueueNums: 8, writeQueueNums: 8, perm: 6, topicSysFlag: 0 }],
    filterServerTable: new Map(),
    topicQueueMappingByBroker: undefined
  })
  t.equal(table.route('unknown'), undefined)
  t.same(table.topics, ['TBW102', 'T'])
  t.same(table.clusters, new Map([['DefaultCluster', ['broker-a']]]))
  t.equal(table.brokerCount, 1)
  t.equal(table.routeCount, 2)
})

t.test('a slave is told where its master is; its topics do not count', async (t) => {
  const { table, register, addrs } = bound(new TableUnderTest())
  t.match(register({ ...hostB, brokerId: 1 }), { kind: 'accepted', masterAddr: undefined })
  register({ ...hostA })
  t.match(register({ ...hostB, brokerId: 1, counter: 2, topics: ['TBW102', 'only-the-slave-has-it'] }), { kind: 'accepted', masterAddr: '10.0.0.1:10911', haServerAddr: '10.0.0.1:10912' })
  t.same(addrs(), { 0: '10.0.0.1:10911', 1: '10.0.0.2:10911' })
  t.equal(table.route('only-the-slave-has-it'), undefined)
})

t.test('topics change with the data version, and those left out stay unless the setting says otherwise', async (t) => {
  const server = new TableUnderTest()
  const { table, register } = bound(server)
  register()
  register({ topics: ['TBW102', topicConfig('T', { writeQueueNums: 4 })] })
  t.equal(table.route('T')!.queueDatas[0]!.writeQueueNums, 8, 'same version: nothing new')
  register({ counter: 2, topics: ['TBW102', topicConfig('T', { writeQueueNums: 4 })] })
  t.equal(table.route('T')!.queueDatas[0]!.writeQueueNums, 4)
  register({ counter: 3, topics: ['TBW102', 'U'] })
  t.ok(table.route('T'))
  table.deleteTopic('T', undefined)
  t.equal(table.route('T'), undefined)
  register({ counter: 3, topics: ['TBW102', 'U', 'T'] })
  t.ok(table.route('T'), 'a topic that is not there is taken, whatever the version')
  server.settings = { ...server.settings, deleteTopicWithBrokerRegistration: true }
  register({ counter: 3, topics: ['TBW102', 'T'] })
  t.equal(table.route('U'), undefined)
  t.ok(table.route('T'))
})

t.test('a first registration with one topic alone is refused and leaves no trace', async (t) => {
  const { table, register } = bound(new TableUnderTest())
  t.match(register({ topics: ['T'] }), { kind: 'refused', reason: /one topic/ })
  t.equal(table.brokerCount, 0)
  t.equal(table.clusters.size, 0)
  register()
  t.match(register({ counter: 2, topics: ['U'] }), { kind: 'accepted' })
  t.ok(table.route('U'))
  t.ok(table.route('T'))
  t.match(register({ ...hostB, brokerId: 1, topics: ['T'] }), { kind: 'refused' })
})

t.test('a new leader takes id 0 with a later term; the deposed one is ignored, then comes back as a follower', async (t) => {
  const { table, register, addrs } = bound(new TableUnderTest())
  register({ ...hostA, term: 4, counter: 9 })
  register({ ...hostB, term: 4, brokerId: 2 })
  t.match(register({ ...hostB, term: 5, counter: 1, brokerId: 0, topics: ['TBW102', 'T', 'new'] }), { kind: 'accepted' })
  t.same(addrs(), { 0: '10.0.0.2:10911' }, 'its own place as a follower is free again')
  t.ok(table.route('new'))
  t.same(register({ ...hostA, term: 4, counter: 10, topics: ['TBW102', 'T', 'from-the-past'] }).kind, 'stale')
  t.same(addrs(), { 0: '10.0.0.2:10911' })
  t.equal(table.route('from-the-past'), undefined)
  register({ ...hostA, term: 5, brokerId: 1 })
  t.same(addrs(), { 0: '10.0.0.2:10911', 1: '10.0.0.1:10911' })
  t.same(register({ ...hostA, term: 4, counter: 10 }).kind, 'stale')
  t.same(addrs(), { 0: '10.0.0.2:10911', 1: '10.0.0.1:10911' }, 'a late registration does not cost the follower its place')
  t.match(register({ ...hostA, term: 6, brokerId: 0 }), { kind: 'accepted' }, 'elected again')
  t.same(addrs(), { 0: '10.0.0.1:10911' })
})

t.test('a deposed leader does not slip in while its successor\'s connection is lost, for one time of expiry', async (t) => {
  const { clock, table, register, addrs } = bound(new TableUnderTest())
  register({ ...hostA, term: 4 })
  const { link } = register({ ...hostB, term: 5 })
  table.linksClosed(new Set([link]))
  t.same(addrs(), {})
  await clock.advance(119_000)
  t.equal(register({ ...hostA, term: 4 }).kind, 'stale')
  t.equal(table.route('T'), undefined)
  await clock.advance(1000)
  t.equal(register({ ...hostA, term: 4 }).kind, 'accepted', 'a broker that lost its disk does not wait for ever')

  const again = bound(new TableUnderTest())
  again.register({ ...hostA, term: 5 })
  again.table.unregister([{ clusterName: 'DefaultCluster', brokerName: 'broker-a', brokerId: 0, brokerAddr: hostA.brokerAddr }])
  t.equal(again.register({ ...hostB, term: 1 }).kind, 'accepted', 'who left properly is not waited for')
  const { link: first } = again.register({ ...hostB, term: 7 })
  again.table.linksClosed(new Set([first]))
  t.equal(again.register({ ...hostB, term: 1 }).kind, 'accepted', 'the same node may begin anew')
})

t.test('brokers without terms: the last who registers has the id', async (t) => {
  const { register, addrs } = bound(new TableUnderTest())
  register({ ...hostA, term: 0, brokerName: 'classic' })
  register({ ...hostB, term: 0, brokerName: 'classic' })
  t.same(addrs('classic'), { 0: '10.0.0.2:10911' })
  register({ ...hostC, term: 3, brokerId: 1, brokerName: 'classic' })
  t.equal(register({ ...hostB, term: 2, brokerId: 1, brokerName: 'classic' }).kind, 'stale', 'the rule holds for every id')
})

t.test('unregistering takes the node out, the last one with its topics', async (t) => {
  const { table, register, addrs } = bound(new TableUnderTest())
  register({ ...hostA })
  register({ ...hostB, brokerId: 1 })
  register({ ...hostC, brokerName: 'broker-b', topics: ['TBW102', 'T', 'U'] })
  const identity = { clusterName: 'DefaultCluster', brokerName: 'broker-a', brokerId: 0, brokerAddr: hostA.brokerAddr }
  table.unregister([identity, identity, { ...identity, brokerAddr: 'nobody:1' }, { ...identity, brokerName: 'nobody' }])
  t.same(addrs(), { 1: '10.0.0.2:10911' })
  t.same(table.route('T')!.queueDatas.map(({ brokerName }) => brokerName), ['broker-a', 'broker-b'])
  table.unregister([{ ...identity, brokerAddr: hostB.brokerAddr, brokerId: 1 }])
  t.same(table.route('T')!.queueDatas.map(({ brokerName }) => brokerName), ['broker-b'])
  t.same(table.clusters, new Map([['DefaultCluster', ['broker-b']]]))
  table.unregister([{ ...identity, brokerName: 'broker-b', brokerAddr: hostC.brokerAddr }])
  t.same(table.topics, [])
  t.equal(table.routeCount, 0)
  t.equal(table.brokerCount, 0)
})

t.test('a closed connection takes out all brokers that registered over it, and no others', async (t) => {
  const { table, register, addrs } = bound(new TableUnderTest())
  const container = newLink()
  register({ ...hostA }, container)
  register({ ...hostB, brokerName: 'broker-b' }, container)
  register({ ...hostC, brokerName: 'broker-c' })
  const renewed = register({ ...hostA }).link
  table.linksClosed(new Set([container]))
  t.same(addrs(), { 0: '10.0.0.1:10911' }, 'it has registered over another connection since')
  t.same(addrs('broker-b'), {})
  t.same(addrs('broker-c'), { 0: '10.0.0.3:10911' })
  table.linksClosed(new Set([renewed]))
  t.same(addrs(), {})
})

t.test('silence: the setting\'s time, or the broker\'s own; every request of a broker counts as a sign of life', async (t) => {
  const { clock, table, register, addrs } = bound(new TableUnderTest())
  const link = newLink()
  register({ ...hostA }, link)
  register({ ...hostB, brokerName: 'broker-b', heartbeatTimeoutMillis: 10_000 }, link)
  await clock.advance(10_000)
  table.expire()
  t.same(addrs('broker-b'), { 0: '10.0.0.2:10911' })
  await clock.advance(1)
  table.expire()
  t.same(addrs('broker-b'), {})
  t.equal(link.isClosed, false, 'another broker uses the connection')
  table.heartbeat({ brokerName: 'broker-a', brokerAddr: hostA.brokerAddr })
  table.heartbeat({ brokerName: 'nobody', brokerAddr: 'nobody:1' })
  await clock.advance(120_000)
  table.expire()
  t.equal(table.brokerCount, 1)
  await clock.advance(1)
  table.expire()
  t.equal(table.brokerCount, 0)
  t.equal(table.route('T'), undefined)
  t.ok(link.isClosed)
})

t.test('write permission: wiped also for what comes later, until it is added or the master comes anew', async (t) => {
  const { table, register, perms } = bound(new TableUnderTest())
  const { link } = register({ topics: [topicConfig('TBW102', { perm: 7 }), 'T'] })
  register({ ...hostB, brokerName: 'broker-b' })
  t.equal(table.wipeWritePerm('broker-a'), 2)
  t.same(perms(), { 'broker-a': 4, 'broker-b': 6 })
  t.same(perms('TBW102'), { 'broker-a': 5, 'broker-b': 6 })
  register({ counter: 2, topics: ['TBW102', 'T', 'U'] })
  t.same(perms('U'), { 'broker-a': 4 })
  register({ ...hostC, term: 2, counter: 1, topics: ['TBW102', 'T', 'U'] }, link)
  t.same(perms('U'), { 'broker-a': 4 }, 'a new leader does not undo it')
  t.equal(table.addWritePerm('broker-a'), 3)
  t.same(perms('U'), { 'broker-a': 6 })
  table.wipeWritePerm('broker-a')
  table.linksClosed(new Set([link]))
  register({ ...hostC, term: 2, counter: 1 })
  t.same(perms(), { 'broker-a': 6, 'broker-b': 6 }, 'restarted after maintenance')
  t.equal(table.wipeWritePerm('nobody'), 0)
  t.equal(table.addWritePerm('nobody'), 0)
})

t.test('acting masters: only slaves left means read only, and the lowest of them is told', async (t) => {
  const { table, register, perms, changes } = bound(new TableUnderTest({ notifyMinBrokerIdChanged: true }))
  const acting = { enableActingMaster: true }
  const { link } = register({ ...hostA, ...acting })
  register({ ...hostB, ...acting, brokerId: 1 })
  register({ ...hostC, ...acting, brokerId: 2 })
  t.same(changes, [])
  table.linksClosed(new Set([link]))
  t.same(perms(), { 'broker-a': 4 })
  t.same(changes.splice(0), [{
    brokerName: 'broker-a', minBrokerId: 1, minBrokerAddr: hostB.brokerAddr, offlineBrokerAddr: hostA.brokerAddr, haBrokerAddr: undefined, addrsToTell: [hostB.brokerAddr, hostC.brokerAddr]
  }])
  register({ ...hostB, ...acting, brokerId: 1, counter: 5, topics: ['TBW102', 'T', 'U'] })
  t.same(perms('U'), { 'broker-a': 4 }, 'the lowest slave speaks for the topics, without write permission')
  register({ ...hostC, ...acting, brokerId: 2, counter: 6, topics: ['TBW102', 'T', 'V'] })
  t.same(perms('V'), {})
  register({ ...hostA, ...acting })
  t.same(perms(), { 'broker-a': 6 })
  t.same(changes.splice(0), [{
    brokerName: 'broker-a', minBrokerId: 0, minBrokerAddr: hostA.brokerAddr, offlineBrokerAddr: undefined, haBrokerAddr: hostA.haServerAddr, addrsToTell: [hostB.brokerAddr, hostC.brokerAddr]
  }])
})

t.test('without the setting nobody is told, and without acting masters write permission stays', async (t) => {
  const { table, register, perms, changes } = bound(new TableUnderTest())
  const { link } = register({ ...hostA })
  register({ ...hostB, brokerId: 1 })
  table.linksClosed(new Set([link]))
  t.same(perms(), { 'broker-a': 6 })
  register({ ...hostA })
  t.same(changes, [])
})

t.test('topics by cluster, by kind, and of the tools', async (t) => {
  const { table, register } = bound(new TableUnderTest())
  register({ topics: ['TBW102', topicConfig('unit', { topicSysFlag: 1 }), topicConfig('sub', { topicSysFlag: 2 }), topicConfig('both', { topicSysFlag: 3 })] })
  register({ ...hostB, brokerName: 'broker-b', clusterName: 'other', topics: ['TBW102', 'O'] })
  t.same(table.topicsOfCluster('other'), ['TBW102', 'O'])
  t.same(table.topicsOfCluster('nowhere'), [])
  t.same(table.unitTopics('unit'), ['unit', 'both'])
  t.same(table.unitTopics('unitSub'), ['sub', 'both'])
  t.same(table.unitTopics('unitSubOnly'), ['sub'])
  const queue = { brokerName: 'broker-a', readQueueNums: 1, writeQueueNums: 1, perm: 6, topicSysFlag: 0 }
  t.equal(table.registerTopic('O', [queue]), undefined)
  t.same(table.route('O')!.queueDatas.map(({ brokerName }) => brokerName), ['broker-b', 'broker-a'])
  t.match(table.registerTopic('P', [queue, { ...queue, brokerName: 'nobody' }]), /nobody/)
  t.equal(table.route('P'), undefined)
  table.deleteTopic('O', 'other')
  t.same(table.route('O')!.queueDatas.map(({ brokerName }) => brokerName), ['broker-a'])
  table.deleteTopic('O', 'DefaultCluster')
  t.equal(table.route('O'), undefined)
})

t.test('a broker changes its cluster or its name', async (t) => {
  const { table, register, addrs } = bound(new TableUnderTest())
  const { link } = register()
  register({ ...hostB, brokerId: 1 })
  register({ clusterName: 'moved' }, link)
  t.same(table.clusters, new Map([['moved', ['broker-a']]]), 'the lowest node says what the cluster is')
  register({ ...hostB, brokerId: 1, clusterName: 'DefaultCluster' })
  t.same(table.clusters, new Map([['moved', ['broker-a']]]))
  register({ brokerName: 'renamed' })
  table.linksClosed(new Set([link]))
  t.same(addrs('renamed'), { 0: '10.0.0.1:10911' })
  t.same(addrs(), { 1: '10.0.0.2:10911' })
})

t.test('bounds: too much is refused and changes nothing', async (t) => {
  const { table, register } = bound(new TableUnderTest({}, { maxBrokers: 2, maxRoutes: 5 }))
  register()
  register({ ...hostB, brokerName: 'broker-b' })
  t.match(register({ ...hostC, brokerName: 'broker-c' }), { kind: 'refused', reason: /maxBrokers/ })
  t.match(register({ counter: 2, topics: ['TBW102', 'T', 'U', 'V'] }), { kind: 'refused', reason: /maxRoutes/ })
  t.match(register({ counter: 2, topics: ['TBW102', 'T', 'U'] }), { kind: 'accepted' })
  t.match(table.registerTopic('V', [{ brokerName: 'broker-a', readQueueNums: 1, writeQueueNums: 1, perm: 6, topicSysFlag: 0 }]), /maxRoutes/)
  for (const odd of [{ brokerId: -1 }, { brokerId: 1.5 }, { brokerName: '' }, { brokerAddr: 'x'.repeat(256) }, { haServerAddr: 'x'.repeat(256) }, { zoneName: 'x'.repeat(256) }]) {
    t.match(register(odd), { kind: 'refused' })
  }
  t.equal(table.brokerCount, 2)
  t.equal(table.routeCount, 5)
})

t.test('filter servers of a broker are in the routes of its topics', async (t) => {
  const { table, register } = bound(new TableUnderTest())
  register({ filterServers: ['10.0.0.1:9000'] })
  t.same(table.route('T')!.filterServerTable, new Map([['10.0.0.1:10911', ['10.0.0.1:9000']]]))
  register()
  t.same(table.route('T')!.filterServerTable, new Map())
})

/** The parts of a test, to be taken apart. */
function bound (server: TableUnderTest) {
  const { table, clock, changes } = server
  return { table, clock, changes, register: server.register.bind(server), addrs: server.addrs.bind(server), perms: server.perms.bind(server) }
}
