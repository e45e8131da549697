import t from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import { RemotingServer, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { startedServer } from './server-support.ts'
import { hostA, hostB, hostC, topicConfig } from './support.ts'

const {
  GET_ROUTEINFO_BY_TOPIC, GET_BROKER_CLUSTER_INFO, GET_ALL_TOPIC_LIST_FROM_NAMESERVER, GET_TOPICS_BY_CLUSTER, GET_SYSTEM_TOPIC_LIST_FROM_NS, GET_UNIT_TOPIC_LIST,
  GET_HAS_UNIT_SUB_TOPIC_LIST, GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, DELETE_TOPIC_IN_NAMESRV, REGISTER_TOPIC_IN_NAMESRV, UNREGISTER_BROKER, BROKER_HEARTBEAT,
  QUERY_DATA_VERSION, GET_BROKER_MEMBER_GROUP, WIPE_WRITE_PERM_OF_BROKER, ADD_WRITE_PERM_OF_BROKER, PUT_KV_CONFIG, GET_KV_CONFIG, DELETE_KV_CONFIG,
  GET_KVLIST_BY_NAMESPACE, UPDATE_NAMESRV_CONFIG, GET_NAMESRV_CONFIG, NOTIFY_MIN_BROKER_ID_CHANGE
} = RequestCode
const identity = { clusterName: 'DefaultCluster', brokerName: 'broker-a', brokerAddr: hostA.brokerAddr, brokerId: 0 }
const queuesOfA = '{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}'

t.test('a route, byte for byte in the shape for old requesters and in the one for new ones', async (t) => {
  const { connect } = await startedServer(t)
  const [broker, slave, client] = [connect(), connect(), connect()]
  await slave.register({ ...hostB, brokerId: 1 })
  t.equal((await broker.register({ ...hostA })).code, ResponseCode.SUCCESS)
  const legacy = `{"brokerDatas":[{"brokerAddrs":{0:"10.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[${queuesOfA}]}`
  const standard = legacy.replace('{0:', '{"0":').replace(',1:', ',"1":')
  t.equal(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }, { version: 400 }), legacy)
  t.equal(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }, { version: 401 }), standard)
  t.equal(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T', acceptStandardJsonOnly: true }, { version: 121 }), standard)
  t.equal(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T', acceptStandardJsonOnly: false }, { version: 121 }), legacy)
  t.match(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'TBW102' }), /"queueDatas":\[\{"brokerName":"broker-a"/, 'the template for topics that are made when they are first used')
})

t.test('a topic that nobody has: code 17, and why', async (t) => {
  const { connect } = await startedServer(t)
  const client = connect()
  t.match(await client.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: ResponseCode.TOPIC_NOT_EXIST, remark: /topic T .*registered: 0/ })
  t.match(await client.ask(GET_ROUTEINFO_BY_TOPIC), { code: ResponseCode.SYSTEM_ERROR, remark: /topic is missing/ })
})

t.test('names beyond ASCII are escaped in standard JSON and plain in the other', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  await broker.register({ brokerName: '节点', clusterName: '集群', zoneName: 'z', topics: ['TBW102', '主题'] })
  t.equal(await broker.text(GET_ROUTEINFO_BY_TOPIC, { topic: '主题' }),
    '{"brokerDatas":[{"brokerAddrs":{"0":"10.0.0.1:10911"},"brokerName":"\\u8282\\u70B9","cluster":"\\u96C6\\u7FA4","enableActingMaster":false,"zoneName":"z"}],' +
    '"filterServerTable":{},"queueDatas":[{"brokerName":"\\u8282\\u70B9","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}')
  t.match(await broker.text(GET_ROUTEINFO_BY_TOPIC, { topic: '主题' }, { version: 1 }), '"cluster":"集群"')
})

