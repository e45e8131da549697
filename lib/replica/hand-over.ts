import { MqError } from '../base/index.ts'
import type { NodeId, Raft } from '../raft/index.ts'

/** A transfer of leadership under way, as its caller sees it. Raft gives one up after an election time-out. */
export class HandOver {
  readonly #raft: Raft
  #waiting: { readonly to: NodeId, readonly resolve: () => void, readonly reject: (error: MqError) => void } | undefined

  constructor (raft: Raft) {
    this.#raft = raft
  }

  /** Resolves when `to` leads. */
  to (to: NodeId): Promise<void> {
    const { leaderId } = this.#raft
    if (leaderId === to) return Promise.resolve()
    if (leaderId === 0) return Promise.reject(new MqError('MQ_UNAVAILABLE', 'the group has no leader that could hand over'))
    this.fail(new MqError('MQ_BUSY', 'another transfer of leadership took its place'))
    this.#raft.transferLeadership(to)
    return new Promise((resolve, reject) => { this.#waiting = { to, resolve, reject } })
  }

  leaderChanged (leaderId: NodeId): void {
    if (leaderId === 0 || this.#waiting === undefined) return
    if (leaderId !== this.#waiting.to) return
    this.#waiting.resolve()
    this.#waiting = undefined
  }

  /** With every tick: notices that raft has given up. */
  tick (): void {
    if (this.#waiting === undefined || this.#raft.role !== 'leader' || this.#raft.isTransferring) return
    this.fail(new MqError('MQ_UNAVAILABLE', `node ${this.#waiting.to} did not take over leadership in time`))
  }

  fail (error: MqError): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }
}
