import { key } from './key.ts'
import { LATER } from './reasons.ts'
import { addresses, int, milliseconds, name } from './value-type.ts'

const later = LATER.CLIENT
const KIB = 1024

/** Of producers and consumers. */
export const clientKeys = {
  namesrvAddr: key(addresses, [], 'name servers', { env: 'NAMESRV_ADDR', later }),
  producerGroup: key(name, '', 'group of the producer', { later }),
  sendMsgTimeout: key(milliseconds(1), 3000, 'how long a send may take', { later }),
  retryTimesWhenSendFailed: key(int(0, 100), 2, 'further tries of a send that failed', { later }),
  retryTimesWhenSendAsyncFailed: key(int(0, 100), 2, 'further tries of an asynchronous send that failed', { later }),
  compressMsgBodyOverHowmuch: key(int(0, 32 * KIB * KIB, 'bytes'), 4 * KIB, 'longer bodies are compressed', { later }),
  maxMessageSize: key(int(1, 32 * KIB * KIB, 'bytes'), 4 * KIB * KIB, 'longer bodies are refused', { later }),
  consumerGroup: key(name, '', 'group of the consumer', { later }),
  consumeThreadMin: key(int(1, 1000), 20, 'handlers that run at the same time, at least', { later }),
  consumeThreadMax: key(int(1, 1000), 20, 'handlers that run at the same time, at most', { later }),
  pullInterval: key(milliseconds(), 0, 'pause between two pulls of a queue', { later }),
  pullBatchSize: key(int(1, 1024), 32, 'messages per pull', { later }),
  consumeMessageBatchMaxSize: key(int(1, 1024), 1, 'messages per call of the handler', { later }),
  pullThresholdForQueue: key(int(1, 65_535), 1000, 'messages of a queue held by a consumer', { later }),
  consumeConcurrentlyMaxSpan: key(int(1, 65_535), 2000, 'distance between the first and the last of the messages held', { later }),
  consumeTimeout: key(int(1, 1_000_000, 'min'), 15, 'a message that takes longer is delivered again', { later }),
  pollNameServerInterval: key(milliseconds(10), 30_000, 'time between two looks for changed routes', { later }),
  heartbeatBrokerInterval: key(milliseconds(10), 30_000, 'time between two heartbeats', { later }),
  persistConsumerOffsetInterval: key(milliseconds(10), 5000, 'time between two reports of progress', { later }),
  brokerSuspendMaxTimeMillis: key(milliseconds(1), 20_000, 'how long a pull may wait at the broker', { later })
}
