import t from 'tap'
import { configTable, effectiveConfig, originText, toProperties, parseProperties, type SectionName } from '../../lib/config/index.ts'

const broker = (content: string) => effectiveConfig('broker', { files: [{ name: 'broker.conf', content }] })
const warningsOf = (content: string, section: SectionName = 'broker'): string[] =>
  effectiveConfig(section, { files: [{ name: 'f', content }] }).warnings.map(({ kind, text }) => `${kind} ${text}`)

function errorsOf (content: string): string[] {
  try {
    broker(content)
    return []
  } catch (error) {
    return (error as { errors: string[] }).errors
  }
}

t.test('flags, then the environment, then files, then defaults', async (t) => {
  const files = [
    { name: 'a.conf', content: 'namesrvAddr=a:1\nlistenPort=1\nbrokerName=from-a\nfileReservedTime=1' },
    { name: 'b.conf', content: '\nlistenPort=2\nbrokerName=from-b' }
  ]
  const config = effectiveConfig('broker', {
    files, env: { NAMESRV_ADDR: ' b:2;[::1]:3 ', PATH: '/bin' }, flags: [{ flag: '--port', key: 'listenPort', value: '3' }], defaults: { brokerIP1: '10.0.0.1' }
  })
  const from = (key: keyof typeof config.values): unknown[] => [config.values[key], originText(config.origins[key])]
  t.same(from('listenPort'), [3, 'flag --port'])
  t.same(from('namesrvAddr'), [[{ host: 'b', port: 2 }, { host: '::1', port: 3 }], 'environment NAMESRV_ADDR'])
  t.same(from('brokerName'), ['from-b', 'b.conf:3'], 'a later file overrides')
  t.same(from('fileReservedTime'), [1, 'a.conf:4'])
  t.same(from('brokerIP1'), ['10.0.0.1', 'default'], 'a default of the machine')
  t.same(from('flushDiskType'), ['SYNC_FLUSH', 'default'])
  t.same(effectiveConfig('broker', { env: { NAMESRV_ADDR: '' } }).values.namesrvAddr, [], 'an empty variable is none')
  t.same(effectiveConfig('broker', { env: { ROCKETMQ_HOME: '/opt/rocketmq' } }).warnings, [], 'no complaint about what is set for others')
  const overruled = effectiveConfig('broker', { env: { NAMESRV_ADDR: 'http://x' }, flags: [{ flag: '-n', key: 'namesrvAddr', value: 'a:1' }] })
  t.same(overruled.values.namesrvAddr, [{ host: 'a', port: 1 }], 'what does not count may be wrong')
})

t.test('values have their types', async (t) => {
  const { values } = broker(`autoCreateTopicEnable=FALSE
listenPort= +20911
namesrvAddr=10.0.0.1:9876; host-2:9877 ;
messageDelayLevel=1s  90s 2h 1d
dLegerPeers=n0-127.0.0.1:40911;n1-host-b:40912;n2-[fe80::1]:40913
tls.server.mode=enforcing`)
  t.match(values, { autoCreateTopicEnable: false, listenPort: 20_911, messageDelayLevel: [1000, 90_000, 7_200_000, 86_400_000], 'tls.server.mode': 'enforcing' })
  t.same(values.namesrvAddr, [{ host: '10.0.0.1', port: 9876 }, { host: 'host-2', port: 9877 }])
  t.same(values.dLegerPeers, [
    { id: 'n0', number: 0, host: '127.0.0.1', port: 40_911, isClientPort: false },
    { id: 'n1', number: 1, host: 'host-b', port: 40_912, isClientPort: false },
    { id: 'n2', number: 2, host: 'fe80::1', port: 40_913, isClientPort: false }
  ])
  t.equal(values.messageDelayLevel.length, 4)
  t.equal(broker('').values.messageDelayLevel.length, 18)
})

