import avro, { type Type } from 'avsc'
import { badFrame, FrameType, MAX_HANDSHAKE_BYTES } from './frame.ts'

/**
 * The headers of frames, Avro records. A later minor version of the protocol adds fields (with defaults) or frame types; the
 * two sides of a link write by the schemas of the lower one of their minors, and the higher one reads them as its own.
 *
 * `natural` is a long that is never negative: terms, indexes, ids. No long is larger than 2^53 - 2. Arrays and maps are not
 * used: their decoder believes the counts that it reads. Frames of the handshake stay as they are, for every minor reads them; a
 * node's description in them is written in the highest minor that the writer can be sure of, and may get fields behind the others,
 * which who does not know them ignores.
 */
type Field = readonly [name: string, type: 'natural' | 'long' | 'int' | 'boolean' | 'string' | 'bytes', defaultValue?: number | boolean | string]
export type HeaderFields = Readonly<Partial<Record<FrameType, readonly Field[]>>>

const envelope = [['from', 'natural'], ['to', 'natural'], ['term', 'natural']] as const
const commitNews = [['commitIndex', 'natural'], ['commitTerm', 'natural']] as const
const requestVote = [...envelope, ...commitNews, ['lastIndex', 'natural'], ['lastTerm', 'natural'], ['force', 'boolean']] as const
const requestVoteReply = [...envelope, ...commitNews, ['granted', 'boolean']] as const

const minor0: HeaderFields = {
  [FrameType.hello]: [['minor', 'int'], ['oldestMinor', 'int'], ['kind', 'int'], ['wanted', 'natural'], ['hasSecret', 'boolean'], ['nonce', 'bytes'], ['description', 'bytes']],
  [FrameType.challenge]: [['minor', 'int'], ['nonce', 'bytes']],
  [FrameType.proof]: [['proof', 'bytes']],
  [FrameType.accepted]: [['description', 'bytes'], ['proof', 'bytes']],
  [FrameType.refused]: [['code', 'string'], ['reason', 'string']],
  [FrameType.description]: [['groupName', 'string'], ['groupId', 'bytes'], ['nodeId', 'natural'], ['formatVersion', 'int']],
  [FrameType.ping]: [['sentUs', 'natural']],
  [FrameType.pong]: [['sentUs', 'natural']],
  [FrameType.requestVote]: requestVote,
  [FrameType.requestPreVote]: requestVote,
  [FrameType.requestVoteReply]: requestVoteReply,
  [FrameType.requestPreVoteReply]: requestVoteReply,
  [FrameType.heartbeat]: [...envelope, ['commitIndex', 'natural'], ['readSequence', 'natural']],
  [FrameType.heartbeatReply]: [...envelope, ['readSequence', 'natural']],
  [FrameType.timeoutNow]: envelope,
  [FrameType.readIndex]: [...envelope, ['context', 'natural']],
  [FrameType.readIndexReply]: [...envelope, ['context', 'natural'], ['index', 'natural']],
  [FrameType.transferLeadership]: [...envelope, ['target', 'natural']],
  [FrameType.appendEntries]: [...envelope, ['prevIndex', 'natural'], ['prevTerm', 'natural'], ['commitIndex', 'natural'], ['firstPosition', 'natural']],
  [FrameType.appendEntriesReply]: [...envelope, ['index', 'natural'], ['rejected', 'boolean'], ['hintIndex', 'long'], ['hintTerm', 'natural']],
  [FrameType.installSnapshot]: [...envelope, ['index', 'natural'], ['snapshotTerm', 'natural'], ['endPosition', 'natural'],
    ['voters', 'bytes'], ['votersOutgoing', 'bytes'], ['learners', 'bytes'], ['learnersNext', 'bytes'], ['autoLeave', 'boolean']],
  [FrameType.call]: [['id', 'natural'], ['method', 'string']],
  [FrameType.answer]: [['id', 'natural']],
  [FrameType.failure]: [['id', 'natural'], ['code', 'string'], ['message', 'string'], ['outcome', 'string'], ['retryable', 'boolean'], ['facts', 'string']]
}

/** A node tells which data format its group writes. */
const minor1: HeaderFields = {
  ...minor0,
  [FrameType.description]: [...minor0[FrameType.description]!, ['groupFormat', 'int', 1]]
}

const doubt = [['life', 'natural', 0], ['inDoubt', 'boolean', false]] as const

