import { errorCatalogue, isMqError, MqError, type ErrorCode, type Outcome } from '../base/index.ts'

/** An MqError on its way to the caller. */
export interface CallFailure {
  readonly code: string
  readonly message: string
  readonly outcome: Outcome
  readonly retryable: boolean
  /** The error's plain facts as JSON: `leaderId`, `minOffset`, ... */
  readonly facts: string
}

const MAX_MESSAGE_LENGTH = 1000
const MAX_FACTS_LENGTH = 2000
const outcomes: readonly string[] = ['applied', 'not-applied', 'unknown'] satisfies Outcome[]

export function failureOf (error: unknown): CallFailure {
  const failed = isMqError(error) ? error : new MqError('MQ_PEER_FAILED', error instanceof Error ? error.message : String(error))
  const { name, code, message, outcome, retryable, ...rest } = failed
  const facts = JSON.stringify(rest, (key, value: unknown) => key !== '' && typeof value === 'object' && value !== null ? undefined : value)
  return { code, message: failed.message.slice(0, MAX_MESSAGE_LENGTH), outcome, retryable, facts: facts.length > MAX_FACTS_LENGTH ? '{}' : facts }
}

/** The error as the caller gets it. A code that only the other node's version knows is MQ_PEER_FAILED, with its outcome. */
export function errorOf ({ code, message, outcome, retryable, facts }: CallFailure): MqError {
  const known = code in errorCatalogue ? code as ErrorCode : 'MQ_PEER_FAILED'
  return new MqError(known, message, { ...plainFacts(facts), ...(outcomes.includes(outcome) && { outcome }), retryable })
}

function plainFacts (text: string): object {
  try {
    const { cause, name, message, stack, code, ...facts } = JSON.parse(text) as Record<string, unknown>
    return facts
  } catch {
    return {}
  }
}
