import { defineCommand } from '../message/index.ts'
import type { OffsetRange } from './pop-queue.ts'
import type { LeasePositions } from './pop-lease.ts'

/**
 * What is logged about pop consumption. The leader has decided everything: which offsets, until when, which leases
 * ended. Queues are named by their number (PopQueue.number), which `popOpen` gives.
 */

/** The group begins to consume these queues of the topic. */
export interface PopOpen {
  readonly group: string
  readonly topic: string
  /** The queues get this number and the following ones. */
  readonly firstNumber: number
  readonly queues: ReadonlyArray<{ readonly queueId: number, readonly startOffset: number }>
}

export interface PopTake {
  readonly queue: number
  readonly firstLeaseId: number
  readonly floor: number
  readonly returned: readonly OffsetRange[]
  readonly freshFirst: number
  readonly freshCount: number
  readonly countsAsDelivery: boolean
}

export interface PopCheckOut {
  readonly invisibleUntilMs: number
  readonly owner: string
  readonly attemptId: string
  readonly takes: readonly PopTake[]
}

export interface LeasePart {
  readonly queue: number
  readonly lease: number
  readonly positions: LeasePositions
}

export interface PopAck { readonly parts: readonly LeasePart[] }

export interface InvisibleChange extends LeasePart {
  /** 0: the lease itself; otherwise the id of the lease that the offsets move to. */
  readonly newLease: number
  readonly invisibleUntilMs: number
}

export interface PopChangeInvisible { readonly parts: readonly InvisibleChange[] }

export interface PopReturn {
  readonly visibleAtMs: number
  readonly undelivered: boolean
  readonly parts: readonly LeasePart[]
}

export interface PopReleaseOwner {
  readonly owner: string
  /** True: every owner that begins with `owner`. */
  readonly isPrefix: boolean
  /** This one keeps its leases. */
  readonly except: string
}

export interface PopSeek {
  readonly queues: ReadonlyArray<{ readonly queue: number, readonly offset: number }>
}

/** The group's state goes: for one topic, or for all with an empty topic. */
export interface PopForget {
  readonly group: string
  readonly topic: string
}

const record = (name: string, fields: Array<[name: string, type: unknown, rest?: object]>) =>
  ({ type: 'record', name, fields: fields.map(([name, type, rest]) => ({ name, type, ...rest })) }) as never

const array = (items: unknown) => ({ type: 'array', items })
const range = () => record('Range', [['first', 'long'], ['count', 'int']])
const partFields = (): Array<[string, unknown]> => [['queue', 'long'], ['lease', 'long'], ['positions', ['null', array('int')]]]

export const popOpen = defineCommand<PopOpen>({
  type: 0x0401,
  name: 'popOpen',
  versions: [record('PopOpen', [
    ['group', 'string'], ['topic', 'string'], ['firstNumber', 'long'],
    ['queues', array(record('Start', [['queueId', 'int'], ['startOffset', 'long']]))]
  ])]
})

export const popCheckOut = defineCommand<PopCheckOut>({
  type: 0x0402,
  name: 'popCheckOut',
  versions: [record('PopCheckOut', [
    ['invisibleUntilMs', 'long'], ['owner', 'string'], ['attemptId', 'string'],
    ['takes', array(record('Take', [
      ['queue', 'long'], ['firstLeaseId', 'long'], ['floor', 'long'], ['returned', array(range())],
      ['freshFirst', 'long'], ['freshCount', 'int'], ['countsAsDelivery', 'boolean']
    ]))]
  ])]
})

export const popAck = defineCommand<PopAck>({
  type: 0x0403,
  name: 'popAck',
  versions: [record('PopAck', [['parts', array(record('Part', partFields()))]])]
})

export const popChangeInvisible = defineCommand<PopChangeInvisible>({
  type: 0x0404,
  name: 'popChangeInvisible',
  versions: [record('PopChangeInvisible', [
    ['parts', array(record('Change', [...partFields(), ['newLease', 'long'], ['invisibleUntilMs', 'long']]))]
  ])]
})

export const popReturn = defineCommand<PopReturn>({
  type: 0x0405,
  name: 'popReturn',
  versions: [record('PopReturn', [['visibleAtMs', 'long'], ['undelivered', 'boolean'], ['parts', array(record('Part', partFields()))]])]
})

export const popReleaseOwner = defineCommand<PopReleaseOwner>({
  type: 0x0406,
  name: 'popReleaseOwner',
  versions: [record('PopReleaseOwner', [['owner', 'string'], ['isPrefix', 'boolean'], ['except', 'string']])]
})

export const popSeek = defineCommand<PopSeek>({
  type: 0x0407,
  name: 'popSeek',
  versions: [record('PopSeek', [['queues', array(record('Position', [['queue', 'long'], ['offset', 'long']]))]])]
})

export const popForget = defineCommand<PopForget>({
  type: 0x0408,
  name: 'popForget',
  versions: [record('PopForget', [['group', 'string'], ['topic', 'string']])]
})

/** Upper bounds of what an encoded command takes, for `Proposal.costBytes`. */
export const popCost = {
  /** Version byte, lengths, times and the command's own header. */
  command: 64,
  take: 48,
  range: 15,
  /** A lease part or change without its positions. */
  part: 48,
  word: 5,
  /** A PopSeek of one queue, with the command's own header. */
  move: 48,
  text: (text: string): number => 5 + 3 * text.length
} as const
