import { deflateSync, inflateSync } from 'node:zlib'
import { isMqError, MqError, viewOf } from '../base/index.ts'
import {
  encodeJson, jsonArray, jsonBoolean, jsonInt, jsonLimits, jsonMap, jsonText, parseJson, writeJson, type JsonFields, type JsonMap, type JsonValue, type TopicConfig
} from '../message/index.ts'
import { VersionGate } from '../remoting/index.ts'
import { dataVersionFields, noDataVersion, readDataVersion, type DataVersion } from './data-version.ts'
import { readTopicQueueMapping, topicQueueMappingFields, type TopicQueueMapping } from './topic-queue-mapping.ts'

/**
 * What a broker tells with REGISTER_BROKER. Two layouts, both in use: JSON
 *
 *     {"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{…},"topicConfigTable":{"T":{…}},"topicQueueMappingInfoMap":{…},…}}
 *
 * and a compressed one, big-endian, all of it through zlib:
 *
 *     length i32, DataVersion as JSON | count i32, then for each topic: length i32, "name readQueues writeQueues perm SINGLE_TAG attributesJson" |
 *     length i32, filter servers as JSON | from version 413 on: count i32, then for each mapping: length i32, JSON
 *
 * @see RocketMQ RegisterBrokerBody, TopicConfigAndMappingSerializeWrapper, TopicConfig.encode
 */
export interface RegisterBody {
  readonly dataVersion: DataVersion
  /** By name. */
  readonly topics: ReadonlyMap<string, TopicConfig>
  readonly filterServers: readonly string[]
  /** Of static topics only. */
  readonly mappings: readonly TopicQueueMapping[]
}

const emptyBody: RegisterBody = { dataVersion: noDataVersion, topics: new Map(), filterServers: [], mappings: [] }

/** zlib's first byte for a window of 32 KiB, which every writer uses; no JSON begins with it. */
const ZLIB_START = 0x78
const MAX_NAME_CHARACTERS = 255
const MAX_FILTER_SERVERS = 100
/** RocketMQ's defaults where a registration leaves a field out. */
const DEFAULT_QUEUES = 16
const DEFAULT_PERM = 6

export function encodeRegisterBody (body: RegisterBody): Uint8Array {
  return encodeJson({
    filterServerList: body.filterServers,
    topicConfigSerializeWrapper: {
      dataVersion: dataVersionFields(body.dataVersion),
      mappingDataVersion: dataVersionFields(noDataVersion),
      topicConfigTable: new Map([...body.topics].map(([name, topic]) => [name, topicConfigFields(topic)])),
      topicQueueMappingDetailMap: {},
      topicQueueMappingInfoMap: new Map(body.mappings.map((mapping) => [mapping.topic, topicQueueMappingFields(mapping)]))
    }
  })
}

/** `order` and `topicSysFlag` have no place in this layout. */
export function encodeCompressedRegisterBody (body: RegisterBody): Uint8Array {
  const pieces: Uint8Array[] = []
  const addInt = (value: number): void => {
    const bytes = new Uint8Array(4)
    viewOf(bytes).setInt32(0, value)
    pieces.push(bytes)
  }
  const addText = (text: string): void => {
    const bytes = Buffer.from(text)
    addInt(bytes.length)
    pieces.push(bytes)
  }
  addText(writeJson(dataVersionFields(body.dataVersion)))
  addInt(body.topics.size)
  for (const { topic, readQueueNums, writeQueueNums, perm, attributes } of body.topics.values()) {
    addText(`${topic} ${readQueueNums} ${writeQueueNums} ${perm} SINGLE_TAG ${writeJson(new Map(Object.entries(attributes)))}`)
  }
  addText(writeJson(body.filterServers))
  addInt(body.mappings.length)
  for (const mapping of body.mappings) addText(writeJson(topicQueueMappingFields(mapping)))
  return deflateSync(Buffer.concat(pieces))
}

