import { join } from 'node:path'
import { MqError, invariant, isMqError, unreachable, type Logger, type Outcome } from '../base/index.ts'
import { DOUBT_FILE, DoubtFile, RaftLog, seedOfGroup, type FlushMode, type VoteFile } from '../log/index.ts'
import { EntryKind, Raft, type CatchUpCall, type ConfChange, type ConfProposalResult, type ConfState, type EntryLoad, type Leadership as RaftLeadership, type NodeId, type RaftEntry, type RaftMessage, type Ready } from '../raft/index.ts'
import { Applier } from './applier.ts'
import { Checkpoints } from './checkpoints.ts'
import { configOf, confStateOfVoters, decodeConfChange } from './conf-codec.ts'
import { DATA_FORMAT_VERSION } from './data-format.ts'
import { asMqError } from './failures.ts'
import { FlushControl } from './flush-control.ts'
import { HandOver, bestSuccessor, farewells } from './hand-over.ts'
import type { Identity } from './identity.ts'
import { finishInstall } from './install.ts'
import { Leadership } from './leadership.ts'
import { LeaderTime } from './leader-time.ts'
import { Persistence } from './persistence.ts'
import type { LeadershipEvent, LinkEvent, Proposal, StateMachine, Transport } from './ports.ts'
import { ProposalPipeline } from './proposal-pipeline.ts'
import { ReadBarriers } from './read-barriers.ts'
import { defectOfEntries } from './received-entries.ts'
import type { ReplicaLoad, ReplicaOptions, ReplicaState, ReplicaStatus } from './replica-options.ts'
import { Sealer } from './sealer.ts'
import { defaultReplicaSettings, type ReplicaSettings } from './settings.ts'
import { LogWithSnapshots } from './snapshots.ts'
import { assertFit, indexesOfConfigs, openStorage, replaceable } from './storage.ts'
import { Succession } from './succession.ts'
import { Ticker } from './ticker.ts'
import { upgradeDirectory } from './upgrade.ts'

interface Parts {
  readonly options: ReplicaOptions
  readonly settings: ReplicaSettings
  readonly identity: Identity
  readonly voteFile: VoteFile
  readonly doubtFile: DoubtFile
  readonly log: RaftLog
  readonly stateMachine: StateMachine
  readonly unappliedConfigs: readonly number[]
}

const MAX_DROPPED_KINDS = 1000

/**
 * One member of a raft group: runs raft over the log, the state machine and the peers. All it does is a reaction to a
 * message, a tick, a proposal or a finished flush; each of them ends in `#pump`, which carries out what raft asks for.
 */
export class Replica {
  readonly identity: Identity
  readonly log: RaftLog
  readonly stateMachine: StateMachine
  readonly #options: ReplicaOptions
  readonly #settings: ReplicaSettings
  readonly #voteFile: VoteFile
  readonly #groupSeed: bigint
  readonly #sealer: Sealer
  readonly #raft: Raft
  readonly #persistence: Persistence
  readonly #flush: FlushControl
  readonly #applier: Applier
  readonly #checkpoints: Checkpoints
  readonly #pipeline: ProposalPipeline
  readonly #reads: ReadBarriers
  readonly #leadership = new Leadership()
  readonly #handOver: HandOver
  readonly #ticker: Ticker
  readonly #succession: Succession
  readonly #droppedKinds = new Set<string>()
  #writtenAtTick = 0
  /** When this node last heard of its leader. */
  #heardAtMs = 0
  readonly #failureListeners = new Set<(error: MqError) => void>()
  readonly #membershipListeners = new Set<(confState: ConfState) => void>()
  #transport: Transport | undefined
  readonly #replyListeners = new Set<(from: NodeId) => void>()
  readonly #catchUpListeners = new Set<(call: CatchUpCall) => void>()
  #state: ReplicaState = 'open'
  #failure: MqError | undefined
  #closing: Promise<void> | undefined
  #pumping = false
  /** The term in which the state machine takes decisions; 0: it does not. */
  #leadingTerm = 0
  #configurationChanged = true
  /** Messages to peers refer to entries' bytes, so their memory is not used again. */
  #hadPeers = false

