import { RecordView } from '../../lib/message/index.ts'
import { PullSysFlag, pullMessage, pullMessageResponse, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import type { Cluster } from './cluster.ts'
import type { Read } from './history.ts'

const MAX_MESSAGES = 64
const TIMEOUT_MS = 10_000

type Place = readonly [cluster: Pick<Cluster, 'client'>, address: string, topic: string, queues: number]

/** All messages of a numbered producer in a topic's queues, by pulls from one broker, from offset 0 to the end. */
export async function readBack (...place: Place): Promise<Read[][]> {
  return await readAll(place, ({ queueId, queueOffset, body }) => {
    const text = Buffer.from(body).toString('latin1')
    return { queueId, queueOffset, id: text.slice(0, text.indexOf(' ')) }
  })
}

/** The same of any messages: their bodies as text. */
export async function readBodies (...place: Place): Promise<string[][]> {
  return await readAll(place, ({ body }) => Buffer.from(body).toString())
}

async function readAll<T> ([cluster, address, topic, queues]: Place, of: (record: RecordView) => T): Promise<T[][]> {
  return await Promise.all(Array.from({ length: queues }, (_, queueId) => readQueue(cluster, address, topic, queueId, of)))
}

async function readQueue<T> (cluster: Pick<Cluster, 'client'>, address: string, topic: string, queueId: number, of: (record: RecordView) => T): Promise<T[]> {
  const reads: T[] = []
  for (let offset = 0; ;) {
    const extFields = pullMessage.encode({
      consumerGroup: 'read-back', topic, queueId, queueOffset: offset, maxMsgNums: MAX_MESSAGES, sysFlag: PullSysFlag.subscription, commitOffset: 0, suspendTimeoutMillis: 0, subscription: '*', subVersion: 0, expressionType: 'TAG'
    })
    const answer = await cluster.client.invoke(address, { code: RequestCode.PULL_MESSAGE, extFields }, { timeoutMs: TIMEOUT_MS })
    if (answer.code === ResponseCode.PULL_NOT_FOUND) return reads
    if (answer.code !== ResponseCode.SUCCESS) throw new Error(`${address} answered a pull of ${topic}/${queueId} from ${offset} with ${answer.code}: ${answer.remark}`)
    const { body } = answer
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
    for (let at = 0; at < body.length; at += view.getInt32(at)) {
      reads.push(of(new RecordView(body.subarray(at, at + view.getInt32(at)))))
    }
    offset = pullMessageResponse.decode(answer).nextBeginOffset
  }
}
