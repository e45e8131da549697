import type { Test } from 'tap'
import { MemoryDisk, VirtualClock } from '../../lib/adapters/index.ts'
import type { Disk, Logger } from '../../lib/base/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { Broker, type BrokerLimits } from '../../lib/broker/index.ts'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { memoryPorts, type EnginePorts } from '../../lib/engine/index.ts'
import { decodeProperties, encodeJson, parseJson, RecordView, type JsonOutput, type JsonValue } from '../../lib/message/index.ts'
import {
  HeaderType, PullSysFlag, pullMessageResponse, RemotingClient, RequestCode, ResponseCode, sendMessageResponse, type ExtFields, type HeaderOf, type RemotingFrame
} from '../../lib/remoting/index.ts'
import { MemoryNetwork } from '../remoting/memory-network.ts'

export const PORT = 10911
export const ADDRESS = `127.0.0.1:${PORT}`

export interface BrokerSpecOptions {
  /** Lines of a configuration file. */
  readonly settings?: string
  /** Where changes at run time go to /broker.conf; absent: they go nowhere. */
  readonly configDisk?: Disk
  readonly ports?: EnginePorts
  readonly clock?: VirtualClock
  readonly network?: MemoryNetwork
  readonly logger?: Logger
  readonly limits?: Partial<BrokerLimits>
}

/** A broker in this process, in memory and on virtual time, and clients of it with a connection each. */
export async function startedBroker (t: Test, options: BrokerSpecOptions = {}) {
  const broker = await openBroker(options)
  t.teardown(() => broker.close())
  return broker
}

export async function openBroker ({ settings = '', configDisk, clock = new VirtualClock(), network = new MemoryNetwork(), logger = silentLogger, ports = memoryPorts(clock), limits = {} }: BrokerSpecOptions = {}) {
  const config = new RunningConfig(effectiveConfig('broker', { files: [{ name: 'spec', content: `storePathRootDir=/data\nbrokerName=broker-a\nmappedFileSizeCommitLog=4194304\n${settings}` }] }), configDisk ?? new MemoryDisk(), configDisk && '/broker.conf')
  const broker = await Broker.open({ config, network, logger, ports, limits })
  const starting = broker.start()
  await clock.runUntil(() => false, { maxMs: 1 })
  await starting
  const clients: Client[] = []
  const close = async (): Promise<void> => {
    for (const client of clients) await client.close()
    const closing = broker.close()
    await clock.advance(6000)
    await closing
  }
  const connect = (headerType: HeaderType = HeaderType.binary): Client => {
    const client = new Client(new RemotingClient({ clock, network, headerType }))
    clients.push(client)
    return client
  }
  return { broker, clock, network, ports, config, connect, close }
}

export interface Ask {
  readonly body?: Uint8Array | string | JsonOutput
  readonly version?: number
  readonly timeoutMs?: number
}

export interface Pulled {
  readonly code: number
  readonly remark: string | undefined
  readonly header: HeaderOf<typeof pullMessageResponse>
  readonly records: RecordView[]
  readonly bodies: string[]
}

/** Somebody with one connection to the broker. */
export class Client {
  readonly client: RemotingClient
  readonly address: string
  /** What the broker asked of it. */
  readonly asked: RemotingFrame[] = []

  constructor (client: RemotingClient, address: string = ADDRESS) {
    this.client = client
    this.address = address
    for (const code of [RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, RequestCode.RESET_CONSUMER_CLIENT_OFFSET, RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT, RequestCode.CHECK_TRANSACTION_STATE]) {
      client.handle(code, (request) => {
        this.asked.push(request)
        return { code: ResponseCode.SUCCESS }
      })
    }
  }

  ask (code: number, extFields: ExtFields = {}, { body, version = 479, timeoutMs = 60_000 }: Ask = {}): Promise<RemotingFrame> {
    const bytes = body === undefined || body instanceof Uint8Array ? body : typeof body === 'string' ? Buffer.from(body) : encodeJson(body)
    return this.client.invoke(this.address, { code, extFields, body: bytes, version }, { timeoutMs })
  }