t.test('registration: slaves learn their master, brokers the order configuration; compressed and old bodies', async (t) => {
  const { connect } = await startedServer(t)
  const [broker, slave] = [connect(), connect()]
  const first = await broker.register({ ...hostA })
  t.same([...first.extFields()], [], 'the master is told of no master')
  t.equal(first.bodyBytes, 0)
  await broker.ask(PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'broker-a:8' })
  const answer = await slave.register({ ...hostB, brokerId: 1 })
  t.same(Object.fromEntries(answer.extFields()), { masterAddr: hostA.brokerAddr, haServerAddr: hostA.haServerAddr })
  t.equal(Buffer.from(answer.body).toString(), '{"table":{"T":"broker-a:8"}}')
  t.equal((await broker.register({ counter: 2, topics: ['TBW102', 'T', 'packed'] }, { compressed: true })).code, 0, 'although its header says that it is not')
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'packed' }), { code: 0 })
  t.match(await broker.ask(RequestCode.REGISTER_BROKER, { ...identity, haServerAddr: 'h:1' }, { version: 62, body: '{"topicConfigTable":{"old":{topicName:"old"},"TBW102":{}},"dataVersion":{"counter":9}}' }), { code: 0 })
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'old' }), { code: 0 })
  t.equal((await broker.ask(RequestCode.REGISTER_BROKER, { ...identity, haServerAddr: 'h:1' })).code, 0, 'without a body: no topics')
})

t.test('registrations that are refused say why and change nothing', async (t) => {
  const { connect, nameServer: { table } } = await startedServer(t, { limits: { maxRegisterBodyBytes: 2000, maxTopicsPerBroker: 5 } })
  const broker = connect()
  t.match(await broker.register({}, { crc: 1 }), { code: ResponseCode.SYSTEM_ERROR, remark: /crc32 not match/ })
  t.equal((await broker.register({}, { crc: 0 })).code, ResponseCode.SUCCESS, '0 means unchecked')
  t.match(await connect().register({ ...hostB, brokerId: 1, topics: ['T'] }), { code: ResponseCode.SYSTEM_ERROR, remark: /register broker failed/ })
  t.match(await broker.ask(RequestCode.REGISTER_BROKER, { ...identity, haServerAddr: 'h:1' }, { body: '{"topicConfigTable' }), { code: ResponseCode.SYSTEM_ERROR, remark: /not JSON/ })
  t.match(await broker.register({ topics: Array.from({ length: 6 }, (_, i) => `T${i}`) }), { code: ResponseCode.SYSTEM_ERROR, remark: /more than 5 topics/ })
  t.match(await broker.register({ topics: ['x'.repeat(2000)] }), { code: ResponseCode.SYSTEM_ERROR, remark: /longer than 2000/ })
  t.match(await broker.ask(RequestCode.REGISTER_BROKER, { ...identity }), { code: ResponseCode.SYSTEM_ERROR, remark: /haServerAddr/ })
  t.equal(table.brokerCount, 1)
  t.same(table.topics, ['TBW102', 'T'])
})

t.test('a killed leader, its successor, and the deposed one\'s late timer', async (t) => {
  const { connect } = await startedServer(t)
  const [a, b, client] = [connect(), connect(), connect()]
  const addrs = async () => (await client.text(GET_BROKER_MEMBER_GROUP, identity)).match(/\{0.*?\}|\{1.*?\}|\{\}/)![0]
  await a.register({ ...hostA, term: 4 })
  await b.register({ ...hostB, brokerId: 2, term: 4 })
  t.equal((await b.register({ ...hostB, brokerId: 0, term: 5 })).code, 0)
  t.equal(await addrs(), '{0:"10.0.0.2:10911"}')
  const late = await a.register({ ...hostA, term: 4, counter: 99, topics: ['TBW102', 'late'] })
  t.equal(late.code, 0, 'RocketMQ says no more either')
  t.equal(await addrs(), '{0:"10.0.0.2:10911"}')
  t.match(await client.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'late' }), { code: 17 })
  await a.register({ ...hostA, brokerId: 1, term: 5 })
  t.equal(await addrs(), '{0:"10.0.0.2:10911",1:"10.0.0.1:10911"}')
})

t.test('a broker whose connection ends is gone at once, and many that go together', async (t) => {
  const { connect, clock, nameServer: { table } } = await startedServer(t)
  const client = connect()
  const brokers = await Promise.all(['a', 'b', 'c'].map(async (name, i) => {
    const broker = connect()
    await broker.register({ brokerName: `broker-${name}`, brokerAddr: `10.0.0.${i}:10911` })
    await broker.register({ brokerName: `broker-${name}`, brokerAddr: `10.0.0.${i}:10911` })
    return broker
  }))
  t.equal(table.brokerCount, 3)
  await Promise.all(brokers.map((broker) => broker.close()))
  await clock.settle()
  await clock.runUntil(() => table.brokerCount === 0, { maxMs: 1000 })
  t.equal(table.brokerCount, 0)
  t.match(await client.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: 17 })
})

