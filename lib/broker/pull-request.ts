import type { GetMessagesRequest } from '../engine/index.ts'
import type { SqlFilter } from '../filter/index.ts'
import type { Answerable, RemotingConnection } from '../remoting/index.ts'
import type { Wanted } from './subscription.ts'

/** A pull that got past the checks: what is to be read, and whom it is for. Also what is kept of it while it waits. */
export class PullRequest implements GetMessagesRequest {
  readonly connection: RemotingConnection
  answerable: Answerable
  readonly group: string
  readonly topic: string
  readonly queueId: number
  /** Where the consumer is. */
  readonly askedOffset: number
  /** Where to read on: what is passed over while it waits need not be looked at again. */
  fromOffset: number
  readonly maxMessages: number
  readonly maxBytes: number
  readonly tagsCodes: ReadonlySet<number> | undefined
  readonly filter: SqlFilter | undefined
  /** How long it may wait when nothing is there; below 0: not at all. */
  waitMs: number
  /** Set by WaitingPulls. */
  deadlineStep = 0

  constructor (
    connection: RemotingConnection, answerable: Answerable, group: string, topic: string, queueId: number, fromOffset: number,
    maxMessages: number, maxBytes: number, { tagsCodes, filter }: Wanted, waitMs: number
  ) {
    this.connection = connection
    this.answerable = answerable
    this.group = group
    this.topic = topic
    this.queueId = queueId
    this.askedOffset = this.fromOffset = fromOffset
    this.maxMessages = maxMessages
    this.maxBytes = maxBytes
    this.tagsCodes = tagsCodes
    this.filter = filter
    this.waitMs = waitMs
  }
}