  tell (code: number, extFields: ExtFields = {}, body?: string): Promise<void> {
    return this.client.invokeOneWay(this.address, { code, extFields, body: body === undefined ? undefined : Buffer.from(body) })
  }

  /** The body of the answer. @throws when the code is not SUCCESS */
  async json (code: number, extFields: ExtFields = {}, ask: Ask = {}): Promise<JsonValue> {
    const answer = await this.ask(code, extFields, ask)
    if (answer.code !== ResponseCode.SUCCESS) throw new Error(`${answer.code}: ${answer.remark}`)
    return parseJson(answer.body)
  }

  /** @throws when it was not stored */
  async send (topic: string, body: string, properties: Record<string, string> = {}, fields: ExtFields = {}): Promise<HeaderOf<typeof sendMessageResponse>> {
    const answer = await this.trySend(topic, body, { ...fields, i: propertiesText(properties) })
    if (answer.code !== ResponseCode.SUCCESS) throw new Error(`${answer.code}: ${answer.remark}`)
    return sendMessageResponse.decode(answer)
  }

  trySend (topic: string, body: string | Uint8Array, fields: ExtFields = {}, ask: Ask = {}): Promise<RemotingFrame> {
    return this.ask(RequestCode.SEND_MESSAGE_V2, { ...sendFields(topic), ...fields }, { ...ask, body })
  }

  async pull (topic: string, queueId: number, queueOffset: number, fields: ExtFields = {}): Promise<Pulled> {
    const answer = await this.ask(RequestCode.PULL_MESSAGE, { ...pullFields(topic, queueId, queueOffset), ...fields })
    const records = recordsIn(answer.body)
    const hasHeader = [0, 19, 20, 21].includes(answer.code)
    return {
      code: answer.code,
      remark: answer.remark,
      header: hasHeader ? pullMessageResponse.decode(answer) : { suggestWhichBrokerId: -1, nextBeginOffset: -1, minOffset: -1, maxOffset: -1 },
      records,
      bodies: records.map(({ body }) => Buffer.from(body).toString())
    }
  }

  heartbeat (clientId: string, { consumers = [], producers = [], ...rest }: { readonly consumers?: readonly JsonOutput[], readonly producers?: readonly string[], readonly [field: string]: JsonOutput } = {}): Promise<RemotingFrame> {
    return this.ask(RequestCode.HEART_BEAT, {}, { body: { clientID: clientId, consumerDataSet: consumers, producerDataSet: producers.map((groupName) => ({ groupName })), ...rest } })
  }

  /** The connection ends, as if the process were killed. */
  close (): Promise<void> { return this.client.close() }
}

export const sendFields = (topic: string): ExtFields => ({ a: 'producers', b: topic, c: 'TBW102', d: 4, e: 0, f: 0, g: 1_600_000_000_000, h: 0, i: '', j: 0, k: false, m: false })

export const pullFields = (topic: string, queueId: number, queueOffset: number): ExtFields => ({
  consumerGroup: 'group', topic, queueId, queueOffset, maxMsgNums: 32, sysFlag: PullSysFlag.subscription, commitOffset: 0, suspendTimeoutMillis: 15_000, subscription: '*', subVersion: 0
})

export function propertiesText (properties: Record<string, string>): string {
  return Object.entries(properties).map(([name, value]) => `${name}\x01${value}\x02`).join('')
}

/** A consumer group in a heartbeat. */
export function consumerData (groupName: string, subscriptions: Record<string, string> = {}, rest: Record<string, JsonOutput> = {}, subVersion = 1): JsonOutput {
  return {
    groupName,
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
    unitMode: false,
    subscriptionDataSet: Object.entries(subscriptions).map(([topic, subString]) => ({ topic, subString, expressionType: 'TAG', subVersion, classFilterMode: false, tagsSet: [], codeSet: [] })),
    ...rest
  }
}

export function recordsIn (bytes: Uint8Array): RecordView[] {
  const records: RecordView[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; at += view.getInt32(at)) records.push(new RecordView(bytes.subarray(at, at + view.getInt32(at))))
  return records
}

export function propertiesOf (record: RecordView): Record<string, string> {
  return Object.fromEntries(decodeProperties(record.propertiesText))
}
