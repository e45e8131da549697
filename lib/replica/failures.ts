import { MqError, isMqError } from '../base/index.ts'

/** What stopped the replica, as callers see it: an error of the machine, or a broken rule of our own. */
export function asMqError (cause: unknown): MqError {
  if (isMqError(cause)) return cause
  const { message, code } = cause as { readonly message?: string, readonly code?: unknown }
  return typeof code === 'string'
    ? new MqError('MQ_IO', `input or output failed: ${message}`, { cause })
    : new MqError('MQ_INVARIANT', `unexpected error: ${message ?? String(cause)}`, { cause })
}
