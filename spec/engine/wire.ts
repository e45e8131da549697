import { VirtualClock } from '../../lib/adapters/index.ts'
import type { MqError } from '../../lib/base/index.ts'
import { Engine, GetMessagesResult, HalfEnding, WireBatchPut, WirePut, type EndRequest, type EndResult, type EngineOptions, type GetMessagesRequest, type WireMessage } from '../../lib/engine/index.ts'
import { RecordView, tagsCodeIn, type GroupConfig, type TopicConfig } from '../../lib/message/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'

export const BORN_HOST = Uint8Array.of(10, 1, 2, 3, 0, 0, 4, 210)
export const STORE_HOST = Uint8Array.of(127, 0, 0, 1, 0, 0, 0x2a, 0x9f)

/** An engine in memory, on a clock of its own. */
export async function openEngine (clock = new VirtualClock(), options: Partial<EngineOptions> = {}): Promise<Engine> {
  return await Engine.open({ ...checkOpenOptions(':memory:', { clock }), directory: ':memory:', storeHost: STORE_HOST, ...options })
}

export function topicConfig (topic: string, queues = 4, attributes: Record<string, string> = {}): TopicConfig {
  return { topic, readQueueNums: queues, writeQueueNums: queues, perm: 6, topicSysFlag: 0, order: false, attributes }
}

export function groupConfig (group: string): GroupConfig {
  return {
    group,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeBroadcastEnable: true,
    consumeMessageOrderly: false,
    retryQueueNums: 1,
    retryMaxTimes: 16,
    brokerId: 0,
    whichBrokerWhenConsumeSlowly: 1,
    notifyConsumerIdsChangedEnable: true,
    groupSysFlag: 0,
    consumeTimeoutMinute: 15,
    attributes: {},
    groupRetryPolicy: ''
  }
}

export function wireMessage (body: string, { tags = '', ...rest }: Partial<WireMessage> & { readonly tags?: string } = {}): WireMessage {
  const properties = Buffer.from(tags === '' ? '' : `TAGS\x01${tags}\x02`)
  return {
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 1_600_000_000_000,
    bornHost: BORN_HOST,
    reconsumeTimes: 0,
    body: Buffer.from(body),
    properties,
    ...rest,
    tagsCode: rest.tagsCode ?? tagsCodeIn(rest.properties ?? properties)
  }
}

export class Put extends WirePut {
  readonly done: Promise<this>
  #resolve!: (put: this) => void
  #reject!: (error: MqError) => void

  constructor (engine: Engine, message: WireMessage, topic: TopicConfig) {
    super(engine.topicPlanned(topic), message)
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  protected onStored (): void { this.#resolve(this) }
  protected onFailed (error: MqError): void { this.#reject(error) }
}

export class BatchPut extends WireBatchPut {
  readonly done: Promise<this>
  #resolve!: (put: this) => void
  #reject!: (error: MqError) => void

  constructor (...args: ConstructorParameters<typeof WireBatchPut>) {
    super(...args)
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  protected onStored (): void { this.#resolve(this) }
  protected onFailed (error: MqError): void { this.#reject(error) }
}

/** Sends as a broker does; the topic is made if need be. */
export function put (engine: Engine, topic: string, message: WireMessage, config = topicConfig(topic)): Promise<Put> {
  const proposal = new Put(engine, message, config)
  engine.submit(proposal)
  return proposal.done
}

/** Reads as a broker does: what is copied out is what a client gets. */
export async function get (engine: Engine, request: Partial<GetMessagesRequest> & { readonly topic: string }): Promise<{ readonly result: GetMessagesResult, readonly records: RecordView[], readonly bodies: string[] }> {
  const got = engine.reads.getMessages({ queueId: 0, fromOffset: 0, maxMessages: 32, maxBytes: 256 * 1024, ...request })
  const result = got instanceof GetMessagesResult ? got : await got
  const bytes = new Uint8Array(8 + result.sizeBytes)
  const records: RecordView[] = []
  if (result.copyTo(bytes, 8) !== bytes.length) throw new Error('the records do not take what they say')
  for (let at = 8, i = 0; at < bytes.length; at += result.sizeBytesOf(i++)) records.push(new RecordView(bytes.subarray(at, at + result.sizeBytesOf(i))))
  return { result, records, bodies: records.map(({ body }) => Buffer.from(body).toString()) }
}

class Ending extends HalfEnding {
  readonly done: Promise<EndResult>
  #resolve!: (result: EndResult) => void
  #reject!: (error: MqError) => void

  readonly uniqueKey: string | undefined

  constructor (engine: Engine, { halfOffset, preparedPosition, producerGroup, idHash, outcome, isAnswer, uniqueKey }: EndRequest) {
    super(engine.transactions, halfOffset, preparedPosition, producerGroup, idHash, outcome, isAnswer)
    this.uniqueKey = uniqueKey
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  protected onEnded (result: EndResult): void { this.#resolve(result) }
  protected onFailed (error: MqError): void { this.#reject(error) }
}

/** As the producer of that group ends the transaction of a half message that it has sent. */
export async function endHalf (engine: Engine, { queueOffset, physicalOffset }: Put, how: Pick<EndRequest, 'producerGroup' | 'outcome'> & { readonly isAnswer?: boolean }): Promise<EndResult> {
  const ending = new Ending(engine, { halfOffset: queueOffset, preparedPosition: physicalOffset, uniqueKey: undefined, idHash: 0, isAnswer: false, ...how })
  engine.submit(ending)
  return await ending.done
}

/** What is ready is done. */
export const soon = async (): Promise<void> => { for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)) }

/** Time passes in steps, so that what is due is done when it is. */
export async function pass (clock: VirtualClock, ms: number, stepMs = ms): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(stepMs)
    await soon()
  }
  await clock.advance(10)
  await soon()
}
