import { defineCommand, EntryBodyWriter, recordSchema, utf8SizeBytes } from '../message/index.ts'

/** What is logged about values that are kept by key, beside messages. */

/** Text, or bytes. */
export type KeyedValue = string | Uint8Array

/** `null`: there is none any more. */
export interface KeyedChange {
  readonly key: string
  readonly value: KeyedValue | null
}

/** In this order. */
export interface KeyedChanges { readonly changes: readonly KeyedChange[] }

export const keyedChange = defineCommand<KeyedChanges>({
  type: 0x0A01,
  name: 'keyedChange',
  versions: [recordSchema('KeyedChanges', { changes: { type: 'array', items: recordSchema('KeyedChange', { key: 'string', value: ['null', 'string', 'bytes'] }) } })]
})

/** What a value takes, in bytes of UTF-8 where it is text. */
export function valueBytesOf (value: KeyedValue | null): number {
  return typeof value === 'string' ? utf8SizeBytes(value) : value?.length ?? 0
}

/** Upper bounds of what the command takes of an entry. */
export const keyedCost = {
  command: EntryBodyWriter.commandCostBytes(16),
  change: ({ key, value }: KeyedChange): number => 16 + utf8SizeBytes(key) + valueBytesOf(value)
} as const
