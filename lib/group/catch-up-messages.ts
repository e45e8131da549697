import avro from 'avsc'
import { hash64, MqError, setInt64, viewOf } from '../base/index.ts'
import type { LogFloor } from '../log/index.ts'

/** Methods of `call` and `onCall` between a node that lags behind and one that helps it. */
export const MANIFEST_METHOD = 'catchup.manifest'
export const CHUNK_METHOD = 'catchup.chunk'
/** A chunk of the log by position alone, for a node that has found damage. */
export const RANGE_METHOD = 'catchup.range'
/** Bound of a chunk, on both sides. */
export const MAX_CHUNK_BYTES = 1024 * 1024
const CHECKSUM_BYTES = 8

/** Asks for the state at an entry not before `minIndex`, which must be committed at the donor. */
export interface ManifestRequest {
  readonly minIndex: number
}

/** What a node must copy to be at entry `index`, the last one of `term`. Bytes of the log are [floor.physicalOffset, endPosition). */
export interface Manifest {
  readonly groupId: Uint8Array
  /** Of the data directory. */
  readonly formatVersion: number
  readonly index: number
  readonly term: number
  readonly endPosition: number
  /** The entry before the first one of the log, and where that begins. */
  readonly floor: LogFloor
  readonly baseBytes: number
  /** The last one in the file of the base dump: it rests on all that is before it. */
  readonly baseChecksum: Uint8Array
}

/** Bytes of the base dump from `from` on, or of the log at that position. */
export interface ChunkRequest {
  /** The manifest's. */
  readonly index: number
  readonly part: 'LOG' | 'BASE'
  readonly from: number
  readonly maxBytes: number
}

const manifestRequest = defineMessage<ManifestRequest>('manifest request', [{
  type: 'record',
  name: 'ManifestRequest',
  fields: [{ name: 'minIndex', type: 'long' }]
}])

const manifest = defineMessage<Manifest>('manifest', [{
  type: 'record',
  name: 'Manifest',
  fields: [
    { name: 'groupId', type: 'bytes' },
    { name: 'formatVersion', type: 'int' },
    { name: 'index', type: 'long' },
    { name: 'term', type: 'long' },
    { name: 'endPosition', type: 'long' },
    {
      name: 'floor',
      type: {
        type: 'record',
        name: 'Floor',
        fields: [{ name: 'index', type: 'long' }, { name: 'term', type: 'long' }, { name: 'physicalOffset', type: 'long' }]
      }
    },
    { name: 'baseBytes', type: 'long' },
    { name: 'baseChecksum', type: 'bytes' }
  ]
}])

const chunkRequest = defineMessage<ChunkRequest>('chunk request', [{
  type: 'record',
  name: 'ChunkRequest',
  fields: [
    { name: 'index', type: 'long' },
    { name: 'part', type: { type: 'enum', name: 'Part', symbols: ['LOG', 'BASE'] } },
    { name: 'from', type: 'long' },
    { name: 'maxBytes', type: 'int' }
  ]
}])

export const encodeManifestRequest = manifestRequest.encode
export const decodeManifestRequest = manifestRequest.decode
export const encodeManifest = (value: Manifest): Uint8Array => manifest.encode({ ...value, groupId: Buffer.from(value.groupId), baseChecksum: Buffer.from(value.baseChecksum) })
export const decodeManifest = manifest.decode
export const encodeChunkRequest = chunkRequest.encode
export const decodeChunkRequest = chunkRequest.decode

/** A chunk as it travels: xxHash64 of where it belongs and its bytes, u64, then the bytes. */
export function encodeChunk (request: ChunkRequest, bytes: Uint8Array): Uint8Array {
  const answer = new Uint8Array(CHECKSUM_BYTES + bytes.length)
  answer.set(bytes, CHECKSUM_BYTES)
  viewOf(answer).setBigUint64(0, checksumOf(request, bytes))
  return answer
}

/** The chunk's bytes. @throws MQ_CORRUPT they are not those that were sent */
export function decodeChunk (request: ChunkRequest, answer: Uint8Array): Uint8Array {
  const bytes = answer.subarray(CHECKSUM_BYTES)
  if (answer.length < CHECKSUM_BYTES || bytes.length > request.maxBytes || viewOf(answer).getBigUint64(0) !== checksumOf(request, bytes)) {
    throw new MqError('MQ_CORRUPT', `a chunk of ${bytes.length} bytes from ${request.from} on came damaged`)
  }
  return bytes
}

function checksumOf ({ part, from }: ChunkRequest, bytes: Uint8Array): bigint {
  const place = new Uint8Array(8)
  setInt64(viewOf(place), 0, from)
  return hash64(bytes, hash64(place, part === 'LOG' ? 1n : 2n))
}

/** One byte of schema version, then Avro; older versions are read through resolution. */
function defineMessage<T> (name: string, versions: readonly avro.Schema[]): { encode (value: T): Uint8Array, decode (bytes: Uint8Array): T } {
  const types = versions.map((schema) => avro.Type.forSchema(schema))
  const newest = types.at(-1)!
  return {
    encode (value) {
      return new Uint8Array(Buffer.concat([Uint8Array.of(types.length), newest.toBuffer(value)]))
    },
    decode (bytes) {
      const type = types[(bytes[0] ?? 0) - 1]
      if (type === undefined) throw new MqError('MQ_FORMAT_TOO_NEW', `a ${name} of version ${bytes[0] ?? 'none'}, this code reads up to ${types.length}`)
      try {
        return newest.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1), type === newest ? undefined : newest.createResolver(type)) as T
      } catch (cause) {
        throw new MqError('MQ_CORRUPT', `a ${name} cannot be read`, { cause })
      }
    }
  }
}