t.test('a silent broker expires by the two settings, and its connection is closed', async (t) => {
  const { connect, clock, nameServer: { table } } = await startedServer(t, { settings: 'scanNotActiveBrokerInterval=2000\nrouteInfoPathExpiredTime=20000' })
  const [broker, quick] = [connect(), connect()]
  await broker.register({ ...hostA })
  await quick.register({ ...hostB, brokerName: 'quick', heartbeatTimeoutMillis: 3000 })
  await clock.advance(3999)
  t.equal(table.brokerCount, 2)
  await clock.advance(1)
  t.same(table.clusters, new Map([['DefaultCluster', ['broker-a']]]))
  t.equal(quick.client.connections.size, 0)
  t.equal((await broker.ask(BROKER_HEARTBEAT, identity)).code, 0)
  await clock.advance(18_000)
  t.equal((await broker.ask(QUERY_DATA_VERSION, identity)).code, 0, 'a sign of life, too')
  await clock.advance(20_000)
  t.equal(table.brokerCount, 1)
  await clock.advance(2000)
  t.equal(table.brokerCount, 0)
  t.equal((await broker.ask(BROKER_HEARTBEAT, identity)).code, 0, 'nobody is there: no error, as in RocketMQ')
})

t.test('a broker\'s own time of expiry is taken within bounds', async (t) => {
  const { connect, clock, nameServer: { table } } = await startedServer(t, { settings: 'scanNotActiveBrokerInterval=100' })
  for (const heartbeatTimeoutMillis of [0, -5, -(2 ** 53)]) {
    await connect().register({ heartbeatTimeoutMillis })
    await clock.advance(900)
    t.equal(table.brokerCount, 1)
    await clock.advance(300)
    t.equal(table.brokerCount, 0)
  }
  await connect().register({ heartbeatTimeoutMillis: 2 ** 53 })
  t.equal(table.brokerCount, 1)
})

t.test('whether a broker has to register again', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  const same = '{"counter":1,"stateVersion":1,"timestamp":1700000000000}'
  const ask = async (body: string) => {
    const answer = await broker.ask(QUERY_DATA_VERSION, identity, { body })
    return { changed: answer.extFields().get('changed'), body: Buffer.from(answer.body).toString() }
  }
  t.same(await ask(same), { changed: 'true', body: '' })
  await broker.register()
  t.same(await ask(same), { changed: 'false', body: same })
  t.same(await ask('{"counter":2,"stateVersion":1,"timestamp":1700000000000}'), { changed: 'true', body: same })
  t.same(await ask(''), { changed: 'true', body: same })
  t.match(await broker.ask(QUERY_DATA_VERSION, identity, { body: '{' }), { code: ResponseCode.SYSTEM_ERROR })
})

t.test('a broker that leaves is gone', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  await broker.register()
  t.equal((await broker.ask(UNREGISTER_BROKER, identity)).code, 0)
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: 17 })
  t.equal((await broker.ask(UNREGISTER_BROKER, identity)).code, 0)
})

t.test('clusters and members, with keys of numbers for everybody', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  t.equal(await broker.text(GET_BROKER_CLUSTER_INFO), '{"brokerAddrTable":{},"clusterAddrTable":{}}')
  await broker.register()
  await connect().register({ ...hostB, brokerName: 'broker-b', clusterName: 'C2', brokerId: 3 })
  t.equal(await broker.text(GET_BROKER_CLUSTER_INFO),
    '{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"10.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false},' +
    '"broker-b":{"brokerAddrs":{3:"10.0.0.2:10911"},"brokerName":"broker-b","cluster":"C2","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-a"],"C2":["broker-b"]}}')
  t.equal(await broker.text(GET_BROKER_MEMBER_GROUP, { clusterName: 'C2', brokerName: 'broker-b' }), '{"brokerMemberGroup":{"brokerAddrs":{3:"10.0.0.2:10911"},"brokerName":"broker-b","cluster":"C2"}}')
  t.equal(await broker.text(GET_BROKER_MEMBER_GROUP, { clusterName: 'C2', brokerName: 'nobody' }), '{"brokerMemberGroup":{"brokerAddrs":{},"brokerName":"nobody","cluster":"C2"}}')
})

