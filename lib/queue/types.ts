import type { Clock, Logger } from '../base/index.ts'

/** Any object type whose keys are topic names and whose values are payload types. */
export type TopicName<Topics> = Extract<keyof Topics, string>

/** A topic of the user's, or one the engine made: dead letters, `%DLQ%<group>`. */
export type AnyTopic<Topics> = TopicName<Topics> | `%${string}`
export type PayloadOf<Topics, Name> = Name extends keyof Topics ? Topics[Name] : any

/** Milliseconds, or a number with a unit: '250ms', '30s', '5m', '2h', '7d'. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

/** An Avro schema in its JSON form. */
export type AvroSchema = string | object

/** How payloads of a topic become bytes. `{ avro }`: checked against the schema on send, resolved to it on read. */
export type CodecName = 'json' | 'string' | 'bytes'
export type CodecOption = CodecName | { readonly avro: AvroSchema }

export interface TopicOptions {
  /** Default 'json'. Fixed for the topic's life, but for compatible changes of an Avro schema. */
  readonly codec?: CodecOption
  /** How many queues the topic has; default `defaultQueues`. More queues: more consumers at once when order matters. */
  readonly queues?: number
  /** How ids given with `dedupe` are remembered: for so long (up to a week), and so many (100,000 unless given, up to a million). Clients of a broker have theirs in UNIQ_KEY. */
  readonly dedupe?: { readonly window: Duration, readonly count?: number }
  /**
   * Messages may have a `priority`: each has a queue of its own, so there are as many as queues, and what waits is handed out by it, the highest
   * first. Messages without one come to all queues in turn. Consumers that keep order (`order: 'key'`) do not look at it.
   */
  readonly priority?: boolean
}

export interface RetentionOptions {
  /** Whole segments whose last message is older are removed. Default: 72 h. `Infinity` keeps all. */
  readonly maxAgeMs?: number
  /** The oldest segments are removed while the log is larger. Default: no bound. */
  readonly maxBytes?: number
}

/** Bounds of everything that waits or grows; each has a default in options.ts. */
export interface LimitOptions {
  /** Largest body in bytes; default 4 MiB. */
  readonly maxMessageBytes?: number
  /** Largest log entry in bytes, one larger message excepted; default 1 MiB. A batch must fit. */
  readonly maxEntryBytes?: number
  /** Requests waiting to be sealed; beyond it sends are refused with MQ_BUSY. Default 65,536. */
  readonly maxPendingProposals?: number
  /** Their bytes; default 64 MiB. */
  readonly maxPendingBytes?: number
  /** Log kept in memory for reads at the tail; default 8 MiB. */
  readonly tailCacheBytes?: number
  /** Log kept in memory for reads of older messages; default 6 MiB. */
  readonly coldCacheBytes?: number
  /** Size of one file of the log; default 64 MiB. */
  readonly segmentBytes?: number
  /**
   * Disk room that is left free: below it sends are refused with MQ_DISK_ROOM, while consuming goes on. Default:
   * `segmentBytes`, as much as is prepared ahead, and 16 MiB. 0: the disk is not watched, and the queue stops when it is full.
   */
  readonly reserveBytes?: number
  /** Waiting consumers (pulls, iterators, workers); default 10,000. */
  readonly maxWaitingConsumers?: number
  /** What keys and values kept by `tx` may take in memory, about: they all are there; default 64 MiB. */
  readonly maxKeyedBytes?: number
}

export interface FlushOptions {
  /** With durability 'memory': how often what was written is synced; default 500. */
  readonly intervalMs?: number
  /** Sync by timer (true, default) or as soon as `leastPages` are waiting. */
  readonly timed?: boolean
  /** 4 KiB pages that make a sync worth while; default 4. */
  readonly leastPages?: number
  /** Sync whatever waits at least this often; default 10,000. */
  readonly thoroughIntervalMs?: number
}

/** Reported while an open takes longer than two seconds. */
export interface OpenProgress {
  readonly phase: string
  readonly done: number
  readonly total: number
}

export interface OpenOptions<Topics extends object = Record<string, any>> {
  /**
   * What a resolved send means. 'disk' (default): on disk, survives a power cut. 'memory': handed to the operating system,
   * synced by timer; survives the end of the process, a power cut may take the last moments.
   */
  readonly durability?: 'disk' | 'memory'
  readonly flush?: FlushOptions
  /** Default: none, the library prints nothing. console and pino fit. */
  readonly logger?: Partial<Logger>
  /** Sending to (or consuming from) a topic that does not exist makes it. Default true. */
  readonly autoCreateTopics?: boolean
  /** Queues of a topic that is made without saying. Default 8, as RocketMQ's `defaultTopicQueueNums`. */
  readonly defaultQueues?: number
  readonly retention?: RetentionOptions
  readonly limits?: LimitOptions
  /** Made or checked at open; a topic named here exists afterwards. */
  readonly topics?: { readonly [Name in TopicName<Topics>]?: TopicOptions }
  /** Only with ':memory:': virtual time for tests, see VirtualClock. */
  readonly clock?: Clock
  readonly onProgress?: (progress: OpenProgress) => void
  readonly signal?: AbortSignal
  /**
   * For a queue that has grown to a group (see `serve`): it is opened as the group's node n0, and is there when it leads.
   * Needs a majority of the nodes.
   */
  readonly serve?: ServeOptions
}