t.test('what is wrong is named by place, key and value, with what is allowed; all of it at once', async (t) => {
  t.same(errorsOf(`listenPort=abc
listenPort=70000
brokerRole=master
autoCreateTopicEnable=yes
defaultTopicQueueNums=
namesrvAddr=127.0.0.1
dLegerPeers=n0-a:1;n0-b:2
messageDelayLevel=1s 5x
fileReservedTime=1.5
tls.server.keyPassword=a\\u0007b`), [
    'broker.conf:2: listenPort=70000: expected a whole number from 0 to 65535',
    'broker.conf:3: brokerRole=master: expected ASYNC_MASTER, SYNC_MASTER or SLAVE',
    'broker.conf:4: autoCreateTopicEnable=yes: expected true or false',
    'broker.conf:5: defaultTopicQueueNums=: expected a whole number from 1 to 65536',
    'broker.conf:6: namesrvAddr=127.0.0.1: expected addresses HOST:PORT with ; between them',
    'broker.conf:7: dLegerPeers=n0-a:1;n0-b:2: expected nodes ID-HOST:PORT or ID@HOST:PORT with ; between them; an ID ends with a number, each number once',
    'broker.conf:8: messageDelayLevel=1s 5x: expected 1 to 128 delays such as 10s, 5m, 2h or 1d with blanks between them',
    'broker.conf:9: fileReservedTime=1.5: expected a whole number from 1 to 1000000 h',
    'broker.conf:10: tls.server.keyPassword=***: expected text without control characters'
  ])
  t.throws(() => effectiveConfig('broker', { flags: [{ flag: '-n', key: 'namesrvAddr', value: 'x' }] }), { code: 'MQ_INVALID_ARGUMENT', message: /^flag -n: namesrvAddr=x: / })
  t.throws(() => effectiveConfig('broker', { env: { NAMESRV_ADDR: 'x' } }), { code: 'MQ_INVALID_ARGUMENT', message: /^environment NAMESRV_ADDR: / })
  t.throws(() => broker('a=\\u1'), { code: 'MQ_INVALID_ARGUMENT', message: /^broker.conf:1: / })
})

t.test('what would be dangerous to pass over is refused', async (t) => {
  t.match(errorsOf('aclEnable=true'), [/aclEnable=true: access control is not there yet: whoever/])
  t.match(errorsOf('authenticationEnabled=true\nauthorizationEnabled=true').length, 2)
  t.same(errorsOf('aclEnable=false'), [])
})

t.test('two spellings of one key with different values are an error that names both lines', async (t) => {
  t.same(errorsOf('dLegerSelfId=n0\n\ndLegerPeerId=n1'), ['broker.conf:3: dLegerPeerId is another spelling of dLegerSelfId, which has a different value in line 1'])
  t.same(errorsOf('dLegerSelfId=n0\ndLegerPeerId = n0'), [])
})