/** @see RocketMQ TopicConfig */
export function topicConfigFields ({ topic, readQueueNums, writeQueueNums, perm, topicSysFlag, order, attributes }: TopicConfig): JsonFields {
  return { topicName: topic, readQueueNums, writeQueueNums, perm, topicFilterType: 'SINGLE_TAG', topicSysFlag, order, attributes: new Map(Object.entries(attributes)) }
}

export interface RegisterBodyLimits {
  /** Of the body as it came, and of what a compressed one unfolds to. */
  readonly maxBytes: number
  readonly maxTopics: number
}

/**
 * Reads either layout, told apart by the first byte: Java brokers say `compressed=false` also of compressed bodies. An empty
 * body registers no topics.
 * @throws MQ_INVALID_ARGUMENT it is malformed or beyond a limit
 */
export function decodeRegisterBody (bytes: Uint8Array, version: number, limits: RegisterBodyLimits): RegisterBody {
  if (bytes.length === 0) return emptyBody
  if (bytes.length > limits.maxBytes) throw tooLong(limits)
  return bytes[0] === ZLIB_START ? decodeCompressed(inflated(bytes, limits), version, limits) : decodeJson(bytes, limits)
}

function decodeJson (bytes: Uint8Array, limits: RegisterBodyLimits): RegisterBody {
  const body = jsonMap(parseJson(bytes, { ...jsonLimits, maxBytes: limits.maxBytes }))
  if (body === undefined) throw malformed('is no JSON object')
  // Brokers of versions before 3.0.11 send the inner object alone.
  const wrapper = jsonMap(body.get('topicConfigSerializeWrapper')) ?? body
  const topics = new Map<string, TopicConfig>()
  for (const [key, value] of jsonMap(wrapper.get('topicConfigTable')) ?? []) addTopic(topics, readTopicConfig(key, jsonMap(value)), limits)
  const mappings: TopicQueueMapping[] = []
  for (const value of jsonMap(wrapper.get('topicQueueMappingInfoMap'))?.values() ?? []) addMapping(mappings, value, limits)
  return { dataVersion: readDataVersion(jsonMap(wrapper.get('dataVersion'))), topics, filterServers: readFilterServers(body.get('filterServerList')), mappings }
}

function readTopicConfig (key: JsonMap | string, map: JsonMap | undefined): TopicConfig {
  const topic = jsonText(map?.get('topicName')) ?? key
  if (map === undefined || typeof topic !== 'string') throw malformed('has a topic that is no object')
  return {
    topic,
    readQueueNums: jsonInt(map.get('readQueueNums')) ?? DEFAULT_QUEUES,
    writeQueueNums: jsonInt(map.get('writeQueueNums')) ?? DEFAULT_QUEUES,
    perm: jsonInt(map.get('perm')) ?? DEFAULT_PERM,
    topicSysFlag: jsonInt(map.get('topicSysFlag')) ?? 0,
    order: jsonBoolean(map.get('order')) ?? false,
    attributes: readAttributes(map.get('attributes'))
  }
}

function inflated (bytes: Uint8Array, limits: RegisterBodyLimits): Uint8Array {
  try {
    return inflateSync(bytes, { maxOutputLength: limits.maxBytes })
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? tooLong(limits) : malformed('is no zlib stream', error)
  }
}

function decodeCompressed (bytes: Uint8Array, version: number, limits: RegisterBodyLimits): RegisterBody {
  const pieces = new PieceReader(bytes)
  const dataVersion = readDataVersion(jsonMap(pieces.json()))
  const topics = new Map<string, TopicConfig>()
  for (let left = pieces.count(); left > 0; left--) addTopic(topics, parseTopicText(pieces.text()), limits)
  const filterServers = readFilterServers(pieces.json())
  const mappings: TopicQueueMapping[] = []
  // Where a newer version's section is missing, the body ends here.
  for (let left = version >= VersionGate.registrationWithMappings && !pieces.isAtEnd ? pieces.count() : 0; left > 0; left--) addMapping(mappings, pieces.json(), limits)
  return { dataVersion, topics, filterServers, mappings }
}