/** How other nodes reach this queue. */
export interface ServeOptions {
  /** HOST:PORT to listen on for the other nodes; port 0: one that the system chooses. */
  readonly listen: string
  /** HOST:PORT that the others are told, where that is another one. */
  readonly advertise?: string
  /** The same on all nodes (dLegerGroup of a broker). Default 'ledgermq'. */
  readonly groupName?: string
  /** What all nodes know (groupSecret of a broker). Without it whoever reaches the port may take part. */
  readonly secret?: string
}

export interface WaitOptions {
  /** Gives up waiting: the promise rejects with an AbortError (code MQ_ABORTED); `outcome` tells whether it took effect. */
  readonly signal?: AbortSignal
  /** Gives up after so long, with MQ_TIMEOUT. */
  readonly timeoutMs?: number
}

export interface MessageOptions {
  /** Messages of one key stay in order: they go to one queue. Without a key queues take turns. */
  readonly key?: string
  readonly tag?: string
  readonly properties?: Readonly<Record<string, string>>
  /** Names the queue outright; goes before `key`. */
  readonly queueId?: number
  /** It comes to its queue that much later: to the millisecond, up to 100 years. */
  readonly delay?: Duration
  /** Or at that time; at once when it has passed. */
  readonly deliverAt?: Date | string | number
  /**
   * An id: sent again with the same id and body, the message is not stored once more, and the result tells where it is (`isDuplicate`).
   * Ids are remembered for as long and as many as the topic says, see TopicOptions; else the last 100,000 of ten minutes.
   */
  readonly dedupe?: string
  /** From so long after it came to its queue on no group gets it any more (of a message that waits: after its delivery). What a consumer has in hand by then stays with it. */
  readonly ttl?: Duration
  /**
   * From 0 on; what is higher is handed out first, as far as it waits: consumers are not interrupted. More than the topic has queues is as much as it has.
   * Only in topics with `priority`. It names the queue, so there is no `queueId` beside it, and messages of one key stay in order only where they have one priority.
   */
  readonly priority?: number
}

/** When a message is to be delivered instead: one of the two. */
export type DeliveryOptions = Pick<MessageOptions, 'delay' | 'deliverAt'>

export interface SendOptions extends MessageOptions, WaitOptions {}

/** One message of a batch to one topic. */
export interface BatchItem<Body> extends MessageOptions {
  readonly body: Body
}

/** One message of a batch over several topics. */
export type TopicBatchItem<Topics> = { [Name in TopicName<Topics>]: BatchItem<Topics[Name]> & { readonly topic: Name } }[TopicName<Topics>]

export type Backoff = 'fixed' | 'exponential' | readonly Duration[] | ((attempts: number, error: unknown) => number)

export interface ConsumeOptions {
  /** Consumers of one group share a topic's messages; each group sees all of them. */
  readonly group: string
  /** How long a message is this consumer's before others may have it; renewed by itself. Default 30 s. */
  readonly lease?: Duration
  readonly signal?: AbortSignal
}

export interface ProcessOptions extends ConsumeOptions {
  /** Handlers running at the same time; default 1. */
  readonly concurrency?: number
  /**
   * 'none' (default): a message that fails lets the next pass. 'key': messages of one key are handled one after the other,
   * also across retries, and a queue is one consumer's at a time; messages without a key count as one key per queue.
   */
  readonly order?: 'none' | 'key'
  /** Deliveries before a message goes to the dead letters; default 16. */
  readonly attempts?: number
  /** Wait before another attempt; default 'exponential': 1 s, 2 s, 4 s, ... up to 5 min. 'fixed': 1 s. A list: its last value repeats. */
  readonly backoff?: Backoff
  /** Messages fetched ahead of the running handlers; default `concurrency`. */
  readonly prefetch?: number
}

export interface ReceiveOptions extends ConsumeOptions {
  /** Messages fetched ahead; default 32. */
  readonly prefetch?: number
  readonly order?: 'none' | 'key'
}

export interface PullOptions extends ConsumeOptions {
  /** At most so many messages, default 32. */
  readonly max?: number
  /** How long to wait while there are none; default 0. Resolves with an empty batch. */
  readonly waitMs?: number
  readonly order?: 'none' | 'key'
}

export interface ReadOptions {
  readonly queueId: number
  readonly fromOffset: number
  /** Default 32. */
  readonly max?: number
  readonly signal?: AbortSignal
}

export type SeekTarget = 'first' | 'last' | { readonly offset: number, readonly queueId?: number } | { readonly time: Date | string | number }

export interface CloseOptions {
  /** How long running handlers may take to finish; default 30 s. Then their `msg.signal` fires and their leases are returned. */
  readonly timeout?: Duration
}

export interface QueueStats {
  readonly queueId: number
  readonly minOffset: number
  /** The offset the next message will get. */
  readonly maxOffset: number
}

export interface TopicInfo {
  readonly name: string
  readonly codec: string
  readonly queues: readonly QueueStats[]
}

export interface GroupProgress {
  readonly topic: string
  readonly queueId: number
  readonly minOffset: number
  readonly maxOffset: number
  /** Everything below is done. */
  readonly consumerOffset: number
  /** Checked out by a consumer at the moment. */
  readonly inFlight: number
  /** Not done yet, in flight included. */
  readonly lag: number
}
