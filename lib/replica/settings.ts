/** Everything in a replica that waits is bounded, and each bound is one of these. */
export interface ReplicaSettings {
  /** Time between two ticks of raft; none run in a group of one. */
  readonly tickMs: number
  /** Election time-outs are random in [electionTicks, 2 * electionTicks). */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  /** So many ticks pass at once while all is well and nothing is written: an idle node wakes less often. At most heartbeatTicks. */
  readonly restTicks: number
  /** When the process of a leader has ended, the first of the other voters campaigns at once, each next one so much later. */
  readonly successionStepMs: number
  /** Entries are sealed up to this size; a single larger proposal gets an entry of its own. */
  readonly maxEntryBytes: number
  /** Where more waits than this, it is sealed in pieces of about this size, so that the first is on its way early. */
  readonly sealBytes: number
  readonly maxProposalsPerEntry: number
  readonly slabBytes: number
  /** Proposals that are not settled yet, sealed or not; beyond it `submit` fails with MQ_BUSY. */
  readonly maxPendingProposals: number
  readonly maxPendingBytes: number
  /** Entries sealed and not yet applied; beyond it proposals wait unsealed. */
  readonly maxUndecidedEntries: number
  readonly maxUndecidedBytes: number
  /** How long a sealed proposal may stay undecided in a group of several before it fails with an unknown outcome. */
  readonly decisionTimeoutMs: number
  /** How long proposals and reads wait for a leader to be there. */
  readonly leaderTimeoutMs: number
  /** A read barrier that got no answer is asked for again after this time. */
  readonly readRetryMs: number
  /** Entries are applied in slices of about this size; between two slices everything else is served. */
  readonly applySliceBytes: number
  /** How long `close` waits for what is under way. */
  readonly closeTimeoutMs: number
  /** A peer below the head of the log gets a base dump that is at most this much behind. */
  readonly snapshotLagBytes: number
  /** A peer that was told to catch up is asked again after so many ticks where its log ends. */
  readonly snapshotRetryTicks: number
  readonly maxBytesPerAppend: number
  readonly maxInflightAppends: number
  readonly maxInflightBytes: number
}

const MIB = 1024 * 1024

export const defaultReplicaSettings: ReplicaSettings = {
  tickMs: 50,
  electionTicks: 8,
  heartbeatTicks: 2,
  restTicks: 1,
  successionStepMs: 100,
  maxEntryBytes: MIB,
  sealBytes: 256 * 1024,
  maxProposalsPerEntry: 65_536,
  slabBytes: MIB,
  maxPendingProposals: 100_000,
  maxPendingBytes: 64 * MIB,
  maxUndecidedEntries: 256,
  maxUndecidedBytes: 32 * MIB,
  decisionTimeoutMs: 10_000,
  leaderTimeoutMs: 5_000,
  readRetryMs: 500,
  applySliceBytes: 2 * MIB,
  closeTimeoutMs: 5_000,
  snapshotLagBytes: 128 * MIB,
  snapshotRetryTicks: 40,
  maxBytesPerAppend: MIB,
  maxInflightAppends: 256,
  maxInflightBytes: 32 * MIB
}