function parseTopicText (text: string): TopicConfig {
  const [topic, readQueueNums, writeQueueNums, perm, filterType, ...rest] = text.split(' ')
  if (filterType === undefined) throw malformed(`has a topic with too few words: ${JSON.stringify(text.slice(0, 100))}`)
  const int = (word: string | undefined): number => jsonInt(word) ?? NaN
  return { topic: topic!, readQueueNums: int(readQueueNums), writeQueueNums: int(writeQueueNums), perm: int(perm), topicSysFlag: 0, order: false, attributes: parseAttributes(rest.join(' ')) }
}

/** What is no JSON counts for nothing, as in RocketMQ. */
function parseAttributes (text: string): Record<string, string> {
  try {
    return readAttributes(text === '' ? undefined : parseJson(text))
  } catch {
    return {}
  }
}

function readAttributes (value: JsonValue | undefined): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const [name, item] of jsonMap(value) ?? []) if (typeof name === 'string') attributes[name] = jsonText(item) ?? ''
  return attributes
}

function addTopic (topics: Map<string, TopicConfig>, topic: TopicConfig, { maxTopics }: RegisterBodyLimits): void {
  const { topic: name, readQueueNums, writeQueueNums, perm } = topic
  const isSound = name !== '' && name.length <= MAX_NAME_CHARACTERS && readQueueNums >= 0 && writeQueueNums >= 0 && perm >= 0
  if (!isSound) throw malformed(`has a topic with a name or number out of range: ${JSON.stringify(name.slice(0, MAX_NAME_CHARACTERS))}`)
  topics.set(name, topic)
  if (topics.size > maxTopics) throw malformed(`has more than ${maxTopics} topics`)
}

function addMapping (mappings: TopicQueueMapping[], value: JsonValue, { maxTopics }: RegisterBodyLimits): void {
  const mapping = readTopicQueueMapping(jsonMap(value))
  if (mapping === undefined) return
  if (mappings.length === maxTopics) throw malformed(`has more than ${maxTopics} mappings`)
  mappings.push(mapping)
}

function readFilterServers (value: JsonValue | undefined): string[] {
  const servers = (jsonArray(value) ?? []).map(jsonText).filter((text) => text !== undefined).filter((text) => text.length <= MAX_NAME_CHARACTERS)
  if (servers.length > MAX_FILTER_SERVERS) throw malformed(`has more than ${MAX_FILTER_SERVERS} filter servers`)
  return servers
}

/** Pieces with their length before them, none longer than what is there. */
class PieceReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor (bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
  }

  get isAtEnd (): boolean { return this.#at === this.#bytes.length }

  /** Of pieces that follow; each takes four bytes at least. */
  count (): number {
    const count = this.#int()
    if (count < 0 || count * 4 > this.#bytes.length - this.#at) throw malformed(`says that ${count} pieces follow byte ${this.#at}`)
    return count
  }

  text (): string {
    const length = this.#int()
    if (length < 0 || length > this.#bytes.length - this.#at) throw malformed(`has a piece of ${length} bytes at byte ${this.#at}`)
    const from = this.#at
    this.#at += length
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, length).toString('utf8')
  }

  json (): JsonValue { return parseJson(this.text()) }

  #int (): number {
    if (this.#bytes.length - this.#at < 4) throw malformed(`ends within a length at byte ${this.#at}`)
    const value = this.#view.getInt32(this.#at)
    this.#at += 4
    return value
  }
}

function tooLong ({ maxBytes }: RegisterBodyLimits): MqError {
  return malformed(`is longer than ${maxBytes} bytes`)
}

function malformed (what: string, cause?: unknown): MqError {
  return new MqError('MQ_INVALID_ARGUMENT', `the body of the registration ${what}`, isMqError(cause) ? {} : { cause })
}
