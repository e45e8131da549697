import { isMqError, MqError, type Clock, type Logger } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { DEFAULT_MAX_FRAME_BYTES, encodeRequest, HeaderType, OutboundBuffer, RemotingFrame, ResponseCode, SlabPool, type Processor, type RemotingConnection, type RemotingRequest } from '../remoting/index.ts'
import { failureOf } from './failures.ts'
import { ForwardedCaller } from './forwarded-caller.ts'
import { decodeForwarded, encodeForwarded } from './forwarded-request.ts'
import type { BrokerNode } from './node.ts'
import { linearizable } from './places.ts'

const METHOD = 'broker.forward'
/** A frame, and whose it is. */
const MAX_BODY_BYTES = DEFAULT_MAX_FRAME_BYTES + 256 * 1024
/** How long a request may take at the leader; pops wait there. Clients give up earlier. */
const ANSWER_TIMEOUT_MS = 35_000
/** How long a group may have no leader before requests are refused; RocketMQ's clients wait 3 s for an answer, attempts elsewhere included. */
export const LEADER_TIMEOUT_MS = 2000
/** How long each waits at least: it may be the next moment. */
const LEAST_WAIT_MS = 500
const TELL_TIMEOUT_MS = 5000
/** How long after a change of the leader an answer of the old one is waited for: it gives up what it has under way by then. */
const LINGER_MS = 700
/** Until a leader that cannot be reached is tried again, if no other has come by then. */
const PAUSE_MS = 100

export interface ForwardingOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly node: BrokerNode
  /** Who answers a request on this node. */
  readonly process: Processor
  readonly clientIdOf: (connection: RemotingConnection) => string | undefined
}

/**
 * Requests that only the leader answers, on their way there from a node that does not lead: whole frames, one hop, and
 * the answer back. A request is sent again only when it was surely not carried out: it never left this node, or whoever
 * got it says so, or it changes nothing. When nobody can tell the client is told that, as when its request had timed out.
 */
export class Forwarding {
  readonly #options: ForwardingOptions
  readonly #slabs = new SlabPool()
  /** Woken when the leader changes. */
  readonly #waiting = new Set<() => void>()
  #stopListening: () => void = () => {}
  #leaderId = 0
  #leaderlessSinceMs: number
  /** Calls to the present leader. */
  #calls = new Set<AbortController>()

  constructor (options: ForwardingOptions) {
    this.#options = options
    const { node, clock } = options
    this.#leaderlessSinceMs = clock.nowMs()
    node.group?.peers.onCall(METHOD, (body) => this.#answer(body), { maxBytes: MAX_BODY_BYTES })
    this.#listen(node.engine)
    node.onEngine((engine) => { this.#listen(engine) })
  }

  close (): void {
    this.#stopListening()
    for (const call of this.#calls) call.abort()
    this.#wake()
  }

  #listen (engine: Engine): void {
    this.#stopListening()
    this.#stopListening = engine.onLeadership(({ leaderId }) => {
      if (leaderId !== this.#leaderId) this.#endCalls()
      if (leaderId === 0 && this.#leaderId !== 0) this.#leaderlessSinceMs = this.#options.clock.nowMs()
      this.#leaderId = leaderId
      this.#wake()
    })
  }

  /** One that is no leader any more may be stuck: its answers would keep others of the same clients waiting. */
  #endCalls (): void {
    const calls = this.#calls
    this.#calls = new Set()
    this.#options.clock.setTimer(LINGER_MS, () => { for (const call of calls) call.abort() })
  }

  /** Has the leader answer it, whoever that is by then: this node too. */
  forward (request: RemotingFrame, connection: RemotingConnection): undefined {
    this.#forward(request, connection).catch((error: unknown) => {
      this.#options.logger.error('a request could not be forwarded', { error })
      connection.respond(request, { code: ResponseCode.SYSTEM_ERROR, remark: String(error) })
    })
    return undefined
  }

