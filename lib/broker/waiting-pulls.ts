import type { Clock, Timer } from '../base/index.ts'
import type { Arrival } from '../engine/index.ts'
import type { RemotingConnection } from '../remoting/index.ts'
import type { PullRequest } from './pull-request.ts'

/** Deadlines are kept to that precision: pulls that end at about the same time share a timer. */
const DEADLINE_STEP_MS = 250
/** A connection without traffic is closed after two minutes; no client waits for as long as this. */
const MAX_WAIT_MS = 60_000

export interface WaitingPullsOptions {
  readonly clock: Clock
  /** How many may wait. */
  readonly capacity: () => number
  /** A pull's wait is over: it is to be answered now. */
  readonly serve: (pull: PullRequest) => void
  /** Something came that it may want; only a look into the messages tells. */
  readonly look: (pull: PullRequest) => void
}

/** Pulls of one connection; it is asked to tell of its end once. */
type PullsOfConnection = Set<PullRequest>

/**
 * Pulls that found nothing and wait for a message, or for their time to be over. While nothing happens they cost nothing
 * but memory: one timer is set, for the earliest deadline.
 * @see RocketMQ PullRequestHoldService. Divergence: deadlines are kept to a quarter of a second, not to five
 */
export class WaitingPulls {
  readonly #options: WaitingPullsOptions
  /** By topic and queueId. */
  readonly #queues = new Map<string, Map<number, Set<PullRequest>>>()
  readonly #connections = new Map<RemotingConnection, PullsOfConnection>()
  /** By step of the clock, of their deadlines. */
  readonly #deadlines = new Map<number, Set<PullRequest>>()
  #count = 0
  #timer: Timer | undefined
  #timerStep = Infinity

  constructor (options: WaitingPullsOptions) {
    this.#options = options
  }

  get count (): number { return this.#count }
  get isFull (): boolean { return this.#count >= this.#options.capacity() }

  /** Lets the pull wait for `waitMs` at most. Its request must be parked. */
  add (pull: PullRequest, waitMs: number): void {
    const { clock } = this.#options
    pull.deadlineStep = Math.ceil((clock.nowMs() + Math.min(Math.max(waitMs, 0), MAX_WAIT_MS)) / DEADLINE_STEP_MS)
    this.#count++
    setIn(this.#queuesOf(pull.topic), pull.queueId).add(pull)
    setIn(this.#deadlines, pull.deadlineStep).add(pull)
    let ofConnection = this.#connections.get(pull.connection)
    if (ofConnection === undefined) {
      this.#connections.set(pull.connection, ofConnection = new Set())
      pull.connection.onClose(() => { this.#drop(pull.connection) })
    }
    ofConnection.add(pull)
    if (pull.deadlineStep < this.#timerStep) this.#arm(pull.deadlineStep)
  }

  has (pull: PullRequest): boolean { return this.#connections.get(pull.connection)?.has(pull) === true }

  /** Its wait is over: it is answered by the caller. False: it did not wait any more. */
  take (pull: PullRequest): boolean {
    if (!this.has(pull)) return false
    this.#remove(pull)
    return true
  }

  /** Serves this one, if it waits. */
  wake (pull: PullRequest): void {
    if (this.has(pull)) this.#end(pull)
  }

  /** Serves who waits for one of these messages. */
  arrived (arrival: Arrival): void {
    const waiting = this.#queues.get(arrival.topic)?.get(arrival.queueId)
    if (waiting === undefined) return
    for (const pull of [...waiting]) {
      if (pull.filter !== undefined) this.#options.look(pull)
      else if (pull.tagsCodes === undefined || arrival.matches(pull.tagsCodes)) this.#end(pull)
    }
  }

  /** Serves all that wait for a topic: it was changed or deleted. */
  topicChanged (topic: string): void {
    for (const waiting of [...this.#queues.get(topic)?.values() ?? []]) for (const pull of [...waiting]) this.#end(pull)
  }

  /** Serves all, wherever they wait. */
  wakeAll (): void {
    for (const topic of [...this.#queues.keys()]) this.topicChanged(topic)
  }

  #end (pull: PullRequest): void {
    this.#remove(pull)
    this.#options.serve(pull)
  }

  #remove (pull: PullRequest): void {
    const queues = this.#queues.get(pull.topic)
    if (queues?.get(pull.queueId)?.delete(pull) !== true) return
    this.#count--
    if (queues.get(pull.queueId)!.size === 0) queues.delete(pull.queueId)
    if (queues.size === 0) this.#queues.delete(pull.topic)
    const sharing = this.#deadlines.get(pull.deadlineStep)
    sharing?.delete(pull)
    if (sharing?.size === 0) this.#deadlines.delete(pull.deadlineStep)
    this.#connections.get(pull.connection)?.delete(pull)
  }

  #drop (connection: RemotingConnection): void {
    const pulls = this.#connections.get(connection)
    this.#connections.delete(connection)
    for (const pull of pulls ?? []) this.#remove(pull)
  }

  #queuesOf (topic: string): Map<number, Set<PullRequest>> {
    let queues = this.#queues.get(topic)
    if (queues === undefined) this.#queues.set(topic, queues = new Map())
    return queues
  }

  #arm (step: number): void {
    this.#timer?.cancel()
    this.#timerStep = step
    this.#timer = this.#options.clock.setTimer(Math.max(0, step * DEADLINE_STEP_MS - this.#options.clock.nowMs()), () => { this.#expire() })
  }

  #expire (): void {
    this.#timer = undefined
    this.#timerStep = Infinity
    const now = this.#options.clock.nowMs() / DEADLINE_STEP_MS
    let earliest = Infinity
    for (const [step, pulls] of [...this.#deadlines]) {
      if (step > now) earliest = Math.min(earliest, step)
      else for (const pull of [...pulls]) this.#end(pull)
    }
    if (earliest < this.#timerStep) this.#arm(earliest)
  }
}

function setIn (sets: Map<number, Set<PullRequest>>, key: number): Set<PullRequest> {
  let set = sets.get(key)
  if (set === undefined) sets.set(key, set = new Set())
  return set
}
