import { EventEmitter } from 'node:events'
import { MqError, type Clock } from '../base/index.ts'
import { realDirectory } from '../adapters/index.ts'
import type { Engine, EngineOptions, Explanation, PutResult } from '../engine/index.ts'
import type { GroupMember } from '../group/index.ts'
import { checkDuration, checkFunction, checkGroup, checkInteger, checkKeys, checkOneOf, checkSignal, checkTopic, wrongType } from './arguments.ts'
import { backoffRule } from './backoff.ts'
import { Batch } from './batch.ts'
import { Consumption } from './consumption.ts'
import { Group } from './group.ts'
import { decodeKeyedValue, keyTextOf, type Key } from './keyed-values.ts'
import { StoredMessage } from './message.ts'
import type { OpenNode, QueueNode } from './queue-node.ts'
import { checkTopicOptions, MEMORY } from './options.ts'
import { Receiver } from './receiver.ts'
import { Requests, type ReplyOptions, type RequestOptions } from './requests.ts'
import { Scheduled, type ScheduledResult } from './scheduled.ts'
import { Sender } from './sender.ts'
import { checkServe } from './serve-options.ts'
import { TopicRoutes } from './topic-routes.ts'
import { runTx, type Tx } from './tx.ts'
import type {
  AnyTopic, BatchItem, CloseOptions, ConsumeOptions, DeliveryOptions, GroupProgress, LimitOptions, PayloadOf, ProcessOptions, PullOptions, ReadOptions, ReceiveOptions, SendOptions, ServeOptions, TopicBatchItem, TopicInfo, TopicName,
  TopicOptions, WaitOptions
} from './types.ts'
import { Worker, type Handler } from './worker.ts'

export type SendResult = PutResult

export interface QueueEvents {
  /** The engine stopped after an error (disk, broken rule); every call from now on rejects with its code. */
  failure: [error: Error]
  closed: []
}

export interface EngineStats {
  readonly topics: readonly TopicInfo[]
  readonly groups: ReadonlyArray<{ readonly name: string, readonly lag: number, readonly queues: readonly GroupProgress[] }>
  /** `spareBytes`: of files that retention has dropped and that become the next ones of the log. They are given up when room is short. */
  readonly log: { readonly minPosition: number, readonly maxPosition: number, readonly lastIndex: number, readonly appliedIndex: number, readonly spareBytes: number }
  readonly pendingProposals: number
  /** Messages that a group did not get because their `ttl` was over, since the queue was opened. */
  readonly expiredMessages: number
}

const DEFAULT_LEASE_MS = 30_000
const DEFAULT_ATTEMPTS = 16
const DEFAULT_BATCH = 32
const MAX_BATCH = 10_000
const DEFAULT_CLOSE_MS = 30_000
const consumeKeys = ['group', 'lease', 'signal']

/** An open queue directory. Made by `openQueue`. */
export class EmbeddedQueue<Topics extends object = Record<string, any>> extends EventEmitter<QueueEvents> {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #routes: TopicRoutes
  readonly #sender: Sender
  readonly #scheduled: Scheduled
  readonly #requests: Requests
  readonly #consumers = new Set<{ close (options: { timeoutMs: number }): Promise<void> }>()
  readonly #options: EngineOptions
  #member: GroupMember | undefined
  #serving: Promise<QueueNode> | undefined
  #closing: Promise<void> | undefined
  #isClosed = false

  /** @private */
  constructor (engine: Engine, clock: Clock, routes: TopicRoutes, options: EngineOptions & { readonly limits: Required<LimitOptions> }, node?: OpenNode) {
    super()
    this.#engine = engine
    this.#clock = clock
    this.#routes = routes
    this.#sender = new Sender(engine, clock, routes, options.limits)
    this.#scheduled = new Scheduled(engine)
    this.#requests = new Requests(engine, clock, this.#sender, routes)
    this.#options = options
    if (node !== undefined) this.#serving = Promise.resolve(this.#attached(node))
    engine.onFailure((error) => { this.emit('failure', error) })
  }

