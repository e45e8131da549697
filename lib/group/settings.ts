export interface GroupSettings {
  /** How often an empty node asks the others, and a node that wants to join the leader. */
  readonly askIntervalMs: number
  readonly askTimeoutMs: number
  /** While the group does not form or cannot be joined, the reason is logged so often. */
  readonly remindIntervalMs: number
  /** A member that hears of no leader for so long asks the others whether it is still one. */
  readonly leaderSilenceMs: number
  /** A node without links that was not heard of for so long may be replaced by another one of its number. */
  readonly deadAfterMs: number
  /** A learner that lacks no more entries than this becomes a voter. */
  readonly promotionLagEntries: number
  /** How often a leader looks whether another node should lead. */
  readonly watchIntervalMs: number
  /** A leader whose flush takes so long, or whose disk is full for so long, hands over to a node that does better. */
  readonly diskStallTimeoutMs: number
  /** After a hand-over that did not come about, none is tried for so long; nor to a node whose disk was full a moment ago. */
  readonly handOverPauseMs: number
}

export const defaultGroupSettings: GroupSettings = {
  askIntervalMs: 200,
  askTimeoutMs: 1_000,
  remindIntervalMs: 10_000,
  leaderSilenceMs: 5_000,
  deadAfterMs: 1_000,
  promotionLagEntries: 64,
  watchIntervalMs: 500,
  diskStallTimeoutMs: 3_000,
  handOverPauseMs: 10_000
}
