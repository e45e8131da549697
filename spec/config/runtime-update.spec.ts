import t from 'tap'
import { effectiveConfig, originText, planUpdate, toProperties, updatedFile } from '../../lib/config/index.ts'

const content = '# mine\nmaxMessageSize=1000\nbrokerName=a\n'
const config = effectiveConfig('broker', { files: [{ name: 'broker.conf', content }] })

function refusalsOf (body: string): string[] {
  try {
    planUpdate(config, body)
    return []
  } catch (error) {
    return (error as { refusals: Array<{ key: string, reason: string, text: string }> }).refusals.map(({ key, reason, text }) => `${key.slice(0, 40)} ${reason}: ${text}`)
  }
}

t.test('a change is in force, and in the file for the next start', async (t) => {
  const update = planUpdate(config, 'maxMessageSize=2000\nautoCreateTopicEnable=FALSE\nbrokerName=a\n')
  t.same([...update.changes], [['maxMessageSize', '2000'], ['autoCreateTopicEnable', 'false']])
  t.match(update.config.values, { maxMessageSize: 2000, autoCreateTopicEnable: false, brokerName: 'a' })
  t.equal(originText(update.config.origins.maxMessageSize), 'update at run time')
  t.equal(originText(update.config.origins.brokerName), 'broker.conf:3')
  t.equal(config.values.maxMessageSize, 1000, 'what was before is not touched')
  t.equal(updatedFile('broker', 'broker.conf', content, update.changes), '# mine\nmaxMessageSize=2000\nbrokerName=a\nautoCreateTopicEnable=false\n')
})

t.test('what was told can be sent back', async (t) => {
  t.equal(planUpdate(config, toProperties(config)).changes.size, 0)
  t.same([...planUpdate(config, toProperties(config) + 'brokerPermission=4\n').changes], [['brokerPermission', '4']])
  t.equal(planUpdate(config, 'maxMessageSize=2000\nmaxMessageSize=1000').changes.size, 0, 'the last value counts')
})

t.test('all or nothing, and every refusal has its reason', async (t) => {
  t.same(refusalsOf('maxMessageSize=2000\nmaxMessageSise=1\nlistenPort=1\nlistenPort=x\nbrokerPermission=9\nwarmMapedFileEnable=true\nreviveQueueNum=1\nsendMsgTimeout=1'), [
    'maxMessageSise unknown: maxMessageSise is not a known setting; is maxMessageSize meant?',
    'listenPort not-changeable: listenPort cannot be changed while running: change the configuration file and start again',
    'brokerPermission invalid: brokerPermission=9: expected a whole number from 0 to 7',
    'warmMapedFileEnable no-effect: warmMapedFileEnable has no effect: files are read and written by plain calls, none is mapped into memory',
    'reviveQueueNum no-effect: reviveQueueNum has no effect: check-outs of pop are entries of the log, there are no check-point messages, buffers or retry topics to set up; what waits is bounded',
    'sendMsgTimeout no-effect: sendMsgTimeout has no effect: it is a setting of clients, not of the broker'
  ])
  t.throws(() => planUpdate(config, 'a=\\u1'), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('a name server is updated alike', async (t) => {
  const namesrv = effectiveConfig('namesrv', {})
  t.equal(planUpdate(namesrv, 'routeInfoPathExpiredTime=60000').config.values.routeInfoPathExpiredTime, 60_000)
  t.throws(() => planUpdate(namesrv, 'kvConfigPath=/etc/passwd'), { code: 'MQ_INVALID_ARGUMENT', message: /^kvConfigPath cannot be changed while running/ })
})

t.test('the answer to a hostile body is short', async (t) => {
  const refusals = refusalsOf(Array.from({ length: 4000 }, (_, i) => `defaultTopicQueueNumz${i}${'\\u0000'.repeat(20)}=1`).join('\n'))
  t.equal(refusals.length, 16)
  t.ok(refusals.join('\n').length < 4000)
})