t.test('warnings', async (t) => {
  t.same(warningsOf(`brokerNmae=a
flushdisktype=SYNC_FLUSH
defaultTopicQueueNum=4
namesrvAddress=127.0.0.1:9876
storePathRoot=/x
enableDLedger=true
transientStorePoolEnabled=true
xyz=1
completelyDifferentThing=1
constructor=1
flushCommitLogTimed=true
flushCommitLogTimed=false
xyz=2`), [
    'unknown f:1: brokerNmae is not a known setting; is brokerName meant?',
    'unknown f:2: flushdisktype is not a known setting; is flushDiskType meant?',
    'unknown f:3: defaultTopicQueueNum is not a known setting; is defaultTopicQueueNums meant?',
    'unknown f:4: namesrvAddress is not a known setting; is namesrvAddr meant?',
    'unknown f:5: storePathRoot is not a known setting; is storePathRootDir meant?',
    'unknown f:6: enableDLedger is not a known setting',
    'unknown f:7: transientStorePoolEnabled is not a known setting; is transientStorePoolEnable meant?',
    'unknown f:8: xyz is not a known setting',
    'unknown f:9: completelyDifferentThing is not a known setting',
    'unknown f:10: constructor is not a known setting',
    'duplicate f:12: flushCommitLogTimed stands already in line 11; this line counts',
    'duplicate f:13: xyz stands already in line 8; this line counts'
  ])
  t.same(warningsOf('scanNotActiveBrokerInterval=5000\nconsumeThreadMax=64\nwarmMapedFileEnable=true\nreviveQueueNum=8\ndLederPeers=n0@a:1\nbrokerId=1\nbrokerRole=SYNC_MASTER'), [
    'no-effect f:1: scanNotActiveBrokerInterval has no effect: it is a setting of the name server, not of the broker',
    'no-effect f:2: consumeThreadMax has no effect: it is a setting of clients, not of the broker',
    'no-effect f:4: reviveQueueNum has no effect: check-outs of pop are entries of the log, there are no check-point messages, buffers or retry topics to set up; what waits is bounded',
    'no-effect f:3: warmMapedFileEnable has no effect: files are read and written by plain calls, none is mapped into memory',
    'note f:6: brokerId is 1: it counts for a SLAVE; other brokers register as 0, and in a group the leader does, the others as their number + 1',
    'no-effect f:5: dLederPeers, read as dLegerPeers, has no effect: enableDLegerCommitLog is false',
    'note f:7: brokerRole is SYNC_MASTER: as long as there is no replica, sends are stored and answered SLAVE_NOT_AVAILABLE'
  ])
  t.same(warningsOf('brokerName=a\nenableControllerInNamesrv=true', 'namesrv'), [
    'no-effect f:1: brokerName has no effect: it is a setting of the broker, not of the name server',
    'no-effect f:2: enableControllerInNamesrv has no effect: the nodes of a group elect their leader themselves, there is no controller'
  ])
  t.ok(warningsOf(`${'x'.repeat(10_000)}\\u0000=1`)[0]!.length < 200, 'bounded')
})

t.test('the printed table says what is in force and where it came from', async (t) => {
  const lines = configTable(broker('listenPort=20911\ndLegerPeerId=n0\ntls.server.keyPassword=secret')).split('\n')
  const line = (key: string): string => lines.find((text) => text.startsWith(`${key} `))!.replace(/ {2,}/g, ' | ')
  t.match(lines[0], /^key +value +from$/)
  t.equal(line('listenPort'), 'listenPort | 20911 | broker.conf:1')
  t.equal(line('dLegerSelfId'), 'dLegerSelfId | n0 | broker.conf:2 as dLegerPeerId')
  t.equal(line('brokerName'), 'brokerName | the host\'s name | default')
  t.equal(line('flushDiskType'), 'flushDiskType | SYNC_FLUSH | default')
  t.equal(line('tls.server.keyPassword'), 'tls.server.keyPassword | *** | broker.conf:3')
  t.notMatch(lines.join('\n'), /secret/)
  const column = (key: string): number => lines.find((text) => text.startsWith(`${key} `))!.search(/ (default|broker.conf)/)
  t.equal(column('listenPort'), column('brokerPermission'), 'columns stand below one another')
})

t.test('tools are told all values but secrets, as properties', async (t) => {
  const config = broker('brokerName=代理\nnamesrvAddr=a:1;b:2\ntls.server.keyPassword=secret\nstorePathRootDir=C:\\\\data')
  const told = new Map(parseProperties(toProperties(config), 'f').map(({ key, value }) => [key, value]))
  t.equal(told.get('brokerName'), '代理')
  t.equal(told.get('namesrvAddr'), 'a:1;b:2')
  t.equal(told.get('storePathRootDir'), 'C:\\data')
  t.equal(told.get('messageDelayLevel'), '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h')
  t.notOk(told.has('tls.server.keyPassword'))
  t.same(effectiveConfig('broker', { files: [{ name: 'f', content: toProperties(config) }] }).values.brokerName, '代理')
})
