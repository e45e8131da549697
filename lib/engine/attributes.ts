import { MqError } from '../base/index.ts'
import type { Attributes } from '../message/index.ts'
import { MAX_DEDUPE_COUNT, type DedupeRule } from '../store/index.ts'

/** A week. */
export const MAX_DEDUPE_MS = 7 * 86_400_000
export const DEFAULT_DEDUPE_COUNT = 100_000

/** What an attribute may be. */
interface AttributeRule {
  readonly isChangeable: boolean
  accepts (value: string): boolean
  /** For people. */
  readonly values: string
}

export type AttributeRules = Readonly<Record<string, AttributeRule>>

const oneOf = (isChangeable: boolean, ...values: string[]): AttributeRule => ({ isChangeable, accepts: (value) => values.includes(value), values: values.join(', ') })

/**
 * Attributes of topics.
 * @see RocketMQ TopicAttributes. Divergence: queues of inner batches (BatchCQ) and compaction are not there.
 */
export const topicAttributeRules: AttributeRules = {
  'message.type': oneOf(true, 'UNSPECIFIED', 'NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'PRIORITY', 'MIXED'),
  'queue.type': oneOf(false, 'SimpleCQ'),
  'cleanup.policy': oneOf(false, 'DELETE'),
  'dedupe.time': { isChangeable: true, accepts: (value) => isWithin(value, MAX_DEDUPE_MS), values: `milliseconds up to ${MAX_DEDUPE_MS}: a message that is sent again within them is stored once` },
  'dedupe.count': { isChangeable: true, accepts: (value) => isWithin(value, MAX_DEDUPE_COUNT), values: `a number up to ${MAX_DEDUPE_COUNT}: so many messages are remembered at most` },
  'reserve.time': { isChangeable: true, accepts: (value) => /^(-1|\d{1,15})$/.test(value), values: 'milliseconds, or -1' }
}

/** Whether messages of the topic are handed out by priority, which their queue is. */
export function hasPriorities (attributes: Attributes | undefined): boolean { return attributes?.['message.type'] === 'PRIORITY' }

/** A priority is a number of 32 bits to RocketMQ's clients. */
export const MAX_PRIORITY = 0x7fff_ffff

/** The queue that messages of that priority come to. */
export function queueOfPriority (priority: number, queueCount: number): number { return Math.min(priority, Math.max(0, queueCount - 1)) }

/** What a property tells; undefined: that is none. */
export function priorityIn (text: string): number | undefined {
  return /^\d{1,15}$/.test(text) && Number(text) <= MAX_PRIORITY ? Number(text) : undefined
}

/** What a topic's attributes say of messages that are sent again; undefined: they are stored again. */
export function dedupeRuleOf (attributes: Attributes): DedupeRule | undefined {
  const time = attributes['dedupe.time']
  return time === undefined ? undefined : { windowMs: Number(time), maxCount: Number(attributes['dedupe.count'] ?? DEFAULT_DEDUPE_COUNT) }
}

function isWithin (value: string, most: number): boolean { return /^[1-9]\d{0,14}$/.test(value) && Number(value) <= most }

/** Attributes of groups. @see RocketMQ SubscriptionGroupAttributes */
export const groupAttributeRules: AttributeRules = {
  'priority.factor': { isChangeable: true, accepts: (value) => /^(100|\d{1,2})$/.test(value), values: 'a number from 0 to 100: of so many pops in a hundred the first queue is the one of highest priority' }
}

/** Of how many pops in a hundred. */
export function priorityFactorOf (attributes: Attributes | undefined): number { return Number(attributes?.['priority.factor'] ?? 100) }

/** Names with '+' (give a value) or '-' (take away) before them. */
export type AttributeChanges = Readonly<Record<string, string>>

/**
 * Changes as tools write them: `+a=1,+b=2,-c`.
 * @throws MQ_INVALID_ARGUMENT
 */
export function parseAttributeChanges (text: string): AttributeChanges {
  const changes: Record<string, string> = {}
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const [name = '', value, ...rest] = part.trim().split('=')
    const isGiven = name.startsWith('+') && value !== undefined && value !== '' && rest.length === 0
    if (!isGiven && !(name.startsWith('-') && value === undefined)) throw invalid(`${part.slice(0, 100)} is no change of an attribute: write +name=value or -name`)
    if (Object.hasOwn(changes, name)) throw invalid(`attribute ${name.slice(1)} is changed twice`)
    changes[name] = value ?? ''
  }
  return changes
}

/**
 * The attributes after the changes.
 * @param current undefined: what they belong to is being made
 * @throws MQ_INVALID_ARGUMENT
 */
export function changedAttributes (rules: AttributeRules, current: Attributes | undefined, changes: AttributeChanges): Attributes {
  const attributes = new Map(Object.entries(current ?? {}))
  const seen = new Set<string>()
  for (const [signed, value] of Object.entries(changes)) {
    const sign = signed[0]
    const name = signed.slice(1)
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (seen.has(name)) throw invalid(`attribute ${name} is changed twice`)
    seen.add(name)
    if (sign !== '+' && sign !== '-') throw invalid(`${signed.slice(0, 100)} begins with neither + nor -`)
    if (rule === undefined) throw invalid(`there is no attribute ${name.slice(0, 100)}`)
    if (current !== undefined && !rule.isChangeable) throw invalid(`attribute ${name} cannot be changed`)
    if (sign === '-') {
      if (!attributes.delete(name)) throw invalid(`attribute ${name} is not set`)
    } else {
      if (!rule.accepts(value)) throw invalid(`attribute ${name} may be ${rule.values}, not ${value.slice(0, 100)}`)
      attributes.set(name, value)
    }
  }
  return Object.fromEntries(attributes)
}

function invalid (message: string): MqError { return new MqError('MQ_INVALID_ARGUMENT', message) }