  /**
   * The leader's answer, this node's too, to a request that this one makes of a client's. What went wrong on the way is
   * answered as clients are told it. @throws MQ_OVERWRITTEN, MQ_CLOSED it was not carried out
   */
  async ask (request: RemotingRequest, connection: RemotingConnection): Promise<RemotingFrame> {
    const { clock, node, clientIdOf } = this.#options
    const bytes = this.#frameOf(request, false)
    for (;;) {
      const caller = new ForwardedCaller(clock, this.#slabs, connection.peer, clientIdOf(connection))
      this.forward(new RemotingFrame(bytes, 0, bytes.length), caller.connection)
      try {
        const answer = await caller.answer
        return new RemotingFrame(answer, 0, answer.length)
      } catch (error) {
        // this node led when it was asked: another one does by now, or will
        if (node.engine.role.isLeader) throw error
      }
    }
  }

  /** Tells the leader something for a client, as a one-way request would. Lost when there is no leader. */
  tell (request: RemotingRequest, connection: RemotingConnection): void {
    const { node, clientIdOf, logger } = this.#options
    const { leaderId } = node.engine.role
    if (leaderId === 0 || node.group === undefined) return
    const bytes = this.#frameOf(request, true)
    const body = encodeForwarded(new RemotingFrame(bytes, 0, bytes.length), connection.peer, clientIdOf(connection))
    node.group.peers.call(leaderId, METHOD, body, { timeoutMs: TELL_TIMEOUT_MS })
      .catch((error: unknown) => { logger.debug('the leader could not be told', { code: request.code, error: String(error) }) })
  }

  #frameOf (request: RemotingRequest, isOneWay: boolean): Uint8Array {
    const out = new OutboundBuffer(this.#slabs)
    encodeRequest(out, HeaderType.binary, request, 0, isOneWay)
    const pieces = out.take()
    const bytes = Buffer.concat(pieces)
    out.release(pieces)
    return bytes
  }

  /**
   * A request failed here with `error`. Takes it over, if it was not carried out and another node leads: from a client's
   * connection it is forwarded, from another node it is given back. Returns whether it did.
   */
  maybeTakeOver (request: RemotingFrame, connection: RemotingConnection, error: unknown): boolean {
    if (this.#options.node.group === undefined || !isMqError(error) || error.outcome !== 'not-applied') return false
    if (error.code !== 'MQ_NOT_LEADER' && error.code !== 'MQ_OVERWRITTEN' && error.code !== 'MQ_CLOSED') return false
    if (connection instanceof ForwardedCaller) connection.giveBack(error)
    else if (error.code === 'MQ_CLOSED') return false
    else this.forward(request, connection)
    return true
  }

  async #forward (request: RemotingFrame, connection: RemotingConnection): Promise<void> {
    const { clock, node, process, clientIdOf } = this.#options
    const leaderlessSinceMs = this.#leaderId === 0 ? this.#leaderlessSinceMs : clock.nowMs()
    const untilMs = Math.max(leaderlessSinceMs + LEADER_TIMEOUT_MS, clock.nowMs() + LEAST_WAIT_MS)
    let body: Uint8Array | undefined
    let problem: unknown
    while (!connection.isClosed) {
      const { isLeader, leaderId } = node.engine.role
      if (isLeader) {
        await answerBy(process, request, connection)
        return
      }
      if (node.group?.isMember() === false) {
        connection.respond(request, { code: ResponseCode.SERVICE_NOT_AVAILABLE, remark: 'this node is not of the group any more, or not yet' })
        return
      }
      if (leaderId !== 0 && node.group !== undefined) {
        body ??= encodeForwarded(request, connection.peer, clientIdOf(connection))
        try {
          answerWith(connection, request, await this.#call(leaderId, body))
          return
        } catch (error) {
          if (!isForTheNextLeader(error) && !(linearizable.has(request.code) && isSilence(error))) {
            connection.respond(request, failureOf(error))
            return
          }
          problem = error
        }
      }
      if (clock.nowMs() >= untilMs) {
        connection.respond(request, { code: ResponseCode.SERVICE_NOT_AVAILABLE, remark: `the group has no leader at the moment${isMqError(problem) ? `: ${problem.message}` : ''}` })
        return
      }
      await this.#change(leaderId === 0 ? untilMs - clock.nowMs() : PAUSE_MS)
    }
  }

  async #call (leaderId: number, body: Uint8Array): Promise<Uint8Array> {
    const calls = this.#calls
    const call = new AbortController()
    calls.add(call)
    try {
      return await this.#options.node.group!.peers.call(leaderId, METHOD, body, { timeoutMs: ANSWER_TIMEOUT_MS, signal: call.signal })
    } finally {
      calls.delete(call)
    }
  }

  /** Answers what another node hands over. @throws MQ_NOT_LEADER, and what else leaves the request to the next leader */
  async #answer (body: Uint8Array): Promise<Uint8Array> {
    const { clock, node, process } = this.#options
    const { isLeader, leaderId } = node.engine.role
    if (!isLeader) throw new MqError('MQ_NOT_LEADER', 'this node does not lead the group', { leaderId })
    const { client, clientId, frame } = decodeForwarded(body)
    const caller = new ForwardedCaller(clock, this.#slabs, client, clientId)
    await answerBy(process, frame, caller.connection)
    caller.done(frame)
    return await caller.answer
  }

  /** Resolves when the leader has changed, or after `timeoutMs`. */
  #change (timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimer(timeoutMs, () => { end() })
      const end = (): void => {
        timer.cancel()
        this.#waiting.delete(end)
        resolve()
      }
      this.#waiting.add(end)
    })
  }

  #wake (): void {
    for (const end of [...this.#waiting]) end()
  }
}

/** As a connection does it. */
async function answerBy (process: Processor, request: RemotingFrame, connection: RemotingConnection): Promise<void> {
  const response = await process(request, connection)
  if (response !== undefined) connection.respond(request, response)
}

/** The frame is as the leader has encoded it, for this client. */
function answerWith (connection: RemotingConnection, request: RemotingFrame, frame: Uint8Array): void {
  const out = connection.beginResponse(request)
  if (out === undefined) return
  out.reserve(frame.length)
  out.bytes.set(frame, out.at)
  out.at += frame.length
}

/** It was not carried out: the node that was asked does not lead, could not be reached, or does not serve yet. */
function isForTheNextLeader (error: unknown): boolean {
  return isMqError(error) && error.outcome === 'not-applied' && ['MQ_NOT_LEADER', 'MQ_OVERWRITTEN', 'MQ_UNAVAILABLE', 'MQ_CLOSED', 'MQ_INVALID_ARGUMENT'].includes(error.code)
}

/** Nobody knows whether it was carried out: a question that changes nothing may be asked again. */
function isSilence (error: unknown): boolean {
  return isMqError(error) && ['MQ_ABORTED', 'MQ_TIMEOUT', 'MQ_CONNECTION_LOST'].includes(error.code)
}