  /**
   * Recovers what the directory holds and joins in. A group of one leads as soon as it has applied its log; proposals
   * made before wait for that.
   */
  static async open (options: ReplicaOptions): Promise<Replica> {
    const { clock, disk, logger, directory, openStateMachine, logSettings = {}, formatVersion = DATA_FORMAT_VERSION } = options
    const settings = { ...defaultReplicaSettings, ...options.settings }
    if (await finishInstall(disk, directory)) logger.warn(`${directory}: log and state that another node has sent were put in place`)
    await upgradeDirectory({ disk, directory, logger, formatVersion })
    const { identity, voteFile } = await openStorage({ ...options, formatVersion, founding: options.founding ?? { founders: [options.nodeId] } })
    let replica: Replica | undefined
    const doubtFile = await DoubtFile.open(disk, join(directory, DOUBT_FILE), logger).catch(async (error: unknown) => {
      await voteFile.close()
      throw error
    })
    const log = await RaftLog.open({
      ...logSettings,
      flush: { ...logSettings.flush, mode: 'sync' },
      disk,
      clock,
      logger,
      directory: join(directory, 'log'),
      groupId: identity.groupId,
      decodeConfig: decodeConfChange,
      raiseTerm: async (term) => { if (term > voteFile.hardState.term) await voteFile.save({ term, vote: 0 }) },
      onPersisted: (point) => { if (replica !== undefined) replica.#entriesPersisted(point) },
      isMoreComing: () => replica !== undefined && replica.#pipeline.pendingCount > 0,
      onMemoryFree: (memory) => { if (replica !== undefined && !replica.#hadPeers) replica.#sealer.giveBack(memory) },
      onFailure: (error) => { if (replica !== undefined) replica.#fail(error) }
    }).catch(async (error: unknown) => {
      await voteFile.close()
      await doubtFile.close()
      throw replaceable(error)
    })
    let stateMachine: StateMachine | undefined
    try {
      stateMachine = await openStateMachine({ log, identity, noteLostEntries: () => noteLostEntries(doubtFile, log, logger) }).catch((error: unknown) => { throw replaceable(error) })
      assertFit(log, stateMachine, voteFile)
      const unappliedConfigs = await indexesOfConfigs(log, stateMachine.appliedIndex, { hasOthers: logSettings.refetch !== undefined }).catch((error: unknown) => { throw replaceable(error) })
      replica = new Replica({ options, settings, identity, voteFile, doubtFile, log, stateMachine, unappliedConfigs })
    } catch (error) {
      await stateMachine?.close()
      await log.close()
      await voteFile.close()
      await doubtFile.close()
      throw error
    }
    replica.#start()
    return replica
  }

  private constructor ({ options, settings, identity, voteFile, doubtFile, log, stateMachine, unappliedConfigs }: Parts) {
    const { clock, random, logger } = options
    const fail = (error: unknown) => { this.#fail(error) }
    this.#options = options
    this.#transport = options.transport
    this.#settings = settings
    this.identity = identity
    this.log = log
    this.stateMachine = stateMachine
    this.#voteFile = voteFile
    this.#groupSeed = seedOfGroup(identity.groupId)
    const sealer = this.#sealer = new Sealer(this.#groupSeed, settings)
    const leaderTime = new LeaderTime(clock)
    if (stateMachine.confState.voters.length === 0 && stateMachine.appliedIndex === 0) stateMachine.setConfState(confStateOfVoters(identity.founders))
    const raft = this.#raft = new Raft({
      id: options.nodeId,
      electionTicks: settings.electionTicks,
      heartbeatTicks: settings.heartbeatTicks,
      preVote: true,
      checkQuorum: true,
      maxBytesPerAppend: settings.maxBytesPerAppend,
      maxInflightAppends: settings.maxInflightAppends,
      maxInflightBytes: settings.maxInflightBytes,
      // What a leader has under way is bounded where it is sealed.
      maxUncommittedBytes: Infinity,
      random,
      log: new LogWithSnapshots({ log, stateMachine, maxLagBytes: settings.snapshotLagBytes, demandBaseDump: () => { this.demandBaseDump() } }),
      hardState: voteFile.hardState,
      confState: stateMachine.confState,
      appliedIndex: stateMachine.appliedIndex,
      doubt: doubtFile.doubt,
      unappliedConfigs,
      catchUp: { retryTicks: settings.snapshotRetryTicks },
      makeEntry: ({ kind, config, ...place }) => sealer.makeEntry(kind, place, leaderTime.stampMs(), config)
    })
    this.#persistence = new Persistence({
      log,
      saveHardState: (hardState) => voteFile.save(hardState),
      onHardStatePersisted: (hardState) => {
        raft.hardStatePersisted(hardState)
        this.#pump()
      },
      send: (messages) => { this.#send(messages) },
      onCatchUp: (call) => { for (const listener of this.#catchUpListeners) listener(call) },
      onFailure: fail
    }, voteFile.hardState)
    this.#flush = new FlushControl({
      disk: options.disk,
      logger,
      log,
      doubtFile,
      raft,
      onChanged: () => { this.#pump() },
      onFailure: fail
    })
    this.#applier = new Applier({
      clock,
      log,
      appliedIndex: stateMachine.appliedIndex,
      sliceBytes: settings.applySliceBytes,
      apply: (entry) => { this.#apply(entry) },
      onSlice: () => { this.#sliceApplied() },
      onFailure: fail
    })
    this.#checkpoints = new Checkpoints({
      log,
      stateMachine,
      logger,
      pauseApply: () => { this.#applier.pause() },
      resumeApply: () => { this.#applier.resume() },
      onFailure: fail
    })
    this.#pipeline = new ProposalPipeline({
      clock,
      settings,
      sealer,
      leaderTime,
      target: raft,
      appliedIndex: () => this.#applier.appliedIndex,
      hasRoomFor: (sizeBytes) => log.hasRoomFor(sizeBytes),
      onSealed: () => { this.#pump() },
      onFailure: fail
    })
    this.#reads = new ReadBarriers(clock, random, (context) => {
      raft.readIndex(context)
      this.#pump()
    })
    this.#handOver = new HandOver(raft, 4 * settings.electionTicks)
    this.#ticker = new Ticker(clock, settings.tickMs, (ticks, sinceLastMs) => this.#tick(ticks, sinceLastMs))
    this.#succession = new Succession({ clock, random, raft, stepMs: settings.successionStepMs, onCampaign: () => { this.#pump() } })
  }

