import avro from 'avsc'
import { MqError, viewOf } from '../base/index.ts'
import { ENTRY_HEADER_BYTES } from '../log/index.ts'
import type { ConfChange, ConfState, RaftEntry } from '../raft/index.ts'

const ids = { type: 'array', items: 'long' } as const

/** How a configuration is stored within other records. */
export const confStateSchema: avro.Schema = {
  type: 'record',
  name: 'ConfState',
  fields: [
    { name: 'voters', type: ids },
    { name: 'votersOutgoing', type: ids },
    { name: 'learners', type: ids },
    { name: 'learnersNext', type: ids },
    { name: 'autoLeave', type: 'boolean' }
  ]
}

/** Body of an entry of kind `config`: schemaVersion u16, then the change by that version's schema. */
const CONF_SCHEMA_VERSION = 1

const confChangeType = avro.Type.forSchema({
  type: 'record',
  name: 'ConfChange',
  fields: [
    { name: 'transition', type: { type: 'enum', name: 'Transition', symbols: ['AUTO', 'JOINT_IMPLICIT', 'JOINT_EXPLICIT'] } },
    {
      name: 'steps',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'ConfStep',
          fields: [
            { name: 'type', type: { type: 'enum', name: 'StepType', symbols: ['ADD_VOTER', 'ADD_LEARNER', 'REMOVE'] } },
            { name: 'id', type: 'long' }
          ]
        }
      }
    },
    { name: 'context', type: ['null', 'string'], default: null }
  ]
})

const transitions = { AUTO: 'auto', JOINT_IMPLICIT: 'joint-implicit', JOINT_EXPLICIT: 'joint-explicit' } as const
const stepTypes = { ADD_VOTER: 'addVoter', ADD_LEARNER: 'addLearner', REMOVE: 'remove' } as const

interface StoredConfChange {
  transition: keyof typeof transitions
  steps: Array<{ type: keyof typeof stepTypes, id: number }>
  context: string | null
}

function keyOf<Table extends Record<string, string>> (table: Table, value: Table[keyof Table]): keyof Table {
  return Object.keys(table).find((key) => table[key] === value)!
}

export function encodeConfChange (change: ConfChange): Uint8Array {
  const stored: StoredConfChange = {
    transition: keyOf(transitions, change.transition),
    steps: change.steps.map(({ type, id }) => ({ type: keyOf(stepTypes, type), id })),
    context: change.context ?? null
  }
  const encoded = confChangeType.toBuffer(stored)
  const body = new Uint8Array(2 + encoded.length)
  viewOf(body).setUint16(0, CONF_SCHEMA_VERSION)
  body.set(encoded, 2)
  return body
}

/**
 * @throws MQ_FORMAT_TOO_NEW the change was written by a later schema
 * @throws MQ_CORRUPT the bytes are no configuration change
 */
export function decodeConfChange (body: Uint8Array): ConfChange {
  const version = body.length < 2 ? 0 : viewOf(body).getUint16(0)
  if (version > CONF_SCHEMA_VERSION) throw new MqError('MQ_FORMAT_TOO_NEW', `configuration entry of schema ${version}`)
  let stored: StoredConfChange
  try {
    stored = confChangeType.fromBuffer(Buffer.from(body.buffer, body.byteOffset + 2, body.byteLength - 2)) as StoredConfChange
  } catch (cause) {
    throw new MqError('MQ_CORRUPT', 'the body of a configuration entry cannot be read', { cause })
  }
  return {
    transition: transitions[stored.transition],
    steps: stored.steps.map(({ type, id }) => ({ type: stepTypes[type], id })),
    ...(stored.context === null ? {} : { context: stored.context })
  }
}

/** The change that an entry of kind `config` carries. */
export function configOf (entry: RaftEntry): ConfChange {
  if (entry.config !== undefined) return entry.config
  const bodyBytes = viewOf(entry.bytes).getUint32(56)
  return decodeConfChange(entry.bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + bodyBytes))
}

export function confStateOfVoters (voters: readonly number[]): ConfState {
  return { voters: [...voters], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
}
