import t from 'tap'
import { effectiveConfig, keyWrittenAs, originText, parseProperties, type SectionName } from '../../lib/config/index.ts'
import { filesBelow, textOf } from '../rules/sources.ts'

interface Expected {
  readonly section: SectionName
  /** By key as written: the value in force. */
  readonly effects?: Readonly<Record<string, unknown>>
  /** By key as written: what is printed about it. */
  readonly reasons?: Readonly<Record<string, RegExp>>
}

const CLIENT = /no effect: there is no client in this package yet/
const NO_REPLICA = /SYNC_MASTER: as long as there is no replica/
const sendRetries = { retryTimesWhenSendFailed: CLIENT, retryTimesWhenSendAsyncFailed: CLIENT }
const consumeThreads = { consumeThreadMin: CLIENT, consumeThreadMax: CLIENT }
const loopback = (port: number) => ({ host: '127.0.0.1', port })

/** What each properties block of the article that introduces RocketMQ does here. */
const blocks: Readonly<Record<string, Expected>> = {
  '01-name-server': { section: 'namesrv', effects: { listenPort: 9876, scanNotActiveBrokerInterval: 5000, routeInfoPathExpiredTime: 120_000 } },
  '02-broker': {
    section: 'broker',
    effects: {
      brokerName: 'broker-a',
      brokerId: 0,
      namesrvAddr: [loopback(9876)],
      storePathRootDir: '/opt/rocketmq/store',
      listenPort: 10_911,
      defaultTopicQueueNums: 4,
      autoCreateTopicEnable: true,
      autoCreateSubscriptionGroup: true
    }
  },
  '03-producer': { section: 'client', reasons: { namesrvAddr: CLIENT, sendMsgTimeout: CLIENT, ...sendRetries, compressMsgBodyOverHowmuch: CLIENT, maxMessageSize: CLIENT } },
  '04-consumer': {
    section: 'client',
    reasons: { namesrvAddr: CLIENT, consumerGroup: CLIENT, ...consumeThreads, pullInterval: CLIENT, pullBatchSize: CLIENT, consumeTimeout: CLIENT }
  },
  '05-sync-master': { section: 'broker', effects: { brokerRole: 'SYNC_MASTER' }, reasons: { brokerRole: NO_REPLICA } },
  '06-async-master': { section: 'broker', effects: { brokerRole: 'ASYNC_MASTER' } },
  '07-sync-flush': { section: 'broker', effects: { flushDiskType: 'SYNC_FLUSH' } },
  '08-async-flush': { section: 'broker', effects: { flushDiskType: 'ASYNC_FLUSH' } },
  '09-producer-retries': { section: 'client', reasons: sendRetries },
  '10-no-loss-flush': { section: 'broker', effects: { flushDiskType: 'SYNC_FLUSH' } },
  '11-no-loss-role': { section: 'broker', effects: { brokerRole: 'SYNC_MASTER' }, reasons: { brokerRole: NO_REPLICA } },
  '12-no-loss-queues': { section: 'broker', effects: { defaultTopicQueueNums: 4 } },
  '13-backlog-consumers': { section: 'client', reasons: consumeThreads },
  '14-sql-filter': { section: 'broker', effects: { enablePropertyFilter: true } },
  '15-dledger': {
    section: 'broker',
    effects: {
      enableDLedgerGroup: true,
      dLegerGroup: 'RaftNodeGroup',
      dLegerPeerId: 'n0',
      dLederPeers: [10_911, 10_921, 10_931].map((port, number) => ({ id: `n${number}`, number, ...loopback(port), isClientPort: true })),
      dLegerListenPort: 10_912
    }
  },
  '16-available-roles': { section: 'broker', effects: { brokerRole: 'ASYNC_MASTER' }, reasons: { brokerRole: /stands already in line 1; this line counts/ } },
  '17-available-flush': { section: 'broker', effects: { flushDiskType: 'SYNC_FLUSH' } },
  '18-several-name-servers': { section: 'broker', effects: { namesrvAddr: [9876, 9877, 9878].map(loopback) } },
  '19-tuned-consumers': { section: 'client', reasons: consumeThreads },
  '20-tuned-pulls': { section: 'client', reasons: { pullBatchSize: CLIENT } },
  '21-tuned-flush': { section: 'broker', effects: { flushDiskType: 'ASYNC_FLUSH' } },
  '22-tuned-role': { section: 'broker', effects: { brokerRole: 'ASYNC_MASTER' } },
  '23-flush-intervals': { section: 'broker', effects: { flushCommitLogTimed: true, flushCommitLogLeastPages: 4, flushCommitLogThoroughInterval: 10_000 } }
}

t.test('every block has its expectation', async (t) => {
  t.same(filesBelow('spec/config/article', ['.properties']), Object.keys(blocks).map((name) => `spec/config/article/${name}.properties`))
})

for (const [name, { section, effects = {}, reasons = {} }] of Object.entries(blocks)) {
  t.test(`${name}: each key has its effect or the reason why it has none`, async (t) => {
    const content = textOf(`spec/config/article/${name}.properties`)
    const config = effectiveConfig(section, { files: [{ name, content }] })
    const written = new Map(parseProperties(content, name).map(({ key, line }) => [key, line]))
    t.same([...written.keys()].filter((key) => !(key in effects) && !(key in reasons)), [], 'nothing is left out')
    for (const [key, value] of Object.entries(effects)) {
      const canonical = keyWrittenAs(section, key) as keyof typeof config.values
      t.same(config.values[canonical], value, key)
      t.equal(originText(config.origins[canonical]), `${name}:${written.get(key)}`)
    }
    for (const [key, reason] of Object.entries(reasons)) t.match(config.warnings.find((warning) => warning.key === key)?.text, reason, key)
    t.same(config.warnings.map((warning) => warning.key).filter((key) => !(key in reasons)), [], 'and nothing else is printed')
  })
}
