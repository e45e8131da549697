import type { Clock, Random, Timer } from '../base/index.ts'
import { allVoters, type Raft } from '../raft/index.ts'

export interface SuccessionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly raft: Raft
  readonly stepMs: number
  readonly onCampaign: () => void
}

/**
 * Who asks for votes when the leader's process has ended: the voters one after the other by their ids, so that two do not
 * take each other's votes, and so that each has noticed by itself before it is asked.
 */
export class Succession {
  readonly #options: SuccessionOptions
  #timer: Timer | undefined

  constructor (options: SuccessionOptions) {
    this.#options = options
  }

  /** A node was reported as gone, perhaps the leader. */
  begin (): void {
    const { clock, random, raft, stepMs, onCampaign } = this.#options
    const { id, term, leaderId, confState } = raft
    if (!raft.isLeaderGone) return
    const rank = allVoters(confState).filter((voter) => voter !== leaderId).indexOf(id)
    if (rank === -1) return
    this.#timer?.cancel()
    this.#timer = clock.setTimer(stepMs * (rank + (1 + random.next()) / 8), () => {
      this.#timer = undefined
      // it was heard of again, or another one leads
      if (raft.term === term && raft.isLeaderGone && raft.campaign()) onCampaign()
    })
  }

  stop (): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