t.test('write permission of a broker', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  await broker.register()
  t.equal((await broker.ask(WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'broker-a' })).extFields().get('wipeTopicCount'), '2')
  t.match(await broker.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), '"perm":4')
  t.equal((await broker.ask(ADD_WRITE_PERM_OF_BROKER, { brokerName: 'broker-a' })).extFields().get('addTopicCount'), '2')
  t.match(await broker.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), '"perm":6')
  t.equal((await broker.ask(WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'nobody' })).extFields().get('wipeTopicCount'), '0')
})

t.test('lists of topics', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  t.equal(await broker.text(GET_ALL_TOPIC_LIST_FROM_NAMESERVER), '{"topicList":[]}')
  await broker.register({ topics: ['TBW102', topicConfig('u', { topicSysFlag: 1 }), topicConfig('s', { topicSysFlag: 2 }), topicConfig('us', { topicSysFlag: 3 }), 'rmq_sys_REVIVE_LOG_C'] })
  await connect().register({ ...hostB, brokerName: 'broker-b', clusterName: 'C2', topics: ['TBW102', 'T'] })
  t.equal(await broker.text(GET_ALL_TOPIC_LIST_FROM_NAMESERVER), '{"topicList":["TBW102","u","s","us","rmq_sys_REVIVE_LOG_C","T"]}')
  t.equal(await broker.text(GET_TOPICS_BY_CLUSTER, { cluster: 'C2' }), '{"topicList":["TBW102","T"]}')
  t.equal(await broker.text(GET_TOPICS_BY_CLUSTER, { cluster: 'nowhere' }), '{"topicList":[]}')
  t.equal(await broker.text(GET_UNIT_TOPIC_LIST), '{"topicList":["u","us"]}')
  t.equal(await broker.text(GET_HAS_UNIT_SUB_TOPIC_LIST), '{"topicList":["s","us"]}')
  t.equal(await broker.text(GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST), '{"topicList":["s"]}')
  const system = JSON.parse(await broker.text(GET_SYSTEM_TOPIC_LIST_FROM_NS))
  t.equal(system.brokerAddr, hostA.brokerAddr)
  for (const name of ['DefaultCluster', 'broker-a', 'C2', 'broker-b', 'TBW102', 'SCHEDULE_TOPIC_XXXX', 'rmq_sys_REVIVE_LOG_C']) t.ok(system.topicList.includes(name), name)
  t.notOk(system.topicList.includes('T'))
  t.equal(new Set(system.topicList).size, system.topicList.length)
})

t.test('lists that are switched off', async (t) => {
  const { connect } = await startedServer(t, { settings: 'enableAllTopicList=false\nenableTopicList=false' })
  const client = connect()
  for (const code of [GET_ALL_TOPIC_LIST_FROM_NAMESERVER, GET_UNIT_TOPIC_LIST, GET_HAS_UNIT_SUB_TOPIC_LIST, GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, GET_TOPICS_BY_CLUSTER]) {
    t.match(await client.ask(code, { cluster: 'C' }), { code: ResponseCode.SYSTEM_ERROR, remark: /disabled/ })
  }
})

t.test('topics that tools add and delete', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  await broker.register()
  const body = `{"brokerDatas":[],"queueDatas":[${queuesOfA}]}`
  t.equal((await broker.ask(REGISTER_TOPIC_IN_NAMESRV, { topic: 'X' }, { body })).code, 0)
  t.match(await broker.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'X' }), `"queueDatas":[${queuesOfA}]`)
  t.match(await broker.ask(REGISTER_TOPIC_IN_NAMESRV, { topic: 'Y' }, { body: body.replace('broker-a', 'nobody') }), { code: ResponseCode.SYSTEM_ERROR, remark: /nobody/ })
  t.equal((await broker.ask(REGISTER_TOPIC_IN_NAMESRV, { topic: 'Y' })).code, 0, 'nothing to add')
  t.match(await broker.ask(REGISTER_TOPIC_IN_NAMESRV, { topic: 'x'.repeat(256) }, { body }), { code: ResponseCode.INVALID_PARAMETER })
  t.equal((await broker.ask(DELETE_TOPIC_IN_NAMESRV, { topic: 'X', clusterName: 'other' })).code, 0)
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'X' }), { code: 0 })
  await broker.ask(DELETE_TOPIC_IN_NAMESRV, { topic: 'X', clusterName: 'DefaultCluster' })
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'X' }), { code: 17 })
  await broker.ask(DELETE_TOPIC_IN_NAMESRV, { topic: 'T' })
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: 17 })
})

