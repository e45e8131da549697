import { MqError, type Clock } from '../base/index.ts'
import { GetMessagesResult, type Engine, type GetMessageStatus } from '../engine/index.ts'
import { encodePullResponse, PullStatus, ResponseCode } from '../remoting/index.ts'
import { codeOf } from './failures.ts'
import type { PullRequest } from './pull-request.ts'
import type { BrokerStats } from './stats.ts'
import { FilteredPulls } from './filtered-pulls.ts'
import { WaitingPulls } from './waiting-pulls.ts'

/** The answer by what the store found. Where a queue has never had a message it depends on what was asked for. */
const codes: Readonly<Record<GetMessageStatus, ResponseCode>> = {
  FOUND: ResponseCode.SUCCESS,
  NO_MATCHED_MESSAGE: ResponseCode.PULL_RETRY_IMMEDIATELY,
  MESSAGE_WAS_REMOVING: ResponseCode.PULL_RETRY_IMMEDIATELY,
  OFFSET_FOUND_NULL: ResponseCode.PULL_NOT_FOUND,
  OFFSET_OVERFLOW_ONE: ResponseCode.PULL_NOT_FOUND,
  OFFSET_OVERFLOW_BADLY: ResponseCode.PULL_OFFSET_MOVED,
  OFFSET_TOO_SMALL: ResponseCode.PULL_OFFSET_MOVED,
  NO_MATCHED_LOGIC_QUEUE: ResponseCode.PULL_OFFSET_MOVED,
  NO_MESSAGE_IN_QUEUE: ResponseCode.PULL_OFFSET_MOVED
}

export interface PullsOptions {
  readonly clock: Clock
  readonly engine: Engine
  readonly stats: BrokerStats
  readonly capacity: () => number
  /** The broker id at which the group is to pull on. */
  readonly suggestedId: (group: string, isSlow: boolean) => number
}

/** Reads for pulls and answers them, now or when something is there. */
export class Pulls {
  readonly waiting: WaitingPulls
  readonly #engine: Engine
  readonly #stats: BrokerStats
  readonly #suggestedId: (group: string, isSlow: boolean) => number
  readonly #filtered: FilteredPulls

  constructor ({ clock, engine, stats, capacity, suggestedId }: PullsOptions) {
    this.#engine = engine
    this.#stats = stats
    this.#suggestedId = suggestedId
    this.waiting = new WaitingPulls({
      clock,
      capacity,
      serve: (pull) => {
        pull.waitMs = -1
        this.serve(pull)
      },
      look: (pull) => { this.#filtered.add(pull) }
    })
    this.#filtered = new FilteredPulls({
      clock,
      engine,
      waiting: this.waiting,
      answer: (pull, result, isCold) => {
        pull.waitMs = -1
        this.#answer(pull, result, isCold)
      },
      fail: (pull, error) => { this.#fail(pull, error) }
    })
    engine.onArrival((arrival) => { this.waiting.arrived(arrival) })
  }

  /** Answers at once as a rule; with a cold read or a wait, later. */
  serve (pull: PullRequest): void {
    const result = this.#engine.reads.getMessages(pull)
    if (result instanceof GetMessagesResult) this.#answer(pull, result, false)
    else result.then((cold) => { this.#answer(pull, cold, true) }, (error: unknown) => { this.#fail(pull, error) })
  }

  #answer (pull: PullRequest, result: GetMessagesResult, isCold: boolean): void {
    const isEmpty = result.maxOffset === 0 && pull.fromOffset === 0
    // the consumer may know more than has come here: that is no reason to send it back
    const isAhead = pull.fromOffset > result.maxOffset && !this.#engine.role.isLeader
    let code = isEmpty || isAhead ? ResponseCode.PULL_NOT_FOUND : codes[result.status]
    if (code === ResponseCode.PULL_NOT_FOUND && pull.waitMs >= 0) {
      this.#wait(pull)
      return
    }
    // what came while it waited was none of what it wants
    if (code === ResponseCode.PULL_NOT_FOUND && pull.fromOffset > pull.askedOffset) code = ResponseCode.PULL_RETRY_IMMEDIATELY
    const { messageCount, sizeBytes } = result
    this.#stats.got(pull.topic, pull.group, messageCount, sizeBytes)
    const out = pull.connection.beginResponse(pull.answerable)
    if (out === undefined) return
    const nextBeginOffset = isAhead ? pull.fromOffset : result.nextBeginOffset
    encodePullResponse(out, pull.answerable, code, PullStatus[result.status], this.#suggestedId(pull.group, isCold), nextBeginOffset, result.minOffset, result.maxOffset, messageCount === 0 ? undefined : result)
  }

  #wait (pull: PullRequest): void {
    const { connection, waitMs } = pull
    if (connection.isClosed) return
    if (this.waiting.isFull) {
      connection.respond(pull.answerable, { code: ResponseCode.SYSTEM_BUSY, remark: `[OVERLOAD] ${this.waiting.count} pulls wait for messages (pullThreadPoolQueueCapacity); pull again a little later` })
      return
    }
    pull.answerable = connection.park(pull.answerable)
    this.waiting.add(pull, waitMs)
    // what came while a cold read was under way was not waited for
    if (this.#engine.reads.rangeOf(pull.topic, pull.queueId).maxOffset <= pull.fromOffset) return
    if (pull.filter === undefined) this.waiting.wake(pull)
    else this.#filtered.add(pull)
  }

  #fail ({ connection, answerable }: PullRequest, error: unknown): void {
    const failed = error instanceof MqError ? error : new MqError('MQ_IO', `the messages could not be read: ${String(error)}`, { cause: error })
    connection.respond(answerable, { code: codeOf(failed), remark: failed.message })
  }
}
