import t from 'tap'
import { configTable, effectiveConfig, toProperties } from '../../lib/config/index.ts'
import { textOf } from '../rules/sources.ts'

const broker = (content: string) => effectiveConfig('broker', { files: [{ name: 'f', content }] })

function errorsOf (content: string): string[] {
  try {
    broker(content)
    return []
  } catch (error) {
    return (error as { errors: string[] }).errors
  }
}

const group = 'enableDLegerCommitLog=true\ndLegerGroup=g\ndLegerSelfId=n1\ndLegerPeers=n0-a:40911;n1-b:40912;n2-c:40913\n'

t.test('the example file of Apache for n0, and the file of the article with what differs for n1', async (t) => {
  const { values, warnings } = broker(`brokerClusterName = RaftCluster
brokerName=RaftNode00
listenPort=30911
namesrvAddr=127.0.0.1:9876
storePathRootDir=/tmp/rmqstore/node00
storePathCommitLog=/tmp/rmqstore/node00/commitlog
enableDLegerCommitLog=true
dLegerGroup=RaftNode00
dLegerPeers=n0-127.0.0.1:40911;n1-127.0.0.1:40912;n2-127.0.0.1:40913
## must be unique
dLegerSelfId=n0
sendMessageThreadPoolNums=16`)
  t.match(values, { enableDLegerCommitLog: true, dLegerGroup: 'RaftNode00', dLegerSelfId: 'n0', listenPort: 30_911 })
  t.same(values.dLegerPeers.map(({ number, port, isClientPort }) => [number, port, isClientPort]), [[0, 40_911, false], [1, 40_912, false], [2, 40_913, false]])
  t.same(warnings.map(({ key }) => key).sort(), ['sendMessageThreadPoolNums', 'storePathCommitLog'])
  const article = textOf('spec/config/article/15-dledger.properties').replace('PeerId=n0', 'PeerId=n1').replace('ListenPort=10912', 'ListenPort=10922')
  const n1 = broker(`${article}\nlistenPort=10921`)
  t.match(n1.values, { enableDLegerCommitLog: true, dLegerSelfId: 'n1', listenPort: 10_921, dLegerListenPort: 10_922 })
  t.same(n1.warnings, [])
})

t.test('what does not fit together is named by the line to look at', async (t) => {
  t.same(errorsOf(group), [])
  t.same(errorsOf(`${group}dLegerSelfId=n7`), ['f:5: dLegerSelfId: n7 is not among the nodes of dLegerPeers: n0, n1, n2'])
  t.same(errorsOf('enableDLegerCommitLog=true\nbrokerName=b\ndLegerSelfId=n0'), ['dLegerPeers: a group needs its nodes, this one among them'])
  t.same(errorsOf('enableDLegerCommitLog=true\nbrokerName=b\ndLegerPeers=n0-a:1'), ['dLegerSelfId: which of n0 this node is has to be said'])
  t.match(errorsOf('enableDLegerCommitLog=true\ndLegerSelfId=n0\ndLegerPeers=n0-a:1'), [/^dLegerGroup: a group needs a name/])
  t.match(errorsOf(`${group}dLegerPeers=n0-a:1;m0-b:1`), [/each number once/])
  t.match(errorsOf('dLegerSelfId=node'), [/dLegerSelfId=node: expected the ID of a node/])
  t.match(errorsOf('dLegerPeers=n70000-a:1'), [/expected nodes/])
  t.match(errorsOf(`${group}brokerRole=SLAVE`), [/^f:5: brokerRole: SLAVE, but the nodes of a group elect/])
  t.match(errorsOf(`${group}preferredLeaderIds=n1;n5`), [/^f:5: preferredLeaderIds, read as preferredLeaderId: n5 is not among/])
  t.match(errorsOf(`${group}groupHeartbeatIntervalMs=301`), [/more than half of groupElectionTimeoutMs/])
  t.match(errorsOf('enableDLedgerGroup=true\ndLegerGroup=g\ndLegerPeerId=n1\ndLederPeers=n0@a:10911;n1@b:10921'), [/^f:4: dLederPeers, read as dLegerPeers: with @ .* n1 is 10921, while listenPort is 10911/])
  t.match(errorsOf(`${group}listenPort=40912`), [/with - it names ports for the other nodes/])
  t.match(errorsOf(`${group}dLegerListenPort=10911`), [/it is the listenPort/])
  t.match(errorsOf('brokerRole=SLAVE'), [/^brokerId: a SLAVE needs a number/, /^namesrvAddr: a SLAVE asks the name server/])
  t.same(errorsOf('brokerRole=SLAVE\nbrokerId=1\nnamesrvAddr=a:1'), [])
})

t.test('nodes survive being written', async (t) => {
  const { values } = broker('dLegerPeers=n0-a:1;n1@[::1]:2\npreferredLeaderId=n1;n0')
  const again = broker(toProperties(broker('dLegerPeers=n0-a:1;n1@[::1]:2\npreferredLeaderId=n1;n0')))
  t.same(again.values.dLegerPeers, values.dLegerPeers)
  t.same(again.values.preferredLeaderId, ['n1', 'n0'])
})

t.test('settings that count only in a group, or only outside one, say so', async (t) => {
  const texts = (content: string) => broker(content).warnings.map(({ text }) => text)
  t.same(texts('dLegerSelfId=n0\ndLegerListenPort=1'), ['f:1: dLegerSelfId has no effect: enableDLegerCommitLog is false', 'f:2: dLegerListenPort has no effect: enableDLegerCommitLog is false'])
  t.match(texts(`${group}brokerRole=SYNC_MASTER`), [/in a group every answer waits for a majority/])
})

t.test('the secret of a group is nowhere to be seen', async (t) => {
  const config = effectiveConfig('broker', { env: { LEDGERMQ_GROUP_SECRET: 'opensesame' }, files: [{ name: 'f', content: group }] })
  t.equal(config.values.groupSecret, 'opensesame')
  t.notMatch(configTable(config), /opensesame/)
  t.match(configTable(config), /groupSecret +\*\*\* +environment LEDGERMQ_GROUP_SECRET/)
  t.notMatch(toProperties(config), /opensesame|groupSecret/)
  t.match(errorsOf('groupSecret=a\\u0007b'), ['f:1: groupSecret=***: expected text without control characters'])
})