  // ---- sending ----

  /**
   * Stores one message; resolves once it is durable (see `durability`) and visible to consumers. Bytes handed over must
   * not change before that. Rejections carry `outcome`: 'not-applied', or 'unknown' when the message may have been stored.
   * @throws TypeError, MQ_INVALID_ARGUMENT, MQ_PAYLOAD_INVALID, MQ_MESSAGE_TOO_LARGE, MQ_TOPIC_NOT_FOUND, MQ_QUEUE_NOT_FOUND, MQ_BUSY, MQ_DISK_ROOM, MQ_ABORTED, MQ_TIMEOUT, MQ_IO, MQ_CLOSED
   * @throws MQ_NOT_LEADER in a group (`serve`) while another node leads, 'not-applied' and retryable: nothing is sent on to it; MQ_OVERWRITTEN, MQ_LEADERSHIP_LOST when that changes meanwhile
   */
  send<Name extends TopicName<Topics>> (topic: Name, body: Topics[Name], options?: SendOptions): Promise<SendResult> {
    return this.#sender.send(topic, body, options)
  }

  /** Stores all messages or none, next to each other in one log entry; results in the order given. @throws as `send` */
  sendBatch<Name extends TopicName<Topics>> (topic: Name, messages: ReadonlyArray<BatchItem<Topics[Name]>>, options?: WaitOptions): Promise<SendResult[]>
  sendBatch (messages: ReadonlyArray<TopicBatchItem<Topics>>, options?: WaitOptions): Promise<SendResult[]>
  sendBatch (first: unknown, second?: unknown, third?: WaitOptions): Promise<SendResult[]> {
    return Array.isArray(first)
      ? this.#sender.sendBatch(undefined, first, second as WaitOptions | undefined)
      : this.#sender.sendBatch(first as string, second, third)
  }

  /**
   * Takes a message back that was sent with `delay` or `deliverAt`, by the `recallHandle` of its result. True: it is never delivered,
   * and that is durable. False: it was delivered or taken back before, or there was none.
   * @throws MQ_INVALID_ARGUMENT the text is no handle; MQ_BUSY, MQ_NOT_LEADER, MQ_CLOSED and other outcomes as of `send`
   */
  recall (recallHandle: string): Promise<boolean> {
    return this.#scheduled.recall(recallHandle)
  }

  /**
   * Has such a message delivered at another time; the result has a new handle, the old one is void. Undefined: it was delivered or taken back before.
   * @throws as `recall`
   */
  reschedule (recallHandle: string, options: DeliveryOptions): Promise<ScheduledResult | undefined> {
    return this.#scheduled.reschedule(recallHandle, options)
  }

