import { silentLogger, type Clock, type Logger } from '../base/index.ts'
import { DEFAULT_DEDUPE_COUNT, MAX_DEDUPE_COUNT, MAX_DEDUPE_MS } from '../engine/index.ts'
import type { AvroSchema, FlushOptions, LimitOptions, OpenOptions, OpenProgress, TopicOptions } from './types.ts'
import { checkServe, type CheckedServeOptions } from './serve-options.ts'
import { checkDuration, checkFunction, checkInteger, checkKeys, checkObject, checkOneOf, checkSignal, checkTopic, invalid, wrongType } from './arguments.ts'

export const DEFAULT_QUEUES = 8
export const MAX_QUEUES = 65_536
export const DEFAULT_RETENTION_MS = 72 * 3_600_000

const KIB = 1024
const MIB = 1024 * KIB

/** For the state's files, and for what consumers write when sends are refused. */
const LEAST_RESERVE_BYTES = 16 * MIB

/** Default, smallest and largest value of each limit; `reserveBytes` depends on another. */
const limitBounds: { readonly [Name in keyof Required<LimitOptions>]: readonly [number, number, number] } = {
  maxMessageBytes: [4 * MIB, 1, 32 * MIB],
  maxEntryBytes: [MIB, 4 * KIB, 32 * MIB],
  maxPendingProposals: [65_536, 1, 10_000_000],
  maxPendingBytes: [64 * MIB, 64 * KIB, 4096 * MIB],
  tailCacheBytes: [8 * MIB, MIB, 65_536 * MIB],
  coldCacheBytes: [6 * MIB, MIB, 65_536 * MIB],
  segmentBytes: [64 * MIB, 64 * KIB, 2048 * MIB],
  reserveBytes: [-1, 0, 1024 * 1024 * MIB],
  maxWaitingConsumers: [10_000, 1, 10_000_000],
  maxKeyedBytes: [64 * MIB, 0, 4096 * MIB]
}

const flushBounds: { readonly [Name in Exclude<keyof FlushOptions, 'timed'>]-?: readonly [number, number, number] } = {
  intervalMs: [500, 1, 3_600_000],
  leastPages: [4, 0, 1_000_000],
  thoroughIntervalMs: [10_000, 1, 3_600_000]
}

export interface CheckedOptions {
  readonly durability: 'disk' | 'memory'
  readonly flush: Required<FlushOptions>
  readonly logger: Logger
  readonly autoCreateTopics: boolean
  readonly defaultQueues: number
  readonly retention: { readonly maxAgeMs: number, readonly maxBytes: number }
  readonly limits: Required<LimitOptions>
  readonly topics: ReadonlyMap<string, TopicOptions>
  readonly clock: Clock | undefined
  readonly onProgress: ((progress: OpenProgress) => void) | undefined
  readonly signal: AbortSignal | undefined
  readonly serve: CheckedServeOptions | undefined
}

export const MEMORY = ':memory:'

/** @throws TypeError, MQ_INVALID_ARGUMENT */
export function checkOpenOptions (directory: string, options: OpenOptions<any>): CheckedOptions {
  if (typeof directory !== 'string') throw wrongType('directory', 'a string', directory)
  if (directory.length === 0 || directory.includes('\0')) throw invalid('directory', 'a path or \':memory:\'', directory)
  checkKeys('options', options, ['durability', 'flush', 'logger', 'autoCreateTopics', 'defaultQueues', 'retention', 'limits', 'topics', 'clock', 'onProgress', 'signal', 'serve'])
  if (options.clock !== undefined && directory !== MEMORY) throw invalid('clock', 'left out unless the directory is \':memory:\'', options.clock)
  if (options.serve !== undefined && directory === MEMORY) throw invalid('serve', 'left out for a queue in memory', options.serve)
  if (options.onProgress !== undefined) checkFunction('onProgress', options.onProgress)
  return {
    durability: options.durability === undefined ? 'disk' : checkOneOf('durability', options.durability, ['disk', 'memory']),
    flush: checkFlush(options.flush ?? {}),
    logger: checkLogger(options.logger),
    autoCreateTopics: checkFlag('autoCreateTopics', options.autoCreateTopics, true),
    defaultQueues: options.defaultQueues === undefined ? DEFAULT_QUEUES : checkInteger('defaultQueues', options.defaultQueues, 1, MAX_QUEUES),
    retention: checkRetention(options.retention ?? {}),
    limits: checkLimits(options.limits ?? {}),
    topics: checkTopics(options.topics ?? {}),
    clock: options.clock === undefined ? undefined : checkClock(options.clock),
    onProgress: options.onProgress,
    signal: checkSignal(options.signal),
    serve: options.serve === undefined ? undefined : checkServe(options.serve)
  }
}

