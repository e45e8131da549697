import { invariant } from '../base/index.ts'
import { allMembers, defectOf, isLearner, isVoter } from './conf-change.ts'
import { Progress } from './progress.ts'
import { quorumIndex, quorumVote, quorumVoteInDoubt, type AckedIndexes, type VoteResult } from './quorum.ts'
import type { ConfState, NodeId } from './types.ts'

const NOBODY: ReadonlySet<NodeId> = new Set()

/** The applied configuration, what this node is in it, and the progress of everybody else in it. */
export class Membership {
  readonly #id: NodeId
  readonly #maxInflightAppends: number
  readonly #maxInflightBytes: number
  conf!: ConfState
  /** All members but this node, by ascending id. */
  peers: readonly Progress[] = []
  isVoter = false
  isLearner = false

  constructor (id: NodeId, conf: ConfState, nextIndex: number, maxInflightAppends: number, maxInflightBytes: number) {
    this.#id = id
    this.#maxInflightAppends = maxInflightAppends
    this.#maxInflightBytes = maxInflightBytes
    this.switchTo(conf, nextIndex)
  }

  /** The only voter, so that nobody needs to be asked. */
  get isSingleVoter (): boolean {
    const { voters, votersOutgoing } = this.conf
    return voters.length === 1 && votersOutgoing.length === 0 && voters[0] === this.#id
  }

  peer (id: NodeId): Progress | undefined {
    for (const progress of this.peers) if (progress.id === id) return progress
    return undefined
  }

  /** Takes a configuration into force. New members are probed from `nextIndex`. */
  switchTo (conf: ConfState, nextIndex: number): void {
    const defect = defectOf(conf)
    invariant(defect === undefined, `configuration ${JSON.stringify(conf)}: ${defect}`)
    const peers: Progress[] = []
    for (const id of allMembers(conf)) {
      if (id !== this.#id) peers.push(this.peer(id) ?? this.#newcomer(id, nextIndex))
    }
    this.conf = conf
    this.peers = peers
    this.isVoter = isVoter(conf, this.#id)
    this.isLearner = isLearner(conf, this.#id)
  }

  #newcomer (id: NodeId, nextIndex: number): Progress {
    const progress = new Progress(id, Math.max(nextIndex, 1), this.#maxInflightAppends, this.#maxInflightBytes)
    progress.recentlyActive = true
    return progress
  }

  quorumIndex (acked: AckedIndexes): number {
    return quorumIndex(this.conf, acked)
  }

  /** `inDoubt`: who of those that granted is in doubt. */
  tally (votes: ReadonlyMap<NodeId, boolean>, inDoubt: ReadonlySet<NodeId> = NOBODY): VoteResult {
    return quorumVoteInDoubt(this.conf, votes, inDoubt)
  }

  /** Whether they are enough to commit something without anybody else. */
  isQuorum (ids: ReadonlySet<NodeId>): boolean {
    return ids.size > 0 && quorumVote(this.conf, new Map([...ids].map((id) => [id, true]))) === 'won'
  }

  /** A tick of the leader's time. Returns whether a quorum, this node included, was heard of in the last `electionTicks`. */
  tickActivity (electionTicks: number): boolean {
    let silent = 0
    for (const peer of this.peers) {
      if (++peer.silentTicks < electionTicks) continue
      peer.recentlyActive = false
      silent++
    }
    return silent === 0 || this.tally(new Map([[this.#id, true], ...this.peers.map(({ id, silentTicks }) => [id, silentTicks < electionTicks] as const)])) === 'won'
  }
}
