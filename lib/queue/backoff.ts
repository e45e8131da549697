import type { Backoff } from './types.ts'
import { checkDuration, checkOneOf, invalid, wrongType } from './arguments.ts'

const FIRST_DELAY_MS = 1000
const MAX_EXPONENTIAL_MS = 300_000

/** Ms to wait before the next attempt, after `attempts` (from 1) have failed, the last one with `error`. */
export type BackoffRule = (attempts: number, error: unknown) => number

export function backoffRule (backoff: Backoff = 'exponential'): BackoffRule {
  if (typeof backoff === 'string') {
    return checkOneOf('backoff', backoff, ['fixed', 'exponential']) === 'fixed'
      ? () => FIRST_DELAY_MS
      : (attempts) => Math.min(FIRST_DELAY_MS * 2 ** (attempts - 1), MAX_EXPONENTIAL_MS)
  }
  if (typeof backoff === 'function') return (attempts, error) => checkDuration('the result of backoff', backoff(attempts, error))
  if (!Array.isArray(backoff)) throw wrongType('backoff', '\'fixed\', \'exponential\', a list of durations or a function', backoff)
  const delays = backoff.map((delay, i) => checkDuration(`backoff[${i}]`, delay))
  if (delays.length === 0) throw invalid('backoff', 'a list of at least one duration', backoff)
  return (attempts) => delays[Math.min(attempts, delays.length) - 1]!
}