/** Codec and queue count of one topic, as given by a user. The schema itself is checked where it is parsed. */
export function checkTopicOptions (what: string, value: unknown): TopicOptions {
  const given = checkKeys(what, value, ['codec', 'queues', 'dedupe', 'priority'])
  const { codec, queues, dedupe, priority } = given
  if (dedupe !== undefined) dedupeAttributes(`${what}.dedupe`, dedupe)
  checkFlag(`${what}.priority`, priority, false)
  if (queues !== undefined) checkInteger(`${what}.queues`, queues, 1, MAX_QUEUES)
  if (codec === undefined) return given as TopicOptions
  if (typeof codec === 'string') {
    checkOneOf(`${what}.codec`, codec, ['json', 'string', 'bytes'])
  } else {
    const { avro } = checkKeys(`${what}.codec`, codec, ['avro']) as { avro?: AvroSchema }
    if (typeof avro !== 'string' && (typeof avro !== 'object' || avro === null)) throw wrongType(`${what}.codec.avro`, 'an Avro schema', avro)
  }
  return given as TopicOptions
}

/** What of the options are attributes of the topic; its codec aside. */
export function attributesOf ({ dedupe, priority }: TopicOptions): Record<string, string> {
  return { ...dedupe === undefined ? {} : dedupeAttributes('dedupe', dedupe), ...priority === true ? { 'message.type': 'PRIORITY' } : {} }
}

function dedupeAttributes (what: string, value: unknown): Record<string, string> {
  const { window, count = DEFAULT_DEDUPE_COUNT } = checkKeys(what, value, ['window', 'count'])
  const windowMs = checkDuration(`${what}.window`, window, 1)
  if (windowMs > MAX_DEDUPE_MS) throw invalid(`${what}.window`, 'a week at most', window)
  return { 'dedupe.time': String(windowMs), 'dedupe.count': String(checkInteger(`${what}.count`, count, 1, MAX_DEDUPE_COUNT)) }
}

function checkTopics (value: unknown): Map<string, TopicOptions> {
  const topics = new Map<string, TopicOptions>()
  for (const [name, topic] of Object.entries(checkObject('topics', value))) {
    checkTopic(name)
    topics.set(name, checkTopicOptions(`topics.${name}`, topic))
  }
  return topics
}

function checkFlag (what: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw wrongType(what, 'true or false', value)
  return value
}

function checkRetention (value: unknown): { maxAgeMs: number, maxBytes: number } {
  const { maxAgeMs = DEFAULT_RETENTION_MS, maxBytes = Infinity } = checkKeys('retention', value, ['maxAgeMs', 'maxBytes'])
  return { maxAgeMs: checkBoundOrInfinity('retention.maxAgeMs', maxAgeMs, 1), maxBytes: checkBoundOrInfinity('retention.maxBytes', maxBytes, 1) }
}

function checkBoundOrInfinity (what: string, value: unknown, least: number): number {
  return value === Infinity ? value : checkInteger(what, value, least)
}

function checkLimits (value: unknown): Required<LimitOptions> {
  const given = checkKeys('limits', value, Object.keys(limitBounds))
  const limits: Record<string, number> = {}
  for (const [name, [fallback, least, most]] of Object.entries(limitBounds)) {
    limits[name] = given[name] === undefined ? fallback : checkInteger(`limits.${name}`, given[name], least, most)
  }
  if (given.reserveBytes === undefined) limits.reserveBytes = limits.segmentBytes! + LEAST_RESERVE_BYTES
  return limits as Required<LimitOptions>
}

function checkFlush (value: unknown): Required<FlushOptions> {
  const given = checkKeys('flush', value, ['timed', ...Object.keys(flushBounds)])
  const flush: Record<string, number | boolean> = { timed: checkFlag('flush.timed', given.timed, true) }
  for (const [name, [fallback, least, most]] of Object.entries(flushBounds)) {
    flush[name] = given[name] === undefined ? fallback : checkInteger(`flush.${name}`, given[name], least, most)
  }
  return flush as unknown as Required<FlushOptions>
}

/** Methods that are missing are silent. They keep their `this`, as pino's need it. */
function checkLogger (value: unknown): Logger {
  if (value === undefined) return silentLogger
  const given = value as Partial<Logger>
  if ((typeof given !== 'object' && typeof given !== 'function') || given === null) throw wrongType('logger', 'an object with debug, info, warn and error', value)
  const logger = { ...silentLogger }
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    if (given[level] === undefined) continue
    checkFunction(`logger.${level}`, given[level])
    logger[level] = (message, facts) => { if (facts === undefined) given[level]!(message); else given[level]!(message, facts) }
  }
  return logger
}

function checkClock (value: unknown): Clock {
  const clock = value as Clock
  for (const name of ['wallMs', 'nowMs', 'setTimer', 'defer'] as const) checkFunction(`clock.${name}`, (clock as Clock | null)?.[name])
  return clock
}
