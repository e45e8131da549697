import { RecordView } from '../../lib/message/index.ts'
import { PullSysFlag, pullMessage, pullMessageResponse, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import type { Cluster } from './cluster.ts'
import type { Read } from './history.ts'

const MAX_MESSAGES = 64
const TIMEOUT_MS = 10_000

/** All messages of a topic's queues, by pulls from one broker, from offset 0 to the end. */
export async function readBack (cluster: Cluster, address: string, topic: string, queues: number): Promise<Read[][]> {
  return await Promise.all(Array.from({ length: queues }, (_, queueId) => readQueue(cluster, address, topic, queueId)))
}

async function readQueue (cluster: Cluster, address: string, topic: string, queueId: number): Promise<Read[]> {
  const reads: Read[] = []
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
      const record = new RecordView(body.subarray(at, at + view.getInt32(at)))
      const text = Buffer.from(record.body).toString('latin1')
      reads.push({ queueId, queueOffset: record.queueOffset, id: text.slice(0, text.indexOf(' ')) })
    }
    offset = pullMessageResponse.decode(answer).nextBeginOffset
  }
}