t.test('key-value table over the wire, and after a restart', async (t) => {
  const disk = new MemoryDisk()
  const settings = 'kvConfigPath=/data/kvConfig.json\norderMessageEnable=true'
  const first = await startedServer(t, { disk, settings })
  const client = first.connect()
  t.match(await client.ask(GET_KV_CONFIG, { namespace: 'n', key: 'k' }), { code: ResponseCode.QUERY_NOT_FOUND, remark: /key k in namespace n/ })
  t.match(await client.ask(GET_KVLIST_BY_NAMESPACE, { namespace: 'n' }), { code: ResponseCode.QUERY_NOT_FOUND })
  t.equal((await client.ask(PUT_KV_CONFIG, { namespace: 'n', key: 'k', value: 'v' })).code, 0)
  await client.ask(PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'broker-a:8' })
  t.equal((await client.ask(GET_KV_CONFIG, { namespace: 'n', key: 'k' })).extFields().get('value'), 'v')
  t.equal(await client.text(GET_KVLIST_BY_NAMESPACE, { namespace: 'n' }), '{"table":{"k":"v"}}')
  t.match(await client.ask(PUT_KV_CONFIG, { namespace: 'n', key: 'k' }), { code: ResponseCode.SYSTEM_ERROR, remark: /value is missing/ })
  await first.close()
  const { connect } = await startedServer(t, { disk, settings })
  const again = connect()
  t.equal(await again.text(GET_KVLIST_BY_NAMESPACE, { namespace: 'n' }), '{"table":{"k":"v"}}')
  await again.register()
  t.match(await again.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), '"filterServerTable":{},"orderTopicConf":"broker-a:8","queueDatas"')
  t.equal((await again.ask(DELETE_KV_CONFIG, { namespace: 'n', key: 'k' })).code, 0)
  t.match(await again.ask(GET_KV_CONFIG, { namespace: 'n', key: 'k' }), { code: ResponseCode.QUERY_NOT_FOUND })
})

t.test('configuration: asked for, changed in the running server, and what may not be', async (t) => {
  const disk = new MemoryDisk()
  await disk.makeDirectory('/conf')
  const { connect } = await startedServer(t, { disk, configFile: '/conf/namesrv.conf' })
  const client = connect()
  t.match(await client.text(GET_NAMESRV_CONFIG), /^scanNotActiveBrokerInterval=5000$/m)
  t.equal((await client.ask(UPDATE_NAMESRV_CONFIG, {}, { body: 'enableAllTopicList=false\n' })).code, 0)
  t.match(await client.ask(GET_ALL_TOPIC_LIST_FROM_NAMESERVER), { code: ResponseCode.SYSTEM_ERROR })
  t.match(await client.text(GET_NAMESRV_CONFIG), /^enableAllTopicList=false$/m)
  t.equal(Buffer.from((await disk.readFile('/conf/namesrv.conf'))!).toString(), 'enableAllTopicList=false\n')
  for (const key of ['kvConfigPath', 'configStorePath', 'rocketmqHome', 'listenPort']) t.match(await client.ask(UPDATE_NAMESRV_CONFIG, {}, { body: `${key}=1` }), { code: ResponseCode.NO_PERMISSION }, key)
  t.match(await client.ask(UPDATE_NAMESRV_CONFIG, {}, { body: 'enableTopicList=perhaps' }), { code: ResponseCode.INVALID_PARAMETER, remark: /true or false/ })
  t.match(await client.ask(UPDATE_NAMESRV_CONFIG, {}, { body: 'enableTopicLists=true' }), { code: ResponseCode.INVALID_PARAMETER, remark: /enableTopicList\b/ })
  t.equal((await client.ask(UPDATE_NAMESRV_CONFIG)).code, 0, 'nothing to change')
})

t.test('routes only after a while, when so configured', async (t) => {
  const { connect, clock } = await startedServer(t, { settings: 'needWaitForService=true\nwaitSecondsForService=10' })
  const broker = connect()
  await broker.register()
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: ResponseCode.SYSTEM_ERROR, remark: /needWaitForService/ })
  await clock.advance(10_000)
  t.match(await broker.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: 0 })
})

