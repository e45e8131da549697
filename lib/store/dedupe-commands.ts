import { hash64 } from '../base/index.ts'
import { defineCommand, EntryBodyWriter, recordSchema } from '../message/index.ts'

/** What is logged about messages that are not to be stored twice. The leader has decided everything. */

/** Where a message was stored, for the answer to whoever sends it again. */
export interface RememberedPlace {
  readonly queueId: number
  /** -1: it waited for its time when it was stored. */
  readonly queueOffset: number
  readonly physicalOffset: number
  /** 0: it was in its queue at once. */
  readonly deliverAtMs: number
}

/** Two messages of a topic are one where all of this is equal. */
export interface DedupeId {
  /** xxHash64 of the id that the producer gave. */
  readonly hash: bigint
  readonly bodyCrc: number
  readonly bodyBytes: number
}

const utf8 = new TextEncoder()

/** What an id that a producer gave is known by. */
export function dedupeHashOf (id: Uint8Array | string): bigint { return hash64(typeof id === 'string' ? utf8.encode(id) : id, 0n) }

export interface LoggedId {
  readonly high: number
  readonly low: number
}

export interface RememberedMessage extends RememberedPlace, LoggedId {
  readonly bodyCrc: number
  readonly bodyBytes: number
}

/** They are remembered for so long, the topic's last `maxCount` at most. */
export interface DedupeRemember {
  readonly topic: string
  readonly windowMs: number
  readonly maxCount: number
  readonly messages: readonly RememberedMessage[]
}

/** It was taken back: sent again, it is another one. */
export interface DedupeForget extends LoggedId { readonly topic: string }

export const dedupeRemember = defineCommand<DedupeRemember>({
  type: 0x0901,
  name: 'dedupeRemember',
  versions: [recordSchema('DedupeRemember', {
    topic: 'string',
    windowMs: 'long',
    maxCount: 'long',
    messages: {
      type: 'array',
      items: recordSchema('Remembered', { high: 'int', low: 'int', bodyCrc: 'int', bodyBytes: 'long', queueId: 'long', queueOffset: 'long', physicalOffset: 'long', deliverAtMs: 'long' })
    }
  })]
})

export const dedupeForget = defineCommand<DedupeForget>({
  type: 0x0902,
  name: 'dedupeForget',
  versions: [recordSchema('DedupeForget', { topic: 'string', high: 'int', low: 'int' })]
})

/** Upper bounds of what the commands take of an entry. */
export const dedupeCost = {
  remember: (topic: string): number => EntryBodyWriter.commandCostBytes(40 + 3 * topic.length),
  message: 64,
  forget: (topic: string): number => EntryBodyWriter.commandCostBytes(24 + 3 * topic.length)
} as const
