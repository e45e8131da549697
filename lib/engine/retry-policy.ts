import { isMqError, MqError } from '../base/index.ts'
import { jsonArray, jsonLong, jsonMap, jsonText, parseJson, type GroupConfig, type JsonMap, type JsonValue } from '../message/index.ts'

/** How long a message waits, ms, that comes again after `reconsumeTimes` earlier returns. */
type RetryPolicy = (reconsumeTimes: number) => number

/** Retries begin with the third delay of a list; what stands before it is for whoever asks for these levels. @see RocketMQ CustomizedRetryPolicy */
const FIRST_OF_LIST = 2
/** No number of retries grows an exponential delay beyond this one. @see RocketMQ ExponentialRetryPolicy */
const MAX_EXPONENT = 32
const MAX_LIST = 1024
const MAX_DELAY_MS = 100 * 365 * 86_400_000
const MAX_MULTIPLIER = 1_000_000
/** As in RocketMQ, where a policy leaves them out. */
const DEFAULT_INITIAL_MS = 5000
const DEFAULT_MAX_MS = 7_200_000
const DEFAULT_MULTIPLIER = 2

const policies = new WeakMap<GroupConfig, RetryPolicy | 'levels'>()

/**
 * How long a message waits that a consumer of the group gives back without a wish of its own, after `reconsumeTimes` returns before this one;
 * undefined: the group has no policy that is understood, and the levels of delay decide.
 */
export function retryDelayOf (config: GroupConfig, reconsumeTimes: number): number | undefined {
  let policy = policies.get(config)
  if (policy === undefined) policies.set(config, policy = keptRetryPolicy(config.groupRetryPolicy) ?? 'levels')
  return policy === 'levels' ? undefined : policy(Math.max(0, reconsumeTimes))
}

/** What was kept by a version that did not read policies may be none. */
function keptRetryPolicy (text: string): RetryPolicy | undefined {
  try {
    return readRetryPolicy(text)
  } catch (error) {
    if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw error
    return undefined
  }
}

/**
 * A `groupRetryPolicy` as RocketMQ's tools write it, JSON: `{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":5000,"max":7200000,"multiplier":2}}`
 * or `{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[1000,5000,10000]}}`, in ms. Undefined: it is empty, or names a type and no policy.
 * @throws MQ_INVALID_ARGUMENT
 * @see RocketMQ GroupRetryPolicy
 */
export function readRetryPolicy (text: string): RetryPolicy | undefined {
  if (text === '') return undefined
  const map = jsonMap(parsed(text))
  if (map === undefined) throw wrong('it is no object')
  const type = jsonText(map.get('type')) ?? 'CUSTOMIZED'
  if (type !== 'EXPONENTIAL' && type !== 'CUSTOMIZED') throw wrong(`its type is EXPONENTIAL or CUSTOMIZED, not ${type.slice(0, 64)}`)
  const name = type === 'EXPONENTIAL' ? 'exponentialRetryPolicy' : 'customizedRetryPolicy'
  const value = map.get(name)
  if (value === undefined || value === null) return undefined
  const policy = jsonMap(value)
  if (policy === undefined) throw wrong(`${name} is no object`)
  return type === 'EXPONENTIAL' ? exponential(policy) : listed(policy)
}

function exponential (policy: JsonMap): RetryPolicy {
  const initialMs = wholeNumber('initial', policy.get('initial') ?? DEFAULT_INITIAL_MS, 0, MAX_DELAY_MS)
  const maxMs = wholeNumber('max', policy.get('max') ?? DEFAULT_MAX_MS, 0, MAX_DELAY_MS)
  const multiplier = wholeNumber('multiplier', policy.get('multiplier') ?? DEFAULT_MULTIPLIER, 1, MAX_MULTIPLIER)
  return (reconsumeTimes) => Math.min(maxMs, initialMs * multiplier ** Math.min(reconsumeTimes, MAX_EXPONENT))
}

function listed (policy: JsonMap): RetryPolicy | undefined {
  const next = policy.get('next')
  if (next === undefined || next === null) return undefined
  const list = jsonArray(next)
  if (list === undefined || list.length === 0 || list.length > MAX_LIST) throw wrong(`next is a list of 1 to ${MAX_LIST} delays`)
  const delays = list.map((delay, i) => wholeNumber(`next[${i}]`, delay, 0, MAX_DELAY_MS))
  return (reconsumeTimes) => delays[Math.min(reconsumeTimes + FIRST_OF_LIST, delays.length - 1)]!
}

function wholeNumber (name: string, value: JsonValue, min: number, max: number): number {
  const number = jsonLong(value)
  if (typeof number === 'number' && number >= min && number <= max) return number
  throw wrong(`${name} is a whole number from ${min} to ${max}`)
}

function parsed (text: string): JsonValue {
  try {
    return parseJson(text)
  } catch (error) {
    if (isMqError(error)) throw wrong('it is no JSON')
    throw error
  }
}

function wrong (why: string): MqError {
  return new MqError('MQ_INVALID_ARGUMENT', `the groupRetryPolicy is not understood: ${why}`)
}