t.test('acting masters: the route names the lowest slave, and the others are told', async (t) => {
  const { connect, network, clock } = await startedServer(t, { settings: 'supportActingMaster=true\nnotifyMinBrokerIdChanged=true' })
  const acting = { enableActingMaster: true }
  const told: unknown[] = []
  const [master, slave] = [connect(), connect()]
  const slaveServer = new RemotingServer({ clock, network }).handle(NOTIFY_MIN_BROKER_ID_CHANGE, (request) => {
    told.push(Object.fromEntries(request.extFields()))
    return undefined
  })
  await slaveServer.listen({ host: '127.0.0.1', port: 10_921 })
  await master.register({ ...hostA, ...acting })
  await slave.register({ ...acting, brokerAddr: '127.0.0.1:10921', haServerAddr: '127.0.0.1:10922', brokerId: 1 })
  await connect().register({ ...hostC, ...acting, brokerId: 2 })
  await master.close()
  await clock.runUntil(() => told.length > 0, { maxMs: 1000 })
  t.same(told, [{ minBrokerId: '1', brokerName: 'broker-a', minBrokerAddr: '127.0.0.1:10921', offlineBrokerAddr: hostA.brokerAddr }])
  t.match(await slave.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), '"brokerAddrs":{"0":"127.0.0.1:10921","2":"10.0.0.3:10911"}')
  t.match(await slave.text(GET_BROKER_MEMBER_GROUP, identity), '{1:"127.0.0.1:10921",2:"10.0.0.3:10911"}', 'who is really there')
  const closing = slaveServer.close({ graceMs: 0 })
  await clock.advance(1000)
  await closing
})

t.test('zones: requesters in zone mode see their own, and brokers without a master', async (t) => {
  const { connect } = await startedServer(t)
  const client = connect()
  await connect().register({ ...hostA, brokerName: 'near', zoneName: 'East' })
  await connect().register({ ...hostB, brokerName: 'far', zoneName: 'west', filterServers: ['f:1'] })
  await connect().register({ ...hostC, brokerName: 'orphan', zoneName: 'west', brokerId: 1 })
  const names = async (fields: object) => [...(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T', ...fields })).matchAll(/"brokerName":"(\w+)","(cluster|perm)/g)].map(([, name, next]) => `${name} ${next}`)
  t.same(await names({}), ['near cluster', 'far cluster', 'orphan cluster', 'near perm', 'far perm', 'orphan perm'])
  t.same(await names({ __ZONE_MODE: 'true', __ZONE_NAME: 'east' }), ['near cluster', 'orphan cluster', 'near perm', 'orphan perm'])
  t.same((await names({ __ZONE_MODE: 'true', __ZONE_NAME: ' ' })).length, 6)
  t.notMatch(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T', __ZONE_MODE: 'true', __ZONE_NAME: 'east' }), 'f:1')
  t.match(await client.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), '"filterServerTable":{"10.0.0.2:10911":["f:1"]}')
})

t.test('static topics: where their queues lie is handed on', async (t) => {
  const { connect } = await startedServer(t)
  const broker = connect()
  const mapping = '{"bname":"broker-a","currIdMap":{0:1,1:0},"dirty":false,"epoch":1700000000000000123,"scope":"__global__","topic":"T","totalQueues":2}'
  const body = `{"topicConfigSerializeWrapper":{"dataVersion":{"counter":1},"topicConfigTable":{"T":{"topicName":"T"},"TBW102":{"topicName":"TBW102"}},"topicQueueMappingInfoMap":{"T":${mapping}}}}`
  t.equal((await broker.ask(RequestCode.REGISTER_BROKER, { ...identity, haServerAddr: 'x' }, { body })).code, 0)
  t.match(await broker.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }, { version: 1 }), `"topicQueueMappingByBroker":{"broker-a":${mapping}}}`)
  t.match(await broker.text(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), `"topicQueueMappingByBroker":{"broker-a":${mapping.replace('{0:', '{"0":').replace(',1:', ',"1":')}}}`)
})

t.test('several name servers know nothing of each other', async (t) => {
  const [one, other] = [await startedServer(t), await startedServer(t)]
  await one.connect().register()
  await one.connect().ask(PUT_KV_CONFIG, { namespace: 'n', key: 'k', value: 'v' })
  t.match(await one.connect().ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: 0 })
  t.match(await other.connect().ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }), { code: 17 })
  t.match(await other.connect().ask(GET_KV_CONFIG, { namespace: 'n', key: 'k' }), { code: ResponseCode.QUERY_NOT_FOUND })
})

t.test('codes of others', async (t) => {
  const { connect } = await startedServer(t)
  t.match(await connect().ask(RequestCode.SEND_MESSAGE_V2), { code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED, remark: /not supported/ })
})