  get nodeId (): NodeId { return this.identity.nodeId }
  /** How long applying has been waiting for the disk, ms. */
  get applyReadMs (): number { return this.#applier.readingMs }
  /** Who leads, as this node knows; `isLeader`: it takes decisions itself. */
  get role (): LeadershipEvent { return this.#leadership.event }

  /** Hands a proposal over. Its outcome comes through `settle` or `fail`, at once when it cannot be taken. */
  submit (proposal: Proposal): void {
    this.#pipeline.submit(proposal)
  }

  /** Resolves once everything is applied here that was committed anywhere in the group when it was called. */
  readBarrier (): Promise<void> {
    return this.#state === 'open' ? this.#reads.wait() : Promise.reject(this.#refusal())
  }

  /** Resolves once this node leads and takes decisions. */
  whenLeader (): Promise<void> {
    return this.#state === 'open' ? this.#leadership.whenLeader() : Promise.reject(this.#refusal())
  }

  /** Tells the present state at once and every change after it; returns the function that ends it. */
  onLeadership (listener: (event: LeadershipEvent) => void): () => void {
    return this.#leadership.listen(listener)
  }

  /** Tells the configuration in force at once, and every later one right after it is applied; returns the function that ends it. */
  onMembership (listener: (confState: ConfState) => void): () => void {
    this.#membershipListeners.add(listener)
    listener(this.stateMachine.confState)
    return () => { this.#membershipListeners.delete(listener) }
  }

  /**
   * Whether entries count when they are on disk, or when they are written: all members are to be in the mode that the
   * group has agreed on. What one counts that is in the other meanwhile is decided by the leader. Resolves when it is in
   * force here; with `sync`, when all that counted is on disk here.
   */
  setFlushMode (mode: FlushMode): Promise<void> {
    return this.#isStopped ? Promise.reject(this.#refusal()) : this.#flush.switchTo(mode)
  }

  /** Gives a group of one that was opened without it the way to others, before there are any. */
  connect (transport: Transport): void {
    invariant(this.#transport === undefined, 'this node has a transport')
    if (this.#isStopped) return
    this.#transport = transport
    this.#startTransport()
  }

  /** Tells of each answer of another node to what this one sent as the leader: `status` says how far that one is. The listener may not throw. */
  onReply (listener: (from: NodeId) => void): () => void {
    this.#replyListeners.add(listener)
    return () => { this.#replyListeners.delete(listener) }
  }

  /** Tells of the failure that stopped this node, once; at once when it has happened. */
  onFailure (listener: (error: MqError) => void): () => void {
    if (this.#failure !== undefined) listener(this.#failure)
    else this.#failureListeners.add(listener)
    return () => { this.#failureListeners.delete(listener) }
  }

  /**
   * Called each time the leader says that what this node needs next is gone from its log, term and vote being durable:
   * fetch what is at `call.snapshot.index` or later from `call.from`, close this replica, install it (see install.ts), and
   * open a new one. Comes again after a while for as long as it holds. Returns the function that ends it.
   */
  onCatchUpNeeded (listener: (call: CatchUpCall) => void): () => void {
    this.#catchUpListeners.add(listener)
    return () => { this.#catchUpListeners.delete(listener) }
  }

  /** A base dump of a state not older than now is written soon, for somebody who wants to catch up. */
  demandBaseDump (): void { if (!this.#isStopped) this.#checkpoints.demandBaseDump() }

  /**
   * Changes voters or learners; resolves with the configuration in force once the change is applied (joint, when the
   * change is left later) and stored here: from then on the others know it from this node. One at a time.
   */
  async changeMembership (change: ConfChange): Promise<ConfState> {
    if (this.#state !== 'open') throw this.#refusal()
    const answer = this.#raft.proposeConfChange(change)
    if (answer !== 'accepted') throw this.#refusalOfChange(change, answer)
    await new Promise<void>((resolve, reject) => {
      this.#pipeline.track({ costBytes: 0, decide () {}, settle: resolve, fail: reject }, this.#raft.lastIndex)
      this.#pump()
    })
    await this.#checkpoints.demanded()
    return this.stateMachine.confState
  }

  /** Hands leadership over; proposals wait meanwhile. Resolves when the other node leads, rejects when it does not within an election time-out. */
  async transferLeadership (to: NodeId): Promise<void> {
    if (this.#state !== 'open') throw this.#refusal()
    const handedOver = this.#handOver.to(to)
    this.#pump()
    await handedOver
  }

  /**
   * Ceases to lead at once, and tells a voter to look for votes, though it may lack what is not committed yet. False: it stays as it is,
   * for that one would not be elected, or leadership is being transferred, or this node does not lead.
   */
  leaveTo (successor: NodeId): boolean {
    if (this.#state !== 'open' || !this.#raft.leaveTo(successor)) return false
    this.#pump()
    return true
  }

  status (): ReplicaStatus {
    const { role, term, leaderId, transfereeId, lastIndex, commitIndex } = this.#raft
    return {
      state: this.#state,
      nodeId: this.nodeId,
      role,
      term,
      leaderId,
      transfereeId,
      isLeading: this.#leadingTerm !== 0,
      lastIndex,
      durableIndex: this.log.durableIndex,
      commitIndex,
      appliedIndex: this.#applier.appliedIndex,
      flushMode: this.log.flushMode,
      inDoubt: this.#raft.isInDoubt,
      pendingProposals: this.#pipeline.pendingCount,
      undecidedProposals: this.#pipeline.undecidedCount,
      confState: this.stateMachine.confState,
      peers: this.#raft.status().peers
    }
  }

  /** How much waits here; cheap. */
  load (): ReplicaLoad {
    const pipeline = this.#pipeline
    return { proposals: pipeline.pendingCount + pipeline.undecidedCount, proposalBytes: pipeline.costBytes, undecidedEntries: pipeline.undecidedEntries }
  }

  /**
   * Finishes what is under way (up to closeTimeoutMs), hands leadership over where there is somebody to take it, writes
   * a checkpoint and closes everything. After a failure it only lets go of files.
   */
  close (): Promise<void> {
    this.#closing ??= this.#state === 'failed' ? this.#letGo() : this.#finish()
    return this.#closing
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.close() }

  #start (): void {
    this.#startTransport()
    if (this.log.failure !== undefined) this.#fail(this.log.failure)
    if (this.#isStopped) return
    if (this.#options.logSettings?.flush?.mode === 'async') this.#flush.switchTo('async')
    this.#followConfiguration()
    this.#pump()
  }

  /** Alone, this node needs no ticks and no time-out: it campaigns at once and has a majority. */
  #followConfiguration (): void {
    this.#configurationChanged = false
    const { voters, votersOutgoing, learners, learnersNext } = this.stateMachine.confState
    const isAlone = voters.length === 1 && voters[0] === this.nodeId && votersOutgoing.length + learners.length + learnersNext.length === 0
    if (!isAlone) this.#hadPeers = true
    // With peers the loop is needed while the disk is at work.
    this.log.mayFlushInline = isAlone
    this.#ticker.run(!isAlone)
    if (isAlone && this.#raft.role !== 'leader') this.#raft.campaign()
    for (const listener of this.#membershipListeners) listener(this.stateMachine.confState)
  }

  #startTransport (): void {
    this.#transport?.start((message) => { this.#receive(message) }, (nodeId, event) => { this.#linkChanged(nodeId, event) })
  }

  #linkChanged (nodeId: NodeId, event: LinkEvent): void {
    if (this.#isStopped) return
    switch (event) {
      case 'broken':
        this.#raft.reportUnreachable(nodeId)
        break
      case 'cut':
        this.#raft.reportCut(nodeId)
        break
      case 'gone':
        this.#raft.reportGone(nodeId)
        this.#succession.begin()
        break
      case 'back':
        this.#raft.reportBack(nodeId)
        break
      default:
        unreachable(event)
    }
    this.#pump()
  }

  #receive (message: RaftMessage): void {
    if (this.#isStopped) return
    if (message.type === 'appendEntries' && message.entries.length > 0) {
      const defect = defectOfEntries(message.entries, this.#groupSeed)
      if (defect !== undefined) {
        this.#dropped(message, defect)
        return
      }
    }
    try {
      const defect = this.#raft.step(message)
      if (defect !== undefined) this.#dropped(message, defect)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#raft.hasHeardOfLeader) this.#heardAtMs = this.#options.clock.nowMs()
    this.#pump()
    if (message.type === 'appendEntriesReply' || message.type === 'heartbeatReply') for (const listener of this.#replyListeners) listener(message.from)
  }

  /** Said once of each node and kind of message: one that is faulty may send the same again and again. */
  #dropped ({ from, type }: RaftMessage, defect: string): void {
    const kind = `${from} ${type}`
    if (this.#droppedKinds.has(kind) || this.#droppedKinds.size >= MAX_DROPPED_KINDS) return
    this.#droppedKinds.add(kind)
    this.#options.logger.error(`dropped ${type} from node ${from}, and will without a word from now on: ${defect}`, { from, type })
  }

  /** Returns how many ticks may pass until the next look. */
  #tick (ticks: number, sinceLastMs: number): number {
    if (this.#isStopped) return 1
    const { readRetryMs, leaderTimeoutMs, tickMs, electionTicks, restTicks } = this.#settings
    // A loop that stood still this long may have been replaced: it must not serve one read more as the leader.
    if (sinceLastMs > tickMs * electionTicks) this.#raft.stepDown()
    const hasHeard = this.#raft.hasHeardOfLeader
    // to a follower that has heard of its leader, no more has passed than since then
    const passed = hasHeard ? Math.min(ticks, Math.floor((this.#options.clock.nowMs() - this.#heardAtMs) / tickMs)) : ticks
    for (let tick = 0; tick < passed; tick++) this.#raft.tick()
    this.#pump()
    this.#pipeline.tick()
    this.#reads.tick(readRetryMs, leaderTimeoutMs)
    this.#handOver.tick()
    const isBusy = this.log.writtenIndex !== this.#writtenAtTick
    this.#writtenAtTick = this.log.writtenIndex
    if (isBusy) return 1
    if (this.#raft.role === 'leader') return restTicks
    // nor is a time-out slept over
    return hasHeard ? Math.max(1, Math.min(restTicks, electionTicks - passed)) : 1
  }

  /** Carries out what raft asks for until it asks for nothing more. */
  #pump (): void {
    if (this.#pumping || this.#isStopped) return
    this.#pumping = true
    try {
      while (!this.#isStopped && this.#raft.hasReady()) this.#carryOut(this.#raft.ready())
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#pumping = false
    }
    if (this.#isStopped) return
    this.#flush.maybeEndDoubt()
    this.#pipeline.wake()
    this.#checkpoints.maybeStart()
  }

  #carryOut (ready: Ready): void {
    // Before anything is applied: from here on the decisions of an ended term are void.
    if (ready.leadership !== undefined) this.#leadershipChanged(ready.leadership)
    // Before the local write: the peers' flushes run beside our own.
    if (ready.messages.length > 0) this.#send(ready.messages)
    invariant(ready.snapshot === undefined, 'a snapshot is not installed under a running replica')
    this.#persistence.accept(ready)
    if (this.log.flushMode === 'async') this.#syncConfigs(ready.entries)
    for (const { context, index } of ready.readStates) this.#reads.answered(context, index, this.#applier.appliedIndex)
    if (ready.committedTo !== undefined) this.#applier.commitTo(ready.committedTo)
    for (const load of ready.loads) this.#load(load)
  }

  #send (messages: readonly RaftMessage[]): void {
    this.#transport?.send(this.log.flushMode === 'sync' ? messages : messages.map((message) => this.#flush.honest(message)))
  }

  #syncConfigs (entries: readonly RaftEntry[]): void {
    const last = entries.findLast(({ kind }) => kind === EntryKind.config)
    if (last !== undefined) this.#flush.syncSoon(last.index)
  }

  #load ({ peer, from, maxBytes }: EntryLoad): void {
    this.log.readEntries({ from, to: this.log.lastIndex + 1, maxBytes }).then((entries) => {
      if (this.#isStopped) return
      this.#raft.entriesLoaded(peer, entries)
      this.#pump()
    }).catch((error) => {
      if (!isMqError(error, 'MQ_INVALID_ARGUMENT') && !isMqError(error, 'MQ_MESSAGE_NOT_FOUND')) {
        this.#fail(error)
        return
      }
      // Cut or removed since raft asked, or while it was read: raft asks again for what there is now.
      if (this.#isStopped) return
      this.#raft.entriesLoaded(peer)
      this.#pump()
    })
  }

  #entriesPersisted ({ index, term }: { readonly index: number, readonly term: number }): void {
    if (this.#isStopped) return
    this.#raft.persisted({ index, term })
    this.#persistence.entriesPersisted(index)
    if (this.log.flushMode === 'async') this.#raft.synced()
    this.#pump()
  }

  #apply (entry: RaftEntry): void {
    this.stateMachine.apply(entry)
    if (entry.kind === EntryKind.config) {
      this.stateMachine.setConfState(this.#raft.applyConfChange(configOf(entry)))
      this.#configurationChanged = true
      // How far the log is committed is not stored with it. A group that has shrunk and forgets so in a restart would
      // ask those that are gone for their votes.
      this.#checkpoints.demand()
    } else if (entry.kind === EntryKind.noop && entry.term === this.#raft.term && this.#raft.role === 'leader') {
      this.#startLeading()
    }
    this.#pipeline.entryApplied(entry.index, entry.term)
  }

  #sliceApplied (): void {
    const { appliedIndex } = this.#applier
    this.#raft.applied(appliedIndex)
    if (this.#configurationChanged) this.#followConfiguration()
    this.#reads.appliedTo(appliedIndex)
    this.#pump()
  }

  /** All entries of older terms are applied, and so is the no-op that begins this one. */
  #startLeading (): void {
    const { term } = this.#raft
    this.#leadingTerm = term
    this.stateMachine.startLeading(term)
    this.#options.logger.info(`node ${this.nodeId} leads term ${term}`, { nodeId: this.nodeId, term })
    if (this.#raft.mayHaveLost) this.#options.logger.warn(`node ${this.nodeId} leads term ${term} with the longest log that is left: most nodes may have lost the end of what they had confirmed, with their power (flushDiskType ASYNC_FLUSH) or with a damaged log, so the last messages confirmed may be lost`, { nodeId: this.nodeId, term, logIndex: this.#raft.lastIndex })
    this.#leadership.set(true, this.nodeId, term)
    this.#pipeline.lead()
  }

  #leadershipChanged ({ role, term, leaderId }: RaftLeadership): void {
    const ledTerm = this.#leadingTerm
    if (ledTerm !== 0 && (role !== 'leader' || term !== ledTerm)) {
      this.#leadingTerm = 0
      this.stateMachine.stopLeading()
    }
    if (this.#leadingTerm === 0) {
      if (leaderId !== 0 && leaderId !== this.nodeId) this.#pipeline.follow(leaderId)
      else this.#pipeline.wait()
    }
    this.#leadership.set(this.#leadingTerm !== 0, leaderId, term)
    this.#handOver.leaderChanged(leaderId)
    // Last: whoever asks again is told who leads. Nobody has deposed who steps down within its term: it hears of no majority.
    if (ledTerm !== 0 && this.#leadingTerm === 0) this.#pipeline.leadershipEnded(term === ledTerm ? 0 : this.#settings.tickMs * this.#settings.electionTicks)
  }

  #refusalOfChange (change: ConfChange, answer: Exclude<ConfProposalResult, 'accepted'>): MqError {
    const { leaderId } = this.#raft
    switch (answer) {
      case 'not-leader': return new MqError('MQ_NOT_LEADER', `node ${leaderId} leads the group`, { leaderId })
      case 'transferring': return new MqError('MQ_BUSY', 'leadership is being transferred')
      case 'refused': {
        const defect = this.#raft.checkConfChange(change)
        return defect === undefined
          ? new MqError('MQ_BUSY', 'an earlier change of the configuration is not finished')
          : new MqError('MQ_INVALID_ARGUMENT', defect)
      }
      default: return unreachable(answer)
    }
  }

  get #isStopped (): boolean { return this.#state === 'failed' || this.#state === 'closed' }

  #refusal (outcome: Outcome = 'not-applied'): MqError {
    if (this.#failure === undefined) return new MqError('MQ_CLOSED', 'the replica is closed', { outcome })
    const { code, message } = this.#failure
    return new MqError(code, message, { outcome, retryable: false, cause: this.#failure })
  }

  /** Fail-stop: from here on nothing is acknowledged, nothing is written, and every call fails with the cause. */
  #fail (cause: unknown): void {
    if (this.#isStopped) return
    const failure = this.#failure = asMqError(cause)
    this.#state = 'failed'
    this.#options.logger.error(`node ${this.nodeId} stopped: ${failure.message}`, { nodeId: this.nodeId, code: failure.code, cause })
    this.#send(farewells(this.#raft))
    this.#stop()
    for (const listener of this.#failureListeners) listener(failure)
    this.#failureListeners.clear()
  }

  #stop (): void {
    this.#ticker.run(false)
    this.#succession.stop()
    this.#applier.stop()
    this.#persistence.stop()
    this.#leadingTerm = 0
    this.#pipeline.stop((outcome) => this.#refusal(outcome))
    this.#reads.failAll(this.#refusal())
    this.#handOver.fail(this.#refusal())
    this.#leadership.set(false, 0, this.#raft.term)
    this.#leadership.end(this.#refusal())
  }

  async #finish (): Promise<void> {
    this.#state = 'closing'
    const { closeTimeoutMs, tickMs, electionTicks } = this.#settings
    await this.#within(closeTimeoutMs, this.#pipeline.drain(() => this.#refusal()))
    const successor = this.#leadingTerm === 0 ? undefined : bestSuccessor(this.#raft)
    if (successor !== undefined) {
      const handedOver = this.#handOver.to(successor).catch(() => {})
      this.#pump()
      await this.#within(tickMs * electionTicks * 2, handedOver)
    }
    if (!this.#isStopped) {
      this.#state = 'closed'
      this.#stop()
    }
    await this.#letGo()
  }

  async #letGo (): Promise<void> {
    await this.#transport?.close()
    const closers = [
      () => this.#state === 'failed' ? this.#checkpoints.stop() : this.#checkpoints.finish(),
      () => this.stateMachine.close(),
      () => this.#flush.stop(),
      () => this.log.close(),
      () => this.#flush.close(),
      () => this.#voteFile.close()
    ]
    let firstError: unknown
    for (const close of closers) {
      try {
        await close()
      } catch (error) {
        firstError ??= error
      }
    }
    if (firstError === undefined) return
    if (this.#state !== 'failed') throw asMqError(firstError)
    this.#options.logger.debug('closing after the failure failed too', { cause: firstError })
  }

  /** Resolves with `done`, or when the time is over. */
  #within (timeoutMs: number, done: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.setTimer(timeoutMs, resolve)
      done.then(resolve, reject).finally(() => { timer.cancel() })
    })
  }
}

/** An older copy of the log was put in its place, or its last file was removed: this node may have acknowledged what is missing. */
async function noteLostEntries (doubtFile: DoubtFile, { lastIndex }: RaftLog, logger: Logger): Promise<void> {
  logger.error(`the log ends with entry ${lastIndex}, and its state was that of a later one: entries were lost; in a group this node neither votes nor counts until it has all that it may have confirmed`)
  if (!doubtFile.doubt.inDoubt) await doubtFile.begin()
}
