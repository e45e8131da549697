import { MqError } from './errors.ts'

/** Stops the caller when an internal rule is broken. Stays on in production: a wrong answer costs more than a stop. */
export function invariant (condition: unknown, message: string): asserts condition {
  if (!condition) throw new MqError('MQ_INVARIANT', message)
}

/** For the default branch of an exhaustive switch. */
export function unreachable (value: never): never {
  throw new MqError('MQ_INVARIANT', `unexpected value: ${JSON.stringify(value)}`)
}
