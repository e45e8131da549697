import { MqError, invariant, type Clock, type Outcome } from '../base/index.ts'
import { ENTRY_HEADER_BYTES, MAX_ENTRY_BYTES } from '../log/index.ts'
import type { NodeId, RaftEntry } from '../raft/index.ts'
import type { LeaderTime } from './leader-time.ts'
import { PendingProposals } from './pending-proposals.ts'
import type { Proposal } from './ports.ts'
import type { Sealer } from './sealer.ts'
import type { ReplicaSettings } from './settings.ts'
import { settleRange, UndecidedBatches } from './undecided-batches.ts'

/** The end of raft's log, where the next entry goes, and the way to put it there. */
export interface ProposalTarget {
  readonly term: number
  readonly lastIndex: number
  readonly lastTerm: number
  readonly endPosition: number
  /** Not 0 while leadership is being transferred: proposals wait. */
  readonly transfereeId: NodeId
  propose (entry: RaftEntry): string
}

export interface PipelineOptions {
  readonly clock: Clock
  readonly settings: ReplicaSettings
  readonly sealer: Sealer
  readonly leaderTime: LeaderTime
  readonly target: ProposalTarget
  readonly appliedIndex: () => number
  /** Whether the disk has so much left above its reserve. */
  readonly hasRoomFor: (sizeBytes: number) => boolean
  /** An entry was put into raft. */
  readonly onSealed: () => void
  readonly onFailure: (error: unknown) => void
}

/** `leading`: decisions may be taken. `following`: another node leads. `waiting`: neither yet, or a transfer is under way. */
type Mode = 'leading' | 'following' | 'waiting'

/** How many and how much of what relieves may wait beyond the bounds, at least. */
const LEAST_RELIEF = 4096
const LEAST_RELIEF_BYTES = 4 * 1024 * 1024

/** What of an entry of the largest size is not body. */
const MAX_OVERHEAD_BYTES = ENTRY_HEADER_BYTES + 8 * 1024 + 64

/**
 * The way of a proposal: pending, decided and sealed into an entry, settled when that is applied. Everything submitted
 * in one turn of the loop is sealed in one run at its end.
 */
export class ProposalPipeline {
  readonly #options: PipelineOptions
  readonly #maxProposalBytes: number
  /** The bounds of what relieves: as much again as those of the rest. */
  readonly #reliefBounds: { readonly proposals: number, readonly bytes: number }
  readonly #pending = new PendingProposals()
  readonly #undecided = new UndecidedBatches()
  #mode: Mode = 'waiting'
  #leaderId: NodeId = 0
  #runScheduled = false
  #waitingSinceMs = 0
  /** Leadership has ended: from then on nobody waits for what becomes of what was sealed. */
  #giveUpAtMs = Infinity
  #refusal: (() => MqError) | undefined
  #onDrained: (() => void) | undefined

  constructor (options: PipelineOptions) {
    this.#options = options
    const { maxPendingProposals, maxPendingBytes } = options.settings
    this.#maxProposalBytes = Math.min(MAX_ENTRY_BYTES - MAX_OVERHEAD_BYTES, maxPendingBytes)
    this.#reliefBounds = { proposals: maxPendingProposals + Math.max(maxPendingProposals, LEAST_RELIEF), bytes: maxPendingBytes + Math.max(maxPendingBytes, LEAST_RELIEF_BYTES) }
  }

