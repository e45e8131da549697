import { MqError } from '../base/index.ts'
import type { NodeId, Raft, RaftMessage } from '../raft/index.ts'

interface Waiting {
  readonly to: NodeId
  /** Who led when it was asked for. */
  readonly from: NodeId
  ticksLeft: number
  readonly resolve: () => void
  readonly reject: (error: MqError) => void
}

/**
 * A transfer of leadership under way, as its caller sees it; it always ends. A leader's raft gives up after an election
 * time-out. A follower that has asked the leader, and a leader that ceases to be one before either has come about, hear of
 * no end: they wait for the next leader, and no longer than `limitTicks`.
 */
export class HandOver {
  readonly #raft: Raft
  readonly #limitTicks: number
  #waiting: Waiting | undefined

  constructor (raft: Raft, limitTicks: number) {
    this.#raft = raft
    this.#limitTicks = limitTicks
  }

  /** Resolves when `to` leads. */
  to (to: NodeId): Promise<void> {
    const { leaderId } = this.#raft
    if (leaderId === to) return Promise.resolve()
    if (leaderId === 0) return Promise.reject(new MqError('MQ_UNAVAILABLE', 'the group has no leader that could hand over'))
    this.fail(new MqError('MQ_BUSY', 'another transfer of leadership took its place'))
    if (!this.#raft.transferLeadership(to)) return Promise.reject(new MqError('MQ_INVALID_ARGUMENT', `node ${to} is no voter of the group, or lost its power and has not caught up yet`))
    return new Promise((resolve, reject) => { this.#waiting = { to, from: leaderId, ticksLeft: this.#limitTicks, resolve, reject } })
  }

  leaderChanged (leaderId: NodeId): void {
    if (leaderId === 0 || this.#waiting === undefined) return
    const { to, from, resolve } = this.#waiting
    if (leaderId === to) {
      this.#waiting = undefined
      resolve()
    } else if (leaderId !== from) {
      this.fail(new MqError('MQ_UNAVAILABLE', `node ${leaderId} leads now, not node ${to}`, { leaderId }))
    }
  }

  /** With every tick: notices that raft has given up, or that nothing comes of it. */
  tick (): void {
    if (this.#waiting === undefined) return
    const hasGivenUp = this.#raft.role === 'leader' && this.#raft.transfereeId === 0
    if (hasGivenUp || --this.#waiting.ticksLeft <= 0) this.fail(new MqError('MQ_UNAVAILABLE', `node ${this.#waiting.to} did not take over leadership in time`))
  }

  fail (error: MqError): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }
}

/** The voter whose log is the most complete, for a leader that has to go; undefined when there is none. */
export function bestSuccessor (raft: Raft): NodeId | undefined {
  const { conf, peers } = raft.status()
  let best: { readonly id: NodeId, readonly matchIndex: number } | undefined
  for (const { id, matchIndex, recentlyActive, inDoubt } of peers) {
    if (recentlyActive && !inDoubt && conf.voters.includes(id) && matchIndex > (best?.matchIndex ?? 0)) best = { id, matchIndex }
  }
  return best?.id
}

/**
 * What a leader that can write no more still says: to a voter that holds its whole log, to take over. It spares the
 * group the election time-out. Nothing that promises anything is among it.
 */
export function farewells (raft: Raft): readonly RaftMessage[] {
  if (raft.role !== 'leader') return []
  const successor = bestSuccessor(raft)
  if (successor === undefined || !raft.transferLeadership(successor)) return []
  return raft.ready().messages.filter(({ type }) => type === 'timeoutNow')
}
