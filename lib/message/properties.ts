import { MqError } from '../base/index.ts'

/** Separates a property's name from its value, and ends a property, in the stored text. */
export const NAME_END = '\u0001'
export const PROPERTY_END = '\u0002'

/** Property names with a meaning to the engine. @see RocketMQ MessageConst */
export const Property = {
  keys: 'KEYS',
  tags: 'TAGS',
  uniqueKey: 'UNIQ_KEY',
  dedupeId: 'DEDUPE_ID',
  shardingKey: '__SHARDINGKEY',
  retryTopic: 'RETRY_TOPIC',
  realTopic: 'REAL_TOPIC',
  realQueueId: 'REAL_QID',
  producerGroup: 'PGROUP',
  transactionCheckTimes: 'TRANSACTION_CHECK_TIMES',
  preparedQueueOffset: 'TRAN_PREPARED_QUEUE_OFFSET',
  originMessageId: 'ORIGIN_MESSAGE_ID',
  reconsumeTime: 'RECONSUME_TIME',
  maxReconsumeTimes: 'MAX_RECONSUME_TIMES',
  dlqOriginTopic: 'DLQ_ORIGIN_TOPIC',
  dlqOriginMessageId: 'DLQ_ORIGIN_MESSAGE_ID',
  correlationId: 'CORRELATION_ID',
  replyToClient: 'REPLY_TO_CLIENT',
  messageType: 'MSG_TYPE',
  timeToLive: 'TTL',
  priority: '_SYS_MSG_PRIORITY_'
} as const

/** `name \x01 value \x02` for every pair, in map order. Pairs with an empty value are left out, as readers drop them anyway. */
export function encodeProperties (properties: Iterable<readonly [string, string]>): string {
  let text = ''
  for (const [name, value] of properties) {
    assertPropertyText('property name', name)
    assertPropertyText(`property ${name}`, value)
    if (name.length > 0 && value.length > 0) text += name + NAME_END + value + PROPERTY_END
  }
  return text
}

/** Pairs without a separator or with an empty value are dropped. */
export function decodeProperties (text: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (let at = 0; at < text.length;) {
    let end = text.indexOf(PROPERTY_END, at)
    if (end < 0) end = text.length
    const separator = text.indexOf(NAME_END, at)
    if (separator > at && separator + 1 < end) properties.set(text.slice(at, separator), text.slice(separator + 1, end))
    at = end + 1
  }
  return properties
}

/** @throws MQ_INVALID_ARGUMENT the text holds one of the two separator characters */
export function assertPropertyText (what: string, text: string): void {
  if (text.includes(NAME_END) || text.includes(PROPERTY_END)) {
    throw new MqError('MQ_INVALID_ARGUMENT', `${what} may not hold the characters U+0001 and U+0002`)
  }
}