  get pendingCount (): number { return this.#pending.count }
  get undecidedCount (): number { return this.#undecided.count }
  get isEmpty (): boolean { return this.#pending.isEmpty && this.#undecided.isEmpty }
  /** The costs of all that is not settled. */
  get costBytes (): number { return this.#pending.costBytes + this.#undecided.costBytes }
  get undecidedEntries (): number { return this.#undecided.batchCount }

  submit (proposal: Proposal): void {
    const refusal = this.#refusalOf(proposal)
    if (refusal !== undefined) {
      proposal.fail(refusal)
      return
    }
    if (this.#pending.isEmpty) this.#waitingSinceMs = this.#options.clock.nowMs()
    this.#pending.push(proposal)
    if (!this.#runScheduled && this.#mode === 'leading') this.#scheduleRun()
  }

  #refusalOf ({ costBytes, relieves = false }: Proposal): MqError | undefined {
    if (this.#refusal !== undefined) return this.#refusal()
    if (this.#mode === 'following') return this.#notLeader()
    const { settings: { maxPendingProposals, maxPendingBytes }, hasRoomFor } = this.#options
    const count = this.#pending.count + this.#undecided.count
    const bytes = costBytes + this.#pending.costBytes + this.#undecided.costBytes
    if (relieves) {
      const bounds = this.#reliefBounds
      return count >= bounds.proposals ? busy('maxPendingProposals', maxPendingProposals) : bytes > bounds.bytes ? busy('maxPendingBytes', maxPendingBytes) : undefined
    }
    if (costBytes > this.#maxProposalBytes) return this.#tooLarge(costBytes)
    if (count >= maxPendingProposals) return busy('maxPendingProposals', maxPendingProposals)
    if (bytes > maxPendingBytes) return busy('maxPendingBytes', maxPendingBytes)
    return hasRoomFor(bytes) ? undefined : new MqError('MQ_DISK_ROOM', 'free disk space is down to the reserve (reserveBytes): nothing more is taken until there is room')
  }

  /** This node leads and has applied its no-op. */
  lead (): void {
    this.#mode = 'leading'
    this.#giveUpAtMs = Infinity
    this.wake()
  }

  /**
   * This node leads no more. What was sealed may have been decided, and this node hears of it where it hears of the next leader:
   * what it has not heard of after `graceMs` is answered as unknown. Of who has lost its majority nobody hears soon: 0.
   */
  leadershipEnded (graceMs: number): void {
    this.#giveUpAtMs = this.#options.clock.nowMs() + graceMs
    this.#giveUp()
  }

  /** Somebody else leads: what was not sealed is handed back. */
  follow (leaderId: NodeId): void {
    this.#mode = 'following'
    this.#leaderId = leaderId
    this.#pending.failAll(this.#notLeader())
  }

  /** No decisions for now; what is submitted waits. */
  wait (): void {
    if (this.#mode === 'waiting') return
    this.#mode = 'waiting'
    this.#waitingSinceMs = this.#options.clock.nowMs()
  }

  /** Registers something that was proposed besides: it is settled with the entry `index` of this term. */
  track (proposal: Proposal, index: number): void {
    this.#undecided.add({ index, term: this.#options.target.term, proposals: [proposal], from: 0, to: 1, costBytes: proposal.costBytes, sealedAtMs: this.#options.clock.nowMs() })
  }

  entryApplied (index: number, term: number): void {
    this.#undecided.entryApplied(index, term)
  }

  /** Goes on with what waited for room, once there is some. */
  wake (): void {
    if (this.#onDrained !== undefined && this.isEmpty) this.#onDrained()
    if (!this.#runScheduled && !this.#pending.isEmpty && this.#maySeal) this.#scheduleRun()
  }

  /** Gives up what has waited too long: for a decision, or for a leader. */
  tick (): void {
    const { clock, settings, target } = this.#options
    const nowMs = clock.nowMs()
    const leadingTerm = this.#mode === 'leading' ? target.term : -1
    this.#undecided.failSealedBefore(nowMs - settings.decisionTimeoutMs, (term) => term === leadingTerm
      ? new MqError('MQ_TIMEOUT', `no majority has confirmed the write within ${settings.decisionTimeoutMs} ms (decisionTimeoutMs)`)
      : leadershipLost())
    this.#giveUp()
    if (this.#mode === 'waiting' && !this.#pending.isEmpty && nowMs - this.#waitingSinceMs >= settings.leaderTimeoutMs) {
      this.#pending.failAll(new MqError('MQ_UNAVAILABLE', `the group had no leader for ${settings.leaderTimeoutMs} ms (leaderTimeoutMs)`))
    }
  }

  #giveUp (): void {
    if (this.#options.clock.nowMs() >= this.#giveUpAtMs) this.#undecided.failSealedBefore(Infinity, leadershipLost)
  }

  /** From now on `submit` fails. Resolves once everything submitted before is decided. */
  drain (refusal: () => MqError): Promise<void> {
    this.#refusal = refusal
    if (this.#mode !== 'leading') this.#pending.failAll(refusal())
    return new Promise((resolve) => {
      this.#onDrained = resolve
      this.wake()
    })
  }

  /** Fails everything, now and later. What was sealed may yet be applied: here, or by others after this node is gone. */
  stop (errorOf: (outcome: Outcome) => MqError): void {
    this.#mode = 'waiting'
    this.#refusal = () => errorOf('not-applied')
    this.#undecided.failSealedBefore(Infinity, () => errorOf('unknown'))
    this.#pending.failAll(errorOf('not-applied'))
    this.#onDrained?.()
  }

  get #maySeal (): boolean {
    const { settings: { maxUndecidedEntries, maxUndecidedBytes }, target } = this.#options
    return this.#mode === 'leading' && target.transfereeId === 0 &&
      this.#undecided.batchCount < maxUndecidedEntries && this.#undecided.costBytes < maxUndecidedBytes
  }

  #scheduleRun (): void {
    this.#runScheduled = true
    this.#options.clock.defer(() => {
      this.#runScheduled = false
      if (this.#pending.isEmpty || !this.#maySeal) return
      try {
        // One entry in a turn of the loop: while the disk writes it the next is sealed, and what the disk finishes is settled in between.
        this.#sealNext()
        this.#options.onSealed()
        if (!this.#runScheduled && !this.#pending.isEmpty && this.#maySeal) this.#scheduleRun()
      } catch (error) {
        this.#options.onFailure(error)
      }
    })
  }

  #sealNext (): void {
    const { sealer, target, leaderTime, clock, appliedIndex } = this.#options
    const pending = this.#pending
    const { proposals, from } = pending
    const { term } = target
    const place = { index: target.lastIndex + 1, term, prevTerm: target.lastTerm, physicalOffset: target.endPosition }
    const entry = sealer.seal(proposals, from, proposals.length, pending.costBytes, place, leaderTime.stampMs())
    const { sealedCount, sealedCostBytes } = sealer
    const to = from + sealedCount
    if (entry !== undefined) {
      const answer = target.propose(entry)
      invariant(answer === 'accepted', `a leader with room refused its own entry: ${answer}`)
    }
    pending.removeFirst(sealedCount, sealedCostBytes)
    const index = entry === undefined ? place.index - 1 : entry.index
    if (index <= appliedIndex()) {
      // Nothing was written, and all that the decisions looked at is applied.
      settleRange(proposals, from, to)
    } else {
      this.#undecided.add({ index, term, proposals, from, to, costBytes: sealedCostBytes, sealedAtMs: clock.nowMs() })
    }
  }

  #notLeader (): MqError {
    return new MqError('MQ_NOT_LEADER', `node ${this.#leaderId} leads the group`, { leaderId: this.#leaderId })
  }

  #tooLarge (costBytes: number): MqError {
    return new MqError('MQ_MESSAGE_TOO_LARGE', `a request of ${costBytes} bytes exceeds ${this.#maxProposalBytes}`, { limitBytes: this.#maxProposalBytes })
  }
}

function leadershipLost (): MqError {
  return new MqError('MQ_LEADERSHIP_LOST', 'leadership changed before the write was decided: it may have taken effect or not')
}

function busy (setting: string, bound: number): MqError {
  return new MqError('MQ_BUSY', `${setting} (${bound}) is reached; wait for earlier requests`, { setting, bound })
}