/** With what nodes say where written entries count before they are on disk (see raft/doubt.ts). */
const minor2: HeaderFields = {
  ...minor1,
  [FrameType.requestVoteReply]: [...requestVoteReply, ...doubt],
  [FrameType.requestPreVoteReply]: [...requestVoteReply, ...doubt],
  [FrameType.heartbeat]: [...minor1[FrameType.heartbeat]!, ['doubtLife', 'natural', 0], ['lastIndex', 'natural', 0]],
  [FrameType.heartbeatReply]: [...minor1[FrameType.heartbeatReply]!, ...doubt, ['syncedIndex', 'natural', 0]],
  [FrameType.appendEntriesReply]: [...minor1[FrameType.appendEntriesReply]!, ...doubt, ['unsynced', 'natural', 0]]
}

/** By minor version, all of them from 0. A new one repeats the last with its changes. */
const minors: readonly HeaderFields[] = [minor0, minor1, minor2]
export const PROTOCOL_MINOR = minors.length - 1
/** Links with a node that speaks only older minors than this are refused. */
export const OLDEST_PROTOCOL_MINOR = 0

interface Codec {
  readonly written: Type
  readonly own: Type
  /** Names of its fields that are never negative. */
  readonly naturals: readonly string[]
  /** From `written` to `own`, where they differ. */
  readonly resolver: ReturnType<Type['createResolver']> | undefined
}

const codecsByMinor = new Map<number, HeaderCodecs>()

/** Made when the first link needs them, and once. */
export function codecsOf (minor: number): HeaderCodecs {
  let codecs = codecsByMinor.get(minor)
  if (codecs === undefined) codecsByMinor.set(minor, codecs = new HeaderCodecs(minor))
  return codecs
}

/** Headers as both sides of a link of that minor write them, read as the newest of `known` has them. */
export class HeaderCodecs {
  readonly minor: number
  readonly #codecs: ReadonlyArray<Codec | undefined>
  #readTo = 0

  constructor (minor: number, known: readonly HeaderFields[] = minors) {
    this.minor = minor
    const [own, written] = [known.at(-1)!, known[minor]!]
    this.#codecs = Array.from({ length: 256 }, (_, type) => {
      const [fields, ownFields] = [written[type as FrameType], own[type as FrameType]]
      if (fields === undefined || ownFields === undefined) return undefined
      const naturals = ownFields.filter(([, fieldType]) => fieldType === 'natural').map(([name]) => name)
      const codec = { written: recordOf(type, fields), own: recordOf(type, ownFields), naturals }
      return { ...codec, resolver: fields === ownFields ? undefined : codec.own.createResolver(codec.written) }
    })
  }

  /** Of this version's protocol. */
  static fieldsOf (minor: number): HeaderFields { return minors[minor]! }

  /** Writes at `at`; returns where the header ends, or, when it does not fit, the number of bytes missing, negative. */
  encode (type: FrameType, header: object, bytes: Buffer, at: number): number {
    const codec = this.#codecs[type]
    if (codec === undefined) throw badFrame(`frames of type ${type} are not spoken in minor version ${this.minor}`)
    return codec.written.encode(header, bytes, at)
  }

  /** A header of its own, of a few hundred bytes at most. */
  bytesOf (type: FrameType, header: object): Buffer {
    const bytes = Buffer.alloc(MAX_HANDSHAKE_BYTES)
    const end = this.encode(type, header, bytes, 0)
    if (end < 0) throw badFrame(`a header of ${bytes.length - end} bytes`)
    return bytes.subarray(0, end)
  }

  /** What is read behind the header's end (`readTo`) is the frame's own. @throws MQ_BAD_FRAME */
  decode<Header> (type: FrameType, bytes: Buffer): Header {
    const codec = this.#codecs[type]
    if (codec === undefined) throw badFrame(`frame of type ${type}, which minor version ${this.minor} does not have`)
    let result
    try {
      result = codec.resolver === undefined ? codec.own.decode(bytes, 0) : codec.own.decode(bytes, 0, codec.resolver)
    } catch (cause) {
      throw badFrame(`the header of a frame of type ${type} cannot be read`, cause)
    }
    if (result.offset < 0) throw badFrame(`the header of a frame of type ${type} is cut off`)
    this.#readTo = result.offset
    const { value } = result
    for (const name of codec.naturals) if (value[name] < 0) throw badFrame(`${name} is ${value[name]} in a frame of type ${type}`)
    return value as Header
  }

  /** Where the header read last has ended. */
  get readTo (): number { return this.#readTo }
}

function recordOf (type: number, fields: readonly Field[]): Type {
  return avro.Type.forSchema({
    type: 'record',
    name: `Frame${type}`,
    fields: fields.map(([name, fieldType, defaultValue]) => ({ name, type: fieldType === 'natural' ? 'long' : fieldType, ...(defaultValue !== undefined && { default: defaultValue }) }))
  })
}
