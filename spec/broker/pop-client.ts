import { ackMessage, changeMessageInvisibleTime, popMessage, RequestCode, ResponseCode, type ExtFields, type HeaderOf } from '../../lib/remoting/index.ts'
import type { RecordView } from '../../lib/message/index.ts'
import { recordsIn, type Client } from './support.ts'

/** A message as Apache's client makes it of the answer to a pop. */
export interface PoppedMessage {
  readonly body: string
  readonly record: RecordView
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly reconsumeTimes: number
  /** POP_CK */
  readonly handle: string
}

export interface PopAnswer {
  readonly code: number
  readonly remark: string | undefined
  readonly header: HeaderOf<typeof popMessage.response> | undefined
  readonly messages: PoppedMessage[]
}

export const popFields = (topic: string, group: string): ExtFields => ({
  consumerGroup: group, topic, queueId: -1, maxMsgNums: 32, invisibleTime: 60_000, pollTime: 0, bornTime: 0, initMode: 0, expType: 'TAG', exp: '*', order: false
})

const BROKER_NAME = 'broker-a'

/** Somebody who consumes by pop, for one group. */
export class PopClient {
  readonly client: Client
  readonly topic: string
  readonly group: string

  constructor (client: Client, topic = 'orders', group = 'workers') {
    this.client = client
    this.topic = topic
    this.group = group
  }

  async pop (fields: ExtFields = {}): Promise<PopAnswer> {
    const answer = await this.client.ask(RequestCode.POP_MESSAGE, { ...popFields(this.topic, this.group), ...fields })
    const { code, remark } = answer
    const header = code === ResponseCode.SUCCESS || code === ResponseCode.POLLING_TIMEOUT || code === ResponseCode.POLLING_FULL ? popMessage.response.decode(answer) : undefined
    return { code, remark, header, messages: code === ResponseCode.SUCCESS ? messagesOf(header!, recordsIn(answer.body)) : [] }
  }

  /** The messages. @throws when the answer is another one than that there are some, or none */
  async take (fields: ExtFields = {}): Promise<PoppedMessage[]> {
    const { code, remark, messages } = await this.pop(fields)
    if (code !== ResponseCode.SUCCESS && code !== ResponseCode.POLLING_TIMEOUT) throw new Error(`${code}: ${remark}`)
    return messages
  }

  async ack ({ topic, queueId, queueOffset, handle }: PoppedMessage, fields: ExtFields = {}): Promise<number> {
    const header = ackMessage.request.encode({ consumerGroup: this.group, topic, queueId, offset: queueOffset, extraInfo: handle })
    return (await this.client.ask(RequestCode.ACK_MESSAGE, { ...header, ...fields })).code
  }

  /** The message with its new handle; the code when it was refused. */
  async changeInvisible (message: PoppedMessage, invisibleTime: number): Promise<PoppedMessage | number> {
    const { topic, queueId, queueOffset, handle } = message
    const answer = await this.client.ask(RequestCode.CHANGE_MESSAGE_INVISIBLETIME, { consumerGroup: this.group, topic, queueId, offset: queueOffset, extraInfo: handle, invisibleTime })
    if (answer.code !== ResponseCode.SUCCESS) return answer.code
    const changed = changeMessageInvisibleTime.response.decode(answer)
    return { ...message, handle: [queueOffset, changed.popTime, changed.invisibleTime, changed.reviveQid, 0, BROKER_NAME, queueId, queueOffset].join(' ') }
  }
}

/** As MQClientAPIImpl.processPopResponse reads it; order of offsets and of records must agree. */
function messagesOf ({ startOffsetInfo, msgOffsetInfo, orderCountInfo, popTime, invisibleTime, reviveQid }: HeaderOf<typeof popMessage.response>, records: readonly RecordView[]): PoppedMessage[] {
  const starts = mapOf(startOffsetInfo)
  const offsets = mapOf(msgOffsetInfo)
  const counts = mapOf(orderCountInfo)
  const seen = new Map<string, number>()
  return records.map((record) => {
    const { queueId, queueOffset, topic } = record
    const key = `0@${queueId}`
    const index = seen.get(key) ?? 0
    seen.set(key, index + 1)
    if (Number(offsets.get(key)!.split(',')[index]) !== queueOffset) throw new Error(`msgOffsetInfo ${msgOffsetInfo} tells another offset than ${queueOffset}`)
    const handle = [starts.get(key), popTime, invisibleTime, reviveQid, 0, BROKER_NAME, queueId, queueOffset].join(' ')
    const reconsumeTimes = Number(counts.get(`0@qo${queueId}%${queueOffset}`) ?? record.reconsumeTimes)
    return { body: Buffer.from(record.body).toString(), record, topic, queueId, queueOffset, reconsumeTimes, handle }
  })
}

function mapOf (info: string | undefined): Map<string, string> {
  return new Map((info ?? '').split(';').filter((one) => one !== '').map((one) => {
    const [retry, key, value] = one.split(' ')
    return [`${retry}@${key}`, value!]
  }))
}