  /**
   * Acknowledges messages, sends messages and keeps values by key, in one entry of the log: all of it or nothing, whatever happens.
   * `build` collects what is to be done and may not be async; up to 1,000 operations that fit into `maxEntryBytes`. Resolves
   * with the results of its sends, in order, once all is durable.
   * @throws MQ_LEASE_LOST (`lost`: how many) one message or more is not this consumer's any more: nothing was done, the others still are
   * @throws MQ_BUSY values take more than `maxKeyedBytes`; MQ_UNAVAILABLE a node of the group runs a version that has no values by key
   * @throws what `build` throws, and as `send`
   */
  tx (build: (tx: Tx<Topics>) => void, options: WaitOptions = {}): Promise<SendResult[]> {
    return runTx(this.#engine, this.#sender, build, options)
  }

  /**
   * The value of a key, as `tx` has put it; undefined: there is none. It is not older than what had been confirmed anywhere in the group when
   * this was called. @throws TypeError, MQ_INVALID_ARGUMENT, MQ_MESSAGE_TOO_LARGE, MQ_UNAVAILABLE no leader confirmed it in time, MQ_CLOSED
   */
  async get<Value = any> (key: Key): Promise<Value | undefined> {
    return decodeKeyedValue(await this.#engine.valueOf(keyTextOf(key))) as Value | undefined
  }

  /**
   * Stores a message as `send` does and waits for its reply, which some handler of the topic gives by `reply`. Requests and replies are messages like others,
   * durable and replicated: in a group the reply is found also when another node leads by then. What is not told in time never is:
   * the request is handed out to nobody once `timeoutMs` is over, and a reply that comes later is not waited for.
   * @throws MQ_TIMEOUT no reply came in time, 'unknown': a handler may have done its work; MQ_ABORTED, MQ_CLOSED likewise; MQ_BUSY too many wait; as `send` when it could not be stored
   */
  request<Name extends TopicName<Topics>, Reply = any> (topic: Name, body: Topics[Name], options?: RequestOptions): Promise<StoredMessage<Reply>> {
    return this.#requests.request<Reply>(topic, body, options)
  }

  /**
   * Answers a request; resolves when the reply is stored. Reply, then acknowledge: a request whose handler fails is handed out again, and of several replies
   * the first counts. The payload is JSON, or what topic `DefaultCluster_REPLY_TOPIC` was made for.
   * @throws MQ_INVALID_ARGUMENT the message is no request; and as `send`
   */
  reply (message: StoredMessage, body: unknown, options?: ReplyOptions): Promise<SendResult> {
    return this.#requests.reply(message, body, options)
  }

  /** The queue that messages of `key` go to: as RocketMQ's clients choose, by Java's String.hashCode. @throws MQ_TOPIC_NOT_FOUND */
  queueOf (topic: TopicName<Topics>, key: string): number {
    if (typeof key !== 'string') throw wrongType('key', 'a string', key)
    return this.#routes.get(topic).queueOf(key)
  }

  // ---- consuming ----

  /** Runs `handler` over a topic's messages until the worker, the queue or `signal` closes it. @see Worker */
  process<Name extends AnyTopic<Topics>> (topic: Name, handler: Handler<PayloadOf<Topics, Name>>, options: ProcessOptions): Worker<PayloadOf<Topics, Name>> {
    checkFunction('handler', handler)
    checkKeys('options', options, [...consumeKeys, 'concurrency', 'order', 'attempts', 'backoff', 'prefetch'])
    const { concurrency = 1, attempts = DEFAULT_ATTEMPTS, backoff, prefetch = concurrency } = options
    const rules = {
      concurrency: checkInteger('concurrency', concurrency, 1, MAX_BATCH),
      attempts: checkInteger('attempts', attempts, 1, 65_535),
      backoff: backoffRule(backoff),
      prefetch: checkInteger('prefetch', prefetch, 0, MAX_BATCH)
    }
    const worker: Worker<PayloadOf<Topics, Name>> = new Worker(this.#consumption<PayloadOf<Topics, Name>>(topic, options, rules.attempts), handler, rules, () => this.#consumers.delete(worker))
    this.#consumers.add(worker)
    return worker
  }

  /** A topic's messages as an async iterator, to be settled one by one. @see Receiver */
  receive<Name extends AnyTopic<Topics>> (topic: Name, options: ReceiveOptions): Receiver<PayloadOf<Topics, Name>> {
    checkKeys('options', options, [...consumeKeys, 'prefetch', 'order'])
    const prefetch = checkInteger('prefetch', options.prefetch ?? DEFAULT_BATCH, 1, MAX_BATCH)
    const receiver: Receiver<PayloadOf<Topics, Name>> = new Receiver(this.#consumption<PayloadOf<Topics, Name>>(topic, options), prefetch, () => this.#consumers.delete(receiver))
    this.#consumers.add(receiver)
    return receiver
  }

  /** Up to `max` messages at once; an empty batch when none came in `waitMs`. Their leases are not renewed by themselves. */
  async pull<Name extends AnyTopic<Topics>> (topic: Name, options: PullOptions): Promise<Batch<PayloadOf<Topics, Name>>> {
    checkKeys('options', options, [...consumeKeys, 'max', 'waitMs', 'order'])
    const max = checkInteger('max', options.max ?? DEFAULT_BATCH, 1, MAX_BATCH)
    const waitMs = options.waitMs === Infinity ? Infinity : checkInteger('waitMs', options.waitMs ?? 0, 0)
    const consumption = this.#consumption<PayloadOf<Topics, Name>>(topic, options)
    const hold = waitMs > 0 ? consumption.holdProcess() : undefined
    try {
      return new Batch(this.#engine, await consumption.pop(max, options.signal, waitMs))
    } finally {
      hold?.cancel()
    }
  }

  #consumption<Body> (topic: string, options: ConsumeOptions & { readonly order?: unknown }, maxAttempts = DEFAULT_ATTEMPTS): Consumption<Body> {
    checkTopic(topic)
    this.#engine.assertOpen()
    if (this.#closing !== undefined) throw new MqError('MQ_CLOSED', 'the queue is closing')
    const route = this.#routes.get(topic)
    return new Consumption<Body>({
      engine: this.#engine,
      clock: this.#clock,
      topic,
      group: checkGroup(options.group),
      leaseMs: options.lease === undefined ? DEFAULT_LEASE_MS : checkDuration('lease', options.lease, 1),
      isOrdered: options.order !== undefined && checkOneOf('order', options.order, ['none', 'key']) === 'key',
      signal: checkSignal(options.signal),
      maxAttempts,
      makeTopic: async () => { if (!route.exists) await this.#routes.create(topic) },
      codecSource: () => this.#engine.topic(topic) === undefined ? route : this.#routes.get(topic)
    })
  }

  /**
   * Messages of one queue by their offsets, as they were stored; no group and no lease is involved. Empty at the end of the queue.
   * @throws MQ_OFFSET_TOO_SMALL retention has removed the offset; `minOffset` tells where to go on
   */
  async read<Name extends AnyTopic<Topics>> (topic: Name, options: ReadOptions): Promise<Array<StoredMessage<PayloadOf<Topics, Name>>>> {
    checkTopic(topic)
    checkKeys('options', options, ['queueId', 'fromOffset', 'max', 'signal'])
    const queueId = checkInteger('queueId', options.queueId, 0)
    const fromOffset = checkInteger('fromOffset', options.fromOffset, 0)
    const max = checkInteger('max', options.max ?? DEFAULT_BATCH, 1, MAX_BATCH)
    const signal = checkSignal(options.signal)
    this.#engine.assertOpen()
    const route = this.#routes.get(topic)
    if (!route.exists) throw new MqError('MQ_TOPIC_NOT_FOUND', `there is no topic ${topic}`)
    const records = await this.#engine.read({ topic, queueId, fromOffset, maxMessages: max, signal })
    return records.map((record) => new StoredMessage<PayloadOf<Topics, Name>>(topic, record, route))
  }

  /**
   * Where a message is and why it is not delivered yet, by its `id` (of a sent or received message): delayed until when; for every group whether it waits behind others, is leased and
   * until when, comes again later, has expired, is done or a dead letter; and how often it was handed out. By what this process has applied.
   * @throws MQ_INVALID_ARGUMENT it is no id
   */
  async explain (messageId: string): Promise<Explanation> {
    if (typeof messageId !== 'string') throw wrongType('messageId', 'a string', messageId)
    this.#engine.assertOpen()
    return await this.#engine.explanations.explain(messageId)
  }

  /** A consumer group, to move it or to ask how far it is. */
  group (name: string): Group {
    return new Group(this.#engine, this.#routes, checkGroup(name))
  }

  // ---- topics and figures ----

  /** Makes a topic; fine when it is there with the same codec and queue count. More queues and a newer Avro schema are taken over. */
  async createTopic (name: TopicName<Topics>, options: TopicOptions = {}): Promise<void> {
    checkTopic(name)
    await this.#routes.ensure(name, checkTopicOptions('options', options))
  }

  /** Removes a topic with its messages and every group's progress in it. @throws MQ_TOPIC_NOT_FOUND */
  async deleteTopic (name: TopicName<Topics>): Promise<void> {
    checkTopic(name)
    await this.#engine.deleteTopic(name)
  }

  topics (): TopicInfo[] {
    this.#engine.assertOpen()
    return this.#engine.topics().map(({ name, attributes, queues }) => ({ name, codec: attributes.codec ?? 'bytes', queues }))
  }

  stats (): EngineStats {
    this.#engine.assertOpen()
    return { topics: this.topics(), groups: this.#engine.groupProgress(), ...this.#engine.stats() }
  }

  // ---- others ----

  /**
   * Lets other nodes reach this queue, so that it can grow to a group that outlives this process: `addPeer` of the result
   * names them. Resolves when it listens; further calls, and those on a queue that was opened with `serve`, give the same
   * node. Afterwards the directory is opened with `serve`, once there are others.
   * @throws TypeError, MQ_INVALID_ARGUMENT (also with `durability: 'memory'`), MQ_CLOSED; the system's error when it cannot listen there
   */
  serve (options?: ServeOptions): Promise<QueueNode> {
    if (this.#serving !== undefined) return this.#serving
    const serving = this.#serve(options)
    this.#serving = serving
    serving.catch(() => { if (this.#serving === serving) this.#serving = undefined })
    return serving
  }

  async #serve (options: ServeOptions | undefined): Promise<QueueNode> {
    const checked = checkServe(options)
    this.#engine.assertOpen()
    const { directory, durability } = this.#options
    // its own copy would count towards a majority without being on its disk
    if (durability === 'memory' && directory !== MEMORY) throw new MqError('MQ_INVALID_ARGUMENT', "a queue with durability 'memory' takes no other nodes while it is open: close it and open it with `serve`; nodes of a group confirm what is on their disks")
    if (directory === MEMORY) throw new MqError('MQ_INVALID_ARGUMENT', 'a queue in memory has no group')
    // most queues are alone: what is only for groups is loaded when it is needed
    const { serveEngine } = await import('./queue-node.ts')
    return this.#attached(await serveEngine(this.#engine, { ...this.#options, directory: await realDirectory(directory) }, checked))
  }

  #attached ({ member, node }: OpenNode): QueueNode {
    this.#member = member
    const { engine } = member
    member.onEngine((replaced) => {
      if (replaced === engine || this.#closing !== undefined) return
      // everything is there, but what this object holds of the old engine is void
      this.emit('failure', new MqError('MQ_CLOSED', 'the queue has caught up with its group by a copy from another node, or its state was found damaged and made anew: open it again'))
      this.close()
    })
    return node
  }

  // ---- end ----

  get isClosed (): boolean { return this.#isClosed }

  /**
   * Stops fetching, lets running handlers finish for up to `timeout` (default 30 s), returns leases, makes everything
   * durable and closes the files. Further calls return the first one's promise; it never rejects.
   */
  close (options: CloseOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    let timeoutMs: number
    try {
      const { timeout = DEFAULT_CLOSE_MS } = checkKeys('options', options, ['timeout'])
      timeoutMs = checkDuration('timeout', timeout)
    } catch (error) {
      return Promise.reject(error)
    }
    return (this.#closing = this.#close(timeoutMs))
  }

  async #close (timeoutMs: number): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close({ timeoutMs })))
    this.#requests.close()
    await this.#serving?.catch(() => {})
    await (this.#member ?? this.#engine).close()
    this.#isClosed = true
    this.emit('closed')
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.close() }
}
