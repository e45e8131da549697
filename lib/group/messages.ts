import avro, { type Schema } from 'avsc'
import { getInt64, MqError, setInt64, viewOf } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'

/**
 * The calls by which nodes of a group find each other. Bodies: a u8 version, then Avro by that version's schema. Fields
 * may be added with defaults in a later version; a reader takes what it knows. Avro's arrays and maps are not used: their
 * decoder believes the counts that it reads.
 */
export const METHODS = { whoIs: 'group.whoIs', join: 'group.join', health: 'group.health', room: 'group.room' } as const

const VERSION = 1

interface Codec<Value> {
  encode (value: Value): Uint8Array
  /** @throws MQ_CORRUPT, MQ_FORMAT_TOO_NEW */
  decode (bytes: Uint8Array): Value
}

/** Avro knows bytes as a Buffer only; a copy where it is decoded. */
class GroupIdType extends avro.types.LogicalType {
  protected override _fromValue (value: Buffer): Uint8Array { return new Uint8Array(value) }
  protected override _toValue (value: unknown): unknown { return value instanceof Uint8Array ? asBuffer(value) : undefined }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Ids of nodes, i64 each. */
class NodeIdsType extends avro.types.LogicalType {
  protected override _fromValue (value: Buffer): NodeId[] {
    if (value.length % 8 !== 0) throw new RangeError('a list of node ids is cut off')
    const view = viewOf(value)
    return Array.from({ length: value.length / 8 }, (_, i) => getInt64(view, 8 * i))
  }

  protected override _toValue (value: unknown): unknown {
    if (!Array.isArray(value)) return undefined
    const bytes = new Uint8Array(8 * value.length)
    const view = viewOf(bytes)
    for (const [i, id] of (value as NodeId[]).entries()) setInt64(view, 8 * i, id)
    return asBuffer(bytes)
  }
}

interface MemberColumns {
  readonly nodeIds: NodeId[]
  readonly isVoter: Uint8Array
  readonly addresses: string
}

/** Members, by columns. */
class MembersType extends avro.types.LogicalType {
  protected override _fromValue ({ nodeIds, isVoter, addresses }: MemberColumns): KnownMember[] {
    const texts = addresses.split(',')
    if (isVoter.length !== nodeIds.length || (nodeIds.length > 0 && texts.length !== nodeIds.length)) throw new RangeError('a list of members is cut off')
    return nodeIds.map((nodeId, i) => ({ nodeId, isVoter: isVoter[i] === 1, address: texts[i]! }))
  }

  protected override _toValue (value: unknown): unknown {
    if (!Array.isArray(value)) return undefined
    const members = value as KnownMember[]
    return { nodeIds: members.map(({ nodeId }) => nodeId), isVoter: Buffer.from(members.map(({ isVoter }) => isVoter ? 1 : 0)), addresses: members.map(({ address }) => address).join() }
  }
}

const nodeIdsSchema = { type: 'bytes', logicalType: 'node-ids' } as const
const membersSchema: Schema = {
  type: 'record',
  name: 'Members',
  logicalType: 'members',
  fields: [{ name: 'nodeIds', type: nodeIdsSchema }, { name: 'isVoter', type: 'bytes' }, { name: 'addresses', type: 'string' }]
}
const groupIdSchema = { type: 'bytes', logicalType: 'group-id' } as const

function codecOf<Value> (schema: Schema): Codec<Value> {
  const type = avro.Type.forSchema(schema, { logicalTypes: { 'group-id': GroupIdType, 'node-ids': NodeIdsType, members: MembersType } })
  return {
    encode (value) {
      const body = type.toBuffer(value)
      const bytes = new Uint8Array(1 + body.length)
      bytes[0] = VERSION
      bytes.set(body, 1)
      return bytes
    },
    decode (bytes) {
      if (bytes.length > 0 && bytes[0]! > VERSION) throw new MqError('MQ_FORMAT_TOO_NEW', `a message of version ${bytes[0]}, this version reads ${VERSION}`)
      try {
        return type.fromBuffer(Buffer.from(bytes.subarray(1))) as Value
      } catch (cause) {
        throw new MqError('MQ_CORRUPT', 'a message from another node cannot be read', { cause })
      }
    }
  }
}

export interface KnownMember {
  readonly nodeId: NodeId
  readonly isVoter: boolean
  /** HOST:PORT; empty: not known. */
  readonly address: string
}

/** What a member tells of its group. */
export interface GroupDescription {
  readonly groupId: Uint8Array
  readonly founders: readonly NodeId[]
  /** 0: not known. */
  readonly leaderId: NodeId
  /** By the configuration that this node has applied. */
  readonly members: readonly KnownMember[]
}

export interface WhoIsAnswer {
  readonly nodeId: NodeId
  /** Null: an empty node. */
  readonly group: GroupDescription | null
}

/** What is asked of a node, any node, to learn who it is. The request has no body. */
export const whoIsAnswer = codecOf<WhoIsAnswer>({
  type: 'record',
  name: 'WhoIsAnswer',
  fields: [
    { name: 'nodeId', type: 'long' },
    {
      name: 'group',
      default: null,
      type: ['null', {
        type: 'record',
        name: 'GroupDescription',
        fields: [
          { name: 'groupId', type: groupIdSchema },
          { name: 'founders', type: nodeIdsSchema },
          { name: 'leaderId', type: 'long' },
          { name: 'members', type: membersSchema }
        ]
      }]
    }
  ]
})

/** A node asks the leader to be a member, again and again until it is what it wants to be. */
export interface JoinRequest {
  readonly groupId: Uint8Array
  /** Where it listens for the others, HOST:PORT. */
  readonly address: string
  readonly wantsVote: boolean
}

export const joinRequest = codecOf<JoinRequest>({
  type: 'record',
  name: 'JoinRequest',
  fields: [{ name: 'groupId', type: groupIdSchema }, { name: 'address', type: 'string' }, { name: 'wantsVote', type: 'boolean' }]
})

/** What it is now. */
export interface JoinAnswer {
  readonly role: 'voter' | 'learner'
}

export const joinAnswer = codecOf<JoinAnswer>({
  type: 'record',
  name: 'JoinAnswer',
  fields: [{ name: 'role', type: { type: 'enum', name: 'MemberRole', symbols: ['voter', 'learner'] } }]
})

/** How well a node does: a leader whose disk hardly moves looks for one that does better. */
export interface Health {
  /** @see Engine.flushMs */
  readonly flushMs: number
}

export const health = codecOf<Health>({ type: 'record', name: 'Health', fields: [{ name: 'flushMs', type: 'double' }] })

/** Whether a node could lead, as far as its disk has room, and has had for a while. @see Engine.hasRoomToLead */
export interface Room {
  readonly hasRoom: boolean
}

export const room = codecOf<Room>({ type: 'record', name: 'Room', fields: [{ name: 'hasRoom', type: 'boolean' }] })
