/**
 * The error catalogue: every failure a caller can see has one code, what became of the request, and whether the same
 * request may simply be made again. Callers compare `code`, never text.
 */

/** What became of a request that failed: it took effect, it did not and never will, or nobody can say. */
export type Outcome = 'applied' | 'not-applied' | 'unknown'

interface CatalogueEntry {
  readonly meaning: string
  readonly outcome: Outcome
  readonly retryable: boolean
}

const entry = (outcome: Outcome, retryable: boolean, meaning: string): CatalogueEntry => ({ meaning, outcome, retryable })

export const errorCatalogue = {
  // arguments and naming
  MQ_INVALID_ARGUMENT: entry('not-applied', false, 'a value is of the right type but out of range or malformed'),
  MQ_MESSAGE_TOO_LARGE: entry('not-applied', false, 'body, properties or batch exceed the limit named in the message'),
  MQ_TOPIC_NOT_FOUND: entry('not-applied', false, 'the topic does not exist and may not be created automatically'),
  MQ_GROUP_NOT_FOUND: entry('not-applied', false, 'the consumer group does not exist and may not be created automatically'),
  MQ_QUEUE_NOT_FOUND: entry('not-applied', false, 'the topic has no queue of that number'),
  MQ_OFFSET_TOO_SMALL: entry('not-applied', false, 'the offset was already removed by retention; `minOffset` tells where to resume'),
  MQ_MESSAGE_NOT_FOUND: entry('not-applied', false, 'no visible message is stored under that position or id'),
  MQ_LEASE_LOST: entry('not-applied', false, 'the lease on the message had ended, so the acknowledgement had no effect'),
  MQ_PAYLOAD_INVALID: entry('not-applied', false, 'the payload does not fit the codec or schema of its topic'),
  // life cycle
  MQ_CLOSED: entry('not-applied', false, 'the queue is closed or closing'),
  MQ_ABORTED: entry('not-applied', false, 'the caller\'s AbortSignal fired before the request was accepted'),
  MQ_BUSY: entry('not-applied', true, 'a bounded buffer is full; wait for earlier requests and try again'),
  MQ_TIMEOUT: entry('unknown', false, 'the request was accepted but its result was not known in time'),
  // group
  MQ_NOT_LEADER: entry('not-applied', true, 'this node does not lead the group; `leaderId` tells who does, when known'),
  MQ_LEADERSHIP_LOST: entry('unknown', false, 'leadership changed before the outcome of the request was known'),
  MQ_OVERWRITTEN: entry('not-applied', true, 'another leader\'s entry took the place of the request'),
  MQ_UNAVAILABLE: entry('not-applied', true, 'the group has no leader or no majority at the moment, or there is no link to the node that is asked'),
  MQ_PEER_FAILED: entry('unknown', false, 'another node failed over the request in a way that has no code; its log tells more'),
  // remoting
  MQ_BAD_FRAME: entry('unknown', false, 'a peer sent bytes that are no frame of the remoting protocol; its connection is closed'),
  MQ_BAD_FIELD: entry('unknown', false, 'a header field of a request or an answer is missing or malformed; `field` names it'),
  MQ_CONNECT_FAILED: entry('not-applied', true, 'no connection to the address could be made'),
  MQ_CONNECTION_LOST: entry('unknown', false, 'the connection closed before the answer came'),
  // disk
  MQ_DISK_ROOM: entry('not-applied', true, 'free disk space is below the reserve, writes are refused until there is room'),
  MQ_IO: entry('unknown', false, 'the disk reported an error; the node stopped and must be opened again'),
  MQ_READ_ONLY: entry('not-applied', false, 'the data directory cannot be written'),
  MQ_LOCKED: entry('not-applied', true, 'another process has the data directory open'),
  MQ_CORRUPT: entry('not-applied', false, 'stored bytes fail their checksum; the message names file and byte'),
  MQ_FORMAT_TOO_NEW: entry('not-applied', false, 'the data was written by a newer format than this version reads'),
  MQ_FORMAT_TOO_OLD: entry('not-applied', false, 'the data was written by a format this version no longer reads'),
  MQ_NOT_A_DATA_DIRECTORY: entry('not-applied', false, 'the directory holds files that are not a LedgerMQ store'),
  MQ_INVARIANT: entry('unknown', false, 'an internal rule was broken; the node stopped to protect the data')
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof errorCatalogue

export interface MqErrorDetails {
  readonly cause?: unknown
  /** Replaces the catalogue's outcome where the thrower knows better. */
  readonly outcome?: Outcome
  readonly retryable?: boolean
  /** Facts for the caller, copied onto the error: `minOffset`, `leaderId`, `file`, `position`, … */
  readonly [fact: string]: unknown
}

export class MqError extends Error {
  /** 'AbortError' for MQ_ABORTED, as callers of an AbortSignal expect; else 'MqError'. */
  override readonly name: string
  readonly code: ErrorCode
  readonly outcome: Outcome
  readonly retryable: boolean;
  [fact: string]: unknown

  constructor (code: ErrorCode, message: string, details: MqErrorDetails = {}) {
    const { cause, outcome, retryable, ...facts } = details
    super(message, cause === undefined ? undefined : { cause })
    this.name = code === 'MQ_ABORTED' ? 'AbortError' : 'MqError'
    this.code = code
    this.outcome = outcome ?? errorCatalogue[code].outcome
    this.retryable = retryable ?? errorCatalogue[code].retryable
    Object.assign(this, facts)
  }
}

/** True for an MqError, of that code if one is given. */
export function isMqError (error: unknown, code?: ErrorCode): error is MqError {
  return error instanceof MqError && (code === undefined || error.code === code)
}

/** The platform's code of an error of a disk port (`ENOSPC`, `ENOENT`, ...); empty: it has none. */
export function diskErrorCode (error: unknown): string { return (error as { readonly code?: string }).code ?? '' }
