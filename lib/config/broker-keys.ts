import { groupKeys } from './group-keys.ts'
import { key } from './key.ts'
import { IGNORED, LATER } from './reasons.ts'
import { storeKeys } from './store-keys.ts'
import { tlsKeys } from './tls-keys.ts'
import { addresses, boolean, delayLevels, int, milliseconds, name, oneOf, path, port, text } from './value-type.ts'

const isChangeable = true
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const DEFAULT_DELAYS = [
  ...[1, 5, 10, 30].map((seconds) => seconds * SECOND), ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30].map((minutes) => minutes * MINUTE), HOUR, 2 * HOUR
]

/** A broker told to check who sends and started without would be open to everybody. */
const ACCESS = {
  later: LATER.ACCESS,
  refusal: (isOn: boolean) => isOn ? `${LATER.ACCESS}: whoever reaches the port could read and write` : undefined
}

export const brokerKeys = {
  // who it is and where
  brokerClusterName: key(name, 'DefaultCluster', 'cluster that the broker belongs to'),
  brokerName: key(name, '', 'name of the broker, the same on all nodes of a group', { defaultText: 'the host\'s name' }),
  brokerIP1: key(text, '', 'address told to clients', { defaultText: 'bindAddress, or the host\'s address if that is 0.0.0.0' }),
  advertisedPort: key(port, 0, 'port told to clients, when they come through a mapped one', { defaultText: 'listenPort' }),
  listenPort: key(port, 10_911, 'port for clients and tools'),
  bindAddress: key(text, '127.0.0.1', 'address that is listened on; 0.0.0.0 for all'),
  namesrvAddr: key(addresses, [], 'name servers that the broker registers with', { env: 'NAMESRV_ADDR', isChangeable }),
  registerNameServerPeriod: key(int(10_000, 60_000, 'ms'), 30_000, 'time between two registrations', { isChangeable }),
  registerBrokerTimeoutMills: key(milliseconds(1), 24_000, 'how long a registration may take', { isChangeable }),
  brokerPermission: key(int(0, 7), 6, '2 write, 4 read, 6 both', { isChangeable }),
  // topics and groups
  autoCreateTopicEnable: key(boolean, true, 'a send to an unknown topic makes it', { isChangeable }),
  autoCreateSubscriptionGroup: key(boolean, true, 'a consumer of an unknown group makes it', { isChangeable }),
  defaultTopicQueueNums: key(int(1, 65_536), 8, 'most queues of a topic made by a send', { isChangeable }),
  clusterTopicEnable: key(boolean, true, 'there is a topic named as the cluster'),
  brokerTopicEnable: key(boolean, true, 'there is a topic named as the broker'),
  traceTopicEnable: key(boolean, false, 'there is a topic for traces of messages'),
  msgTraceTopicName: key(name, 'RMQ_SYS_TRACE_TOPIC', 'name of the topic for traces'),
  enableMixedMessageType: key(boolean, false, 'topics may be made for messages of every kind', { isChangeable }),
  messageDelayLevel: key(delayLevels, DEFAULT_DELAYS, 'delays by level; a failed message comes again after those of level 3 and up'),
  // serving clients
  longPollingEnable: key(boolean, true, 'a pull that finds nothing waits for a message', { isChangeable }),
  shortPollingTimeMills: key(milliseconds(1), 1000, 'with longPollingEnable=false, how long a pull that finds nothing waits before it looks again', { isChangeable }),
  litePullMessageEnable: key(boolean, true, 'lite pull consumers are served', { isChangeable }),
  notifyConsumerIdsChangedEnable: key(boolean, true, 'consumers are told at once when their group changes', { isChangeable }),
  useServerSideResetOffset: key(boolean, true, 'a reset of progress is done by the broker, not by its consumers', { isChangeable }),
  channelExpiredTimeout: key(milliseconds(100), 120_000, 'a client without heartbeat for that long is forgotten', { isChangeable }),
  subscriptionExpiredTimeout: key(milliseconds(100), 600_000, 'a subscription of a group that no member has for that long is forgotten', { isChangeable }),
  serverChannelMaxIdleTimeSeconds: key(int(1, 86_400, 's'), 120, 'a connection without traffic for that long is closed'),
  sendThreadPoolQueueCapacity: key(int(1, 10_000_000), 10_000, 'sends under way; further ones are answered SYSTEM_BUSY', { isChangeable }),
  pullThreadPoolQueueCapacity: key(int(1, 10_000_000), 100_000, 'pulls waiting; further ones are answered at once', { isChangeable }),
  traceOn: key(boolean, true, 'clients are told that they may trace', { isChangeable }),
  regionId: key(name, 'DefaultRegion', 'region in the properties of messages', { isChangeable }),
  rejectTransactionMessage: key(boolean, false, 'transactional messages are refused', { isChangeable }),
  transactionTimeOut: key(milliseconds(1), 6000, 'the producers of a half message that old are asked what became of its transaction', { isChangeable }),
  transactionCheckMax: key(int(1, 10_000), 15, 'how often they are asked, until the message is given up and goes to TRANS_CHECK_MAX_TIME_TOPIC', { isChangeable }),
  transactionCheckInterval: key(milliseconds(1), 30_000, 'time between two checks of a half message', { isChangeable }),
  recallMessageEnable: key(boolean, true, 'a delayed message can be recalled', { isChangeable }),
  allowRecallWhenBrokerNotWriteable: key(boolean, true, 'also while brokerPermission forbids to send', { isChangeable }),
  defaultMessageRequestMode: key(oneOf('PULL', 'POP'), 'PULL', 'how consumers that leave it to the broker consume, unless it was set for group and topic', { isChangeable }),
  defaultPopShareQueueNum: key(int(-1, 65_535), -1, 'with how many others a consumer in pop mode shares its queues; 0 or less: all share all', { isChangeable }),
  maxPopPollingSize: key(int(1, 10_000_000), 100_000, 'pops that may wait for messages'),
  serverLoadBalancerEnable: key(boolean, true, 'consumers that ask the broker for their queues share them; else each gets all', { isChangeable }),
  loadBalancePollNameServerInterval: key(milliseconds(10), 30_000, 'time between two questions to name servers for the queues of a topic on other brokers', { isChangeable }),
  enablePropertyFilter: key(boolean, false, 'subscriptions may be SQL92 expressions', { isChangeable }),
  storeReplyMessageEnable: key(boolean, true, 'replies are kept in a topic', { later: LATER.REPLY }),
  metricsExporterType: key(oneOf('DISABLE', 'OTLP_GRPC', 'PROM', 'LOG'), 'DISABLE', 'how metrics are given out', { later: LATER.METRICS }),
  metricsPromExporterPort: key(port, 5557, 'port of the metrics endpoint', { later: LATER.METRICS }),
  metricsPromExporterHost: key(text, '', 'address of the metrics endpoint', { later: LATER.METRICS }),
  metricsLabel: key(text, '', 'labels of all metrics', { later: LATER.METRICS }),
  aclEnable: key(boolean, false, 'requests are signed and checked', ACCESS),
  authenticationEnabled: key(boolean, false, 'users are known by their signature', ACCESS),
  authorizationEnabled: key(boolean, false, 'users may do what they were allowed to', ACCESS),
  // what RocketMQ's broker needs and this one does not
  brokerFastFailureEnable: key(boolean, true, 'requests that wait too long are dropped', { ignored: IGNORED.QUEUE_WAIT }),
  waitTimeMillsInSendQueue: key(milliseconds(), 200, 'how long a send may wait before it is dropped', { ignored: IGNORED.QUEUE_WAIT }),
  sendMessageThreadPoolNums: key(int(1), 4, 'threads for sends', { ignored: IGNORED.THREADS }),
  pullMessageThreadPoolNums: key(int(1), 20, 'threads for pulls', { ignored: IGNORED.THREADS }),
  flushConsumerOffsetInterval: key(milliseconds(1), 5000, 'time between two writes of progress', { ignored: IGNORED.ONE_LOG }),
  fetchNamesrvAddrByAddressServer: key(boolean, false, 'name servers are those that an address server tells', { ignored: IGNORED.ADDRESS_SERVER }),
  fetchNameSrvAddrByDnsLookup: key(boolean, false, 'name servers are those that a host name stands for', { ignored: IGNORED.ADDRESS_SERVER }),
  brokerHeartbeatInterval: key(milliseconds(1), 1000, 'time between two heartbeats to the name servers', { ignored: IGNORED.ACTING_MASTER }),
  brokerNotActiveTimeoutMillis: key(milliseconds(1), 10_000, 'a broker without heartbeat for that long is gone', { ignored: IGNORED.ACTING_MASTER }),
  brokerConfigPath: key(path, '', 'file for changes at run time', { ignored: IGNORED.CONFIG_FILE }),
  rocketmqHome: key(path, '', 'installation directory', { ignored: IGNORED.HOME, env: 'ROCKETMQ_HOME' }),
  ...storeKeys,
  ...groupKeys,
  ...tlsKeys
}
