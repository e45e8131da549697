/** Names a message that waits for its time: what its sender may take it back by. */
export interface RecallHandle {
  readonly topic: string
  /** Of the broker that has it; empty: an embedded queue's. */
  readonly brokerName: string
  /** When it is due, ms since 1970. */
  readonly deliverAtMs: number
  /** The message's UNIQ_KEY. */
  readonly uniqueKey: string
  /** Where it was stored at first; undefined: the handle does not tell. */
  readonly physicalOffset: number | undefined
}

const VERSION = 'v1'
/** Of an embedded queue: an item may not be empty. */
const NO_BROKER = '-'
/** By what a length leaves when it is divided by four. */
const PADDING = ['', '', '==', '=']
const MAX_HANDLE_CHARACTERS = 4096
const utf8 = new TextDecoder()

/**
 * As RocketMQ's clients read it: base64 (of the alphabet for URLs, with padding) of `v1 topic brokerName deliverAtMs uniqueKey physicalOffset`;
 * they look at the first five items. Undefined: one of them has a blank in it, so that nobody could tell them apart.
 * @see RocketMQ RecallMessageHandle. Divergence: the last item
 */
export function encodeRecallHandle ({ topic, brokerName, deliverAtMs, uniqueKey, physicalOffset }: RecallHandle): string | undefined {
  if (topic === '' || uniqueKey === '' || topic.includes(' ') || uniqueKey.includes(' ') || brokerName.includes(' ')) return undefined
  const items = `${VERSION} ${topic} ${brokerName === '' ? NO_BROKER : brokerName} ${deliverAtMs} ${uniqueKey}${physicalOffset === undefined ? '' : ` ${physicalOffset}`}`
  const text = Buffer.from(items).toString('base64url')
  return text + PADDING[text.length & 3]!
}

/** Undefined: the text is no such handle. */
export function decodeRecallHandle (text: string): RecallHandle | undefined {
  if (text.length > MAX_HANDLE_CHARACTERS || !/^[A-Za-z0-9_-]+={0,2}$/.test(text)) return undefined
  const [version, topic = '', brokerName = '', deliverAt = '', uniqueKey = '', position = ''] = utf8.decode(Buffer.from(text, 'base64url')).split(' ')
  if (version !== VERSION || topic === '' || brokerName === '' || uniqueKey === '' || !/^\d{1,15}$/.test(deliverAt)) return undefined
  const physicalOffset = /^\d{1,15}$/.test(position) ? Number(position) : undefined
  return { topic, brokerName: brokerName === NO_BROKER ? '' : brokerName, deliverAtMs: Number(deliverAt), uniqueKey, physicalOffset }
}
