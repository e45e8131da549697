import { setTimeout as sleep } from 'node:timers/promises'
import { isMqError } from '../../lib/base/index.ts'
import { RecordView } from '../../lib/message/index.ts'
import { PullSysFlag, pullMessage, pullMessageResponse, RequestCode, ResponseCode, type RemotingFrame, type RemotingRequest } from '../../lib/remoting/index.ts'
import type { Cluster } from './cluster.ts'
import type { Read } from './history.ts'

/** A broker gives no more than its maxTransferCountOnMessageInMemory. */
const MAX_MESSAGES = 1024
const TIMEOUT_MS = 10_000
const ATTEMPTS = 6
/** So long a node may have no leader to ask, with these pauses between two questions. */
const UNAVAILABLE_MS = 30_000
const PAUSE_MS = 100
const patient = { timeoutMs: TIMEOUT_MS, attempts: ATTEMPTS, unavailableMs: UNAVAILABLE_MS } as const
/** Of who reads the tail: another node has it as well. */
const impatient = { timeoutMs: 1000, attempts: 1, unavailableMs: 0 } as const

interface Patience {
  readonly timeoutMs: number
  readonly attempts: number
  readonly unavailableMs: number
}

/** A message as it was read, and when its broker says that it was stored, or delivered, ms since 1970. */
export interface StampedRead extends Read {
  readonly storeTimestampMs: number
}

type Place = readonly [cluster: Pick<Cluster, 'client'>, address: string, topic: string, queues: number]

/** All messages of a numbered producer in a topic's queues, by pulls from one broker, from offset 0 to the end. */
export async function readBack (...place: Place): Promise<StampedRead[][]> {
  return await readAll(place, numbered)
}

/** The same of any messages: their bodies as text. */
export async function readBodies (...place: Place): Promise<string[][]> {
  return await readAll(place, ({ body }) => Buffer.from(body).toString())
}

/** The next messages of a numbered producer; undefined: the broker has none from there on. A node that does not answer is not asked again. */
export async function maybePull (cluster: Pick<Cluster, 'client'>, address: string, topic: string, queueId: number, offset: number): Promise<{ readonly reads: StampedRead[], readonly nextOffset: number } | undefined> {
  const pulled = await pull(cluster, address, topic, queueId, offset, impatient)
  return pulled === undefined ? undefined : { reads: pulled.records.map(numbered), nextOffset: pulled.nextOffset }
}

function numbered ({ queueId, queueOffset, storeTimestampMs, body }: RecordView): StampedRead {
  const text = Buffer.from(body).toString('latin1')
  return { queueId, queueOffset, storeTimestampMs, id: text.slice(0, text.indexOf(' ')) }
}

async function readAll<T> ([cluster, address, topic, queues]: Place, of: (record: RecordView) => T): Promise<T[][]> {
  return await Promise.all(Array.from({ length: queues }, async (_, queueId) => {
    const reads: T[] = []
    for (let offset = 0; ;) {
      const pulled = await pull(cluster, address, topic, queueId, offset)
      if (pulled === undefined) return reads
      for (const record of pulled.records) reads.push(of(record))
      offset = pulled.nextOffset
    }
  }))
}

async function pull (cluster: Pick<Cluster, 'client'>, address: string, topic: string, queueId: number, offset: number, patience: Patience = patient): Promise<{ readonly records: RecordView[], readonly nextOffset: number } | undefined> {
  const extFields = pullMessage.encode({
    consumerGroup: 'read-back', topic, queueId, queueOffset: offset, maxMsgNums: MAX_MESSAGES, sysFlag: PullSysFlag.subscription, commitOffset: 0, suspendTimeoutMillis: 0, subscription: '*', subVersion: 0, expressionType: 'TAG'
  })
  const answer = await invoke(cluster, address, { code: RequestCode.PULL_MESSAGE, extFields }, patience)
  if (answer.code === ResponseCode.PULL_NOT_FOUND) return undefined
  if (answer.code !== ResponseCode.SUCCESS) throw new Error(`${address} answered a pull of ${topic}/${queueId} from ${offset} with ${answer.code}: ${answer.remark}`)
  const { body } = answer
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const records: RecordView[] = []
  for (let at = 0; at < body.length; at += view.getInt32(at)) records.push(new RecordView(body.subarray(at, at + view.getInt32(at))))
  return { records, nextOffset: pullMessageResponse.decode(answer).nextBeginOffset }
}

/**
 * Several times if it is not answered in time: machines may stand still, and a pull changes nothing. A node that says that it does not serve at the
 * moment (its leader changes) is asked again for a while. Any other answer counts, an empty one included: what is lost is not waited for.
 */
async function invoke (cluster: Pick<Cluster, 'client'>, address: string, request: RemotingRequest, { timeoutMs, attempts, unavailableMs }: Patience): Promise<RemotingFrame> {
  const untilMs = Date.now() + unavailableMs
  for (let timeouts = 0; ;) {
    try {
      const answer = await cluster.client.invoke(address, request, { timeoutMs })
      if (answer.code !== ResponseCode.SERVICE_NOT_AVAILABLE || Date.now() > untilMs) return answer
    } catch (error) {
      if (++timeouts === attempts || !isMqError(error, 'MQ_TIMEOUT')) throw error
      continue
    }
    await sleep(PAUSE_MS)
  }
}
