import { holdProcess, processId, realDirectory } from '../adapters/index.ts'
import { invariant, MqError, type Clock, type Disk, type Logger, type Timer } from '../base/index.ts'
import { KeyIndex, type IndexedLog } from '../key-index/index.ts'
import { seedOfGroup, stampMsOf } from '../log/index.ts'
import { EntryBodyWriter, LOCAL_HOST, type TopicConfig } from '../message/index.ts'
import { allMembers, type ConfChange, type ConfState, type NodeId } from '../raft/index.ts'
import { Replica, type Identity, type LeadershipEvent, type Proposal, type ReplicaSettings, type ReplicaStatus, type Transport } from '../replica/index.ts'
import { DeadLetterProposal, deadLetterTopicOf, ExpireProposal, PopMachine, ReleaseOwnerProposal, SeekProposal, Store, type ConsumeQueue, type KeyedValue, type StartPosition } from '../store/index.ts'
import { Arrival } from './arrival.ts'
import { Explanations } from './explanations.ts'
import { explained, takeDirectory, type LockPort } from './data-directory.ts'
import { ConfigChanges } from './config-changes.ts'
import { DeadLetters } from './dead-letters.ts'
import { Decision } from './decision.ts'
import type { Delivery, StoredRecord } from './delivery.ts'
import { DelayDelivery } from './delay-delivery.ts'
import { Expiry } from './expiry.ts'
import { KeyQueries } from './key-queries.ts'
import { LeaderWork } from './leader-work.ts'
import { MessageReader, offsetTooSmall } from './message-reader.ts'
import type { EngineOptions, FlushDiskType, GroupQueueProgress, QueueOffsets, ReadRequest, SeekRequest, TopicDescription } from './options.ts'
import { OffsetCommits } from './offset-commits.ts'
import { Pops, type PopOptions } from './pops.ts'
import { directoryPorts, memoryPorts } from './ports.ts'
import { watchRecovery } from './recovery-progress.ts'
import { PreparedLog } from './prepared-records.ts'
import type { PutResult } from './put-result.ts'
import { QueueLocks } from './queue-locks.ts'
import { QueueReads } from './queue-reads.ts'
import { Recalls } from './recalls.ts'
import { RemotePops } from './remote-pops.ts'
import { Retention } from './retention.ts'
import { Scrub } from './scrub.ts'
import { sendBackDecision, type SendBackRequest, type SentBack } from './send-back.ts'
import { createTopicCostBytes, deadLetterSettings, topicConfigOf, type Topic, type TopicSettings } from './topic.ts'
import { Topics } from './topics.ts'
import { Transactions } from './transactions.ts'
import { DEFAULT_KEYED_BYTES, TxProposal, type TxParts } from './tx-proposal.ts'
import { WaitingPops } from './waiting-pops.ts'

/** Owners of leases of embedded queues begin so; after a restart of a group of one all but the new one are gone. */
const SESSION_PREFIX = 'embedded/'
const MEMORY = ':memory:'
/** Of a group of one. */
const NODE_ID = 1

interface Parts {
  readonly options: EngineOptions
  readonly clock: Clock
  readonly lock: LockPort
  readonly replica: Replica
  readonly store: Store
  readonly pop: PopMachine
  readonly keyIndex: KeyIndex | undefined
  readonly session: string
}

/**
 * Replica and store as one object: what can be done with messages, topics and groups, whoever asks (the embedded queue,
 * later a broker). All changes are proposals; promises resolve when those are applied, thus durable.
 */
export class Engine {
  readonly clock: Clock
  readonly store: Store
  /** Messages by queue and offset, or position, for whoever consumes by offset. */
  readonly reads: QueueReads
  /** Messages by key; undefined: without an index of them. */
  readonly keys: KeyQueries | undefined
  /** Where groups that consume by offset are. */
  readonly offsets: OffsetCommits
  /** Which client holds which queue for ordered consumption. */
  readonly locks: QueueLocks
  /** Messages that are delivered later. */
  readonly delays: DelayDelivery
  /** Taking them back, or changing when they are. */
  readonly recalls: Recalls
  /** Messages that are visible once their producer says so. */
  readonly transactions: Transactions
  /** Consumption by leases for consumers elsewhere. */
  readonly remotePops: RemotePops
  /** Why a message is where it is. */
  readonly explanations: Explanations
  /** Messages that were given up, to be tried again. */
  readonly deadLetters: DeadLetters
  /** Topics, groups and settings as administrators change them. */
  readonly config: ConfigChanges
  /** Another one each time it is opened. */
  readonly session: string
  readonly #machine: PopMachine
  readonly #replica: Replica
  readonly #logger: Logger
  readonly #lock: LockPort
  readonly #keyIndex: KeyIndex | undefined
  readonly #topics: Topics
  readonly #reader: MessageReader
  readonly #waiting = new WaitingPops()
  readonly #pops: Pops
  readonly #expiry: Expiry
  readonly #leaderWork: LeaderWork
  readonly #retention: Retention
  readonly #scrub: Scrub | undefined
  readonly #options: EngineOptions
  readonly #failureListeners: Array<(error: MqError) => void> = []
  #rebuild: ((error: MqError) => void) | undefined
  readonly #topicGoneListeners: Array<(name: string) => void> = []
  readonly #arrivalListeners: Array<(arrival: Arrival) => void> = []
  readonly #holds = new Set<Timer>()
  #flushMode: Promise<void> = Promise.resolve()
  /** From the start until this node has led, or followed another. */
  #wantsOwnFlushMode = true
  #failure: MqError | undefined
  #closing: Promise<void> | undefined

  /**
   * Opens (or makes) what is in the directory. Alone, it resolves when everything stored is readable and proposals are
   * taken; as the member of a group, when what its last checkpoint holds is readable: what the log holds beyond follows
   * when a leader is there, for which this does not wait.
   * @throws MQ_INVALID_ARGUMENT the directory belongs to another node, or to a group of several and `group` is not given
   * @throws MQ_NOT_A_DATA_DIRECTORY, MQ_READ_ONLY, MQ_LOCKED, MQ_CORRUPT, MQ_FORMAT_TOO_NEW, MQ_FORMAT_TOO_OLD, MQ_DISK_ROOM, MQ_IO, MQ_ABORTED
   */
  static async open (options: EngineOptions): Promise<Engine> {
    const { logger, signal, group } = options
    const inMemory = options.directory === MEMORY
    const directory = inMemory || options.ports !== undefined ? options.directory : await realDirectory(options.directory)
    const { disk, kv, clock, random, lock } = options.ports ?? (inMemory ? memoryPorts(options.clock) : directoryPorts(directory))
    throwIfAborted(signal)
    await takeDirectory({ disk, directory, lock, pid: processId() })
    const format = options.formatVersion === undefined ? {} : { formatVersion: options.formatVersion }
    let replica: Replica | undefined
    let engine: Engine | undefined
    let keyIndex: KeyIndex | undefined
    try {
      let store: Store | undefined
      const progress = watchRecovery(clock, options.onProgress)
      try {
        replica = await Replica.open({
          clock,
          random,
          disk,
          logger,
          directory,
          nodeId: group?.nodeId ?? NODE_ID,
          ...(group === undefined ? {} : { founding: group.founding, transport: group.transport }),
          ...format,
          openStateMachine: async ({ log, identity, noteLostEntries }) => {
            progress.phase('state')
            store = await Store.open({
              database: kv,
              disk,
              logger,
              directory,
              log,
              groupId: identity.groupId,
              ...format,
              settings: options.storeSettings ?? {},
              reserveBytes: options.limits.reserveBytes ?? 0,
              machines: () => [new PopMachine()],
              onEntry: (entry, body) => { keyIndex?.note(entry, body) },
              onLogLost: noteLostEntries,
              onProgress: ({ entries, totalEntries }) => { progress.phase('rebuild', entries, totalEntries) }
            })
            if (options.keyIndex !== undefined && options.keyIndex !== false) keyIndex = keyIndexOf(options, { disk, clock, directory, log, groupId: identity.groupId }, store)
            return store
          },
          settings: replicaSettingsOf(options),
          logSettings: {
            segmentBytes: inMemory ? Math.min(options.limits.segmentBytes, 4 * 1024 * 1024) : options.limits.segmentBytes,
            tailCacheBytes: options.limits.tailCacheBytes,
            coldCacheBytes: options.limits.coldCacheBytes,
            reserveBytes: options.limits.reserveBytes ?? 0,
            refetch: group?.refetch,
            flush: options.flush,
            inlineFlush: true,
            preallocate: !inMemory
          }
        })
        progress.replay(replica)
        if (group === undefined) {
          assertAlone(replica, directory)
          await untilLeader(replica, signal)
        }
      } finally {
        progress.end()
      }
      const session = `${sessionPrefix(group?.nodeId)}${Math.floor(random.next() * 2 ** 52).toString(36)}`
      engine = new Engine({ options, clock, lock, replica, store: store!, pop: store!.machine('pop') as PopMachine, keyIndex, session })
      if (group === undefined) {
        await engine.#leaderWork.begun
        await engine.#flushMode
      }
      return engine
    } catch (error) {
      if (engine !== undefined) {
        await engine.close()
      } else {
        keyIndex?.stop()
        await replica?.close()
        await keyIndex?.close()
        await lock.release()
      }
      return await explained(directory, () => Promise.reject(error))
    }
  }

  private constructor ({ options, clock, lock, replica, store, pop, keyIndex, session }: Parts) {
    const { logger, limits, retention } = options
    const submit = (proposal: Proposal): void => { replica.submit(proposal) }
    this.clock = clock
    this.store = store
    this.session = session
    this.#machine = pop
    this.#options = options
    this.#logger = logger
    this.#lock = lock
    this.#replica = replica
    this.#topics = new Topics(store, options.storeHost ?? LOCAL_HOST)
    this.delays = new DelayDelivery({ clock, store, log: replica.log, logger, submit, agedBelow: () => this.#retention.agedBelow() })
    const readPorts = { store, log: new PreparedLog(replica.log, this.delays.preparedRecords), logger }
    this.#reader = new MessageReader(readPorts)
    this.reads = new QueueReads(readPorts)
    this.#keyIndex = keyIndex
    this.keys = keyIndex && new KeyQueries({ clock, index: keyIndex, reads: this.reads })
    this.config = new ConfigChanges(store, (proposal) => { this.#submitAfterCommits(proposal) })
    this.config.onChange((kind, name) => { if (kind === 'topic') this.#topicChanged(name) })
    this.offsets = new OffsetCommits({ clock, store, machine: pop, reads: this.reads, submit, isFenced: (key, clientId, nowMs) => this.locks.isFenced(key, clientId, nowMs) })
    this.locks = new QueueLocks({ clock, store, submit, closeCommits: () => { this.offsets.close() } })
    this.#pops = new Pops({
      store,
      machine: pop,
      reader: this.#reader,
      clock,
      waiting: this.#waiting,
      maxWaiting: limits.maxWaitingConsumers,
      session,
      submit,
      assertOpen: () => { this.assertOpen() },
      deadLetter: (delivery) => this.deadLetter(delivery)
    })
    this.remotePops = new RemotePops({
      clock, store, machine: pop, pops: this.#pops, waiting: this.#waiting, offsets: this.offsets, submit, unlessStopped: (running) => this.#unlessStopped(running), leasesChanged: () => { this.#expiry.look() }
    })
    this.explanations = new Explanations(clock, store, pop, this.#reader, this.keys)
    this.deadLetters = new DeadLetters({
      store,
      machine: pop,
      reader: this.#reader,
      logger,
      submit,
      topic: (name) => this.topic(name),
      open: (group, topic) => this.#pops.open(group, topic)
    })
    this.#expiry = new Expiry({
      clock,
      nextMs: () => this.#leaderWork.isLeading ? pop.nextExpiryMs : Infinity,
      expire: () => {
        const proposal = new ExpireProposal(pop)
        submit(proposal)
        return proposal.done
      }
    })
    this.#retention = new Retention({
      clock,
      logger,
      log: replica.log,
      mayDecide: () => this.#leaderWork.isLeading,
      rules: retention,
      stepBytes: limits.segmentBytes,
      floorPosition: () => store.floorPosition,
      raiseFloor: (position) => this.raiseFloor(position)
    })
    this.#scrub = options.scrub === undefined ? undefined : new Scrub({ clock, logger, log: replica.log, rules: options.scrub, appliedIndex: () => replica.status().appliedIndex })
    this.recalls = new Recalls({ store, log: replica.log, submit, topic: (name) => this.topic(name) })
    this.transactions = new Transactions({
      clock,
      store,
      log: replica.log,
      logger,
      rules: options.transactions ?? { checkIntervalMs: 30_000, checkMax: 15, maxAgeMs: Infinity },
      submit,
      agedBelow: () => this.#retention.agedBelow(),
      topicToBe: (settings) => this.topicToBe(settings)
    })
    store.consumeQueues.onAppended = (queue, fromOffset) => { this.#appended(queue, fromOffset) }
    pop.onAvailable = (group, topic) => { this.#waiting.wake(topic, group, Infinity) }
    this.#leaderWork = new LeaderWork({
      expiry: this.#expiry,
      delays: this.delays,
      transactions: this.transactions,
      locks: this.locks,
      release: async () => {
        const release = new ReleaseOwnerProposal(pop, { owner: sessionPrefix(options.group?.nodeId), isPrefix: true, except: session })
        submit(release)
        await release.done
      },
      putSettings: () => this.#putSettings()
    })
    replica.onLeadership(({ isLeader, leaderId }) => {
      if (leaderId !== 0 && leaderId !== replica.nodeId) this.#wantsOwnFlushMode = false
      this.#topics.leadershipChanged()
      const wasLeading = this.#leaderWork.isLeading
      this.#leaderWork.leadershipChanged(isLeader)
      if (!wasLeading || isLeader) return
      this.offsets.leadershipLost()
      // whoever waits for messages here is told that they come from elsewhere now
      this.#waiting.wakeAll()
    })
    replica.onFailure((error) => { this.#fail(error) })
    this.config.onChange((kind, name) => { if (kind === 'setting' && name === 'flushDiskType') this.#followFlushMode() })
    this.#followFlushMode()
  }

  async #putSettings (): Promise<void> {
    const { metadata, formatVersion, newestFormat } = this.store
    const flushDiskType = this.#options.durability === 'disk' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH'
    const agreed = metadata.setting('flushDiskType')
    // what a node was told at its start holds while it is alone, and for a group that has not agreed on anything yet
    const hasOther = agreed !== flushDiskType && (agreed === undefined || (this.#wantsOwnFlushMode && allMembers(this.store.confState).length === 1))
    // in a group of several whoever knows all members does it
    const mayRaise = this.#options.group === undefined && formatVersion < newestFormat
    if (hasOther || mayRaise) {
      await this.#decide(256, (writer) => {
        if (hasOther) metadata.putSetting(writer, 'flushDiskType', flushDiskType)
        if (mayRaise) this.store.raiseFormat(writer, newestFormat)
      })
    }
    this.#wantsOwnFlushMode = false
  }

  /** Takes into force what the group has agreed on. */
  #followFlushMode (): void {
    const agreed = this.flushDiskType
    this.#flushMode = this.#replica.setFlushMode(agreed === 'ASYNC_FLUSH' ? 'async' : 'sync')
    // a replica that has stopped tells its failure otherwise
    this.#flushMode.catch(() => {})
  }

  // ---- the group ----

  /** When what is confirmed is on disk, as all nodes have agreed on; `SYNC_FLUSH` until they have. */
  get flushDiskType (): FlushDiskType { return this.store.metadata.setting('flushDiskType') === 'ASYNC_FLUSH' ? 'ASYNC_FLUSH' : 'SYNC_FLUSH' }

  /**
   * Changes it for all nodes. Of what is sent after this has resolved, all that is confirmed is on disk on a majority, with SYNC_FLUSH.
   * @throws MQ_NOT_LEADER
   */
  async setFlushDiskType (flushDiskType: FlushDiskType): Promise<void> {
    await this.config.putSettings({ flushDiskType })
    await this.#flushMode
  }

  /** Resolves once this node obeys what the group had agreed on when it was called. @throws as readBarrier */
  async flushModeInForce (): Promise<void> {
    await this.readBarrier()
    await this.#flushMode
  }

  /** For the group's own work beside messages: catching up. */
  get replica (): Replica { return this.#replica }

  /** Who leads, as far as this node knows (0: nobody). `isLeader`: this node, and it has applied all before its term, so that it takes decisions. */
  get role (): LeadershipEvent { return this.#replica.role }

  /**
   * Tells the present role at once and every change after it, in the turn of the loop in which it happens, after the
   * engine's own work has begun or ended; returns the function that ends it. The listener may not throw.
   */
  onLeadership (listener: (event: LeadershipEvent) => void): () => void { return this.#replica.onLeadership(listener) }

  /** Tells of each answer of another node to the leader, this one; returns the function that ends it. The listener may not throw. */
  onReply (listener: (from: NodeId) => void): () => void { return this.#replica.onReply(listener) }

  /** Indexes of the log and, of the leader, how far the others are. */
  status (): ReplicaStatus { return this.#replica.status() }

  /**
   * Hands leadership to a voter; what is submitted meanwhile waits. Resolves when it leads. A follower asks the leader to.
   * @throws MQ_UNAVAILABLE there is no leader, or the other did not take over within an election time-out
   * @throws MQ_INVALID_ARGUMENT it is no voter @throws MQ_BUSY another transfer took its place
   */
  transferLeadership (nodeId: NodeId): Promise<void> { return this.#replica.transferLeadership(nodeId) }

  /**
   * Ceases to lead at once and tells a voter to look for votes, where no transfer is possible: the other lacks entries that are
   * not committed, and this node cannot send them. Their proposals have an unknown outcome. False: nothing was done, because the
   * others would not elect that one, or leadership is being transferred, or this node does not lead.
   */
  leaveTo (successor: NodeId): boolean { return this.#replica.leaveTo(successor) }

  /**
   * Changes voters or learners, one change at a time; resolves with the configuration in force when it is applied here.
   * @throws MQ_NOT_LEADER @throws MQ_BUSY an earlier one is not finished, or leadership is being transferred
   * @throws MQ_INVALID_ARGUMENT it does not fit the configuration @throws MQ_LEADERSHIP_LOST, MQ_TIMEOUT nobody knows whether it will be made
   */
  changeMembership (change: ConfChange): Promise<ConfState> { return this.#replica.changeMembership(change) }

  /** Tells the configuration in force at once, and every later one right after it is applied; returns the function that ends it. The listener may not throw. */
  onMembership (listener: (confState: ConfState) => void): () => void { return this.#replica.onMembership(listener) }

  /** Gives a group of one that was opened without others the way to them, so that it can grow; once. */
  connect (transport: Transport): void { this.#replica.connect(transport) }

  /** The group this node is of, who it is in it, and who founded it. */
  get identity (): Identity { return this.#replica.identity }

  /** How long the last write or sync of the log took; longer when one, or a read of what is to be applied, has been under way for longer, ms. */
  get flushMs (): number { return Math.max(this.#replica.log.flushMs, this.#replica.applyReadMs) }

  /** Sends are refused, or were a moment ago, as the disk is full. */
  get isShortOfRoom (): boolean { return this.#replica.log.isShortOfRoom }
  /** How long no look has found it so, ms. */
  get roomyMs (): number { return this.#replica.log.roomyMs }
  /** Looks whether this disk has room for much more than what others have decided. */
  async hasRoomToLead (): Promise<boolean> { return await this.#replica.log.lookForRoom() >= this.#options.limits.segmentBytes }

  /** The data format that the group writes, and the one that this node reads up to. */
  get format (): { readonly group: number, readonly newest: number } { return { group: this.store.formatVersion, newest: this.store.newestFormat } }

  /** The group writes that format from now on; every member reads it, the caller has made sure. @throws as any proposal */
  async raiseFormat (version: number): Promise<void> {
    invariant(version <= this.store.newestFormat, `data format ${version} is later than that of this node`)
    await this.#decide(64, (writer) => this.store.raiseFormat(writer, version))
  }

  /** Resolves once everything is applied here that was committed anywhere in the group when it was called. @throws MQ_UNAVAILABLE no leader confirmed it in time */
  readBarrier (): Promise<void> { return this.#replica.readBarrier() }

  // ---- messages ----

  /** Hands a PutProposal or PutBatchProposal over; it tells its outcome itself. */
  submit (proposal: Proposal): void {
    this.#replica.submit(proposal)
  }

  /** Acknowledgements, messages and values in one entry, to be submitted: all of them or none. */
  tx (parts: TxParts, resolve: (results: PutResult[]) => void, reject: (error: unknown) => void): TxProposal {
    const { maxKeyedBytes = DEFAULT_KEYED_BYTES } = this.#options.limits
    return new TxProposal({ store: this.store, machine: this.#machine, maxKeyedBytes }, parts, resolve, reject)
  }

  /** The value of the key: of what was applied anywhere before this was called, or later. @throws MQ_UNAVAILABLE as `readBarrier` */
  async valueOf (key: string): Promise<KeyedValue | undefined> {
    this.assertOpen()
    await this.#unlessStopped(this.readBarrier())
    return this.store.keyed.get(key)
  }

  /** @see Pops.pop */
  async pop (options: PopOptions): Promise<Delivery[]> {
    const deliveries = await this.#unlessStopped(this.#pops.pop(options))
    this.#expiry.look()
    return deliveries
  }

  ack (delivery: Delivery): Promise<void> { return this.#pops.ack(delivery) }

  ackAll (deliveries: readonly Delivery[]): Promise<void> { return this.#pops.ackAll(deliveries) }

  /** Gives the message back, to be delivered again after the delay. @throws MQ_LEASE_LOST */
  async retryLater (delivery: Delivery, delayMs: number): Promise<void> {
    await this.#pops.giveBack([delivery], { delayMs })
    this.#expiry.look()
  }

  /** Gives messages back, to be delivered again at once; `undelivered`: no consumer saw them, so that this delivery does not count. @throws MQ_LEASE_LOST */
  release (deliveries: readonly Delivery[], undelivered: boolean): Promise<void> {
    return this.#pops.giveBack(deliveries, { undelivered })
  }

  renew (deliveries: readonly Delivery[], invisibleMs: number): Promise<boolean[]> { return this.#pops.renew(deliveries, invisibleMs) }

  /** Moves the message to %DLQ%<group>, which is made if need be. @throws MQ_LEASE_LOST */
  async deadLetter (delivery: Delivery, reason?: string): Promise<void> {
    const topic = deadLetterTopicOf(delivery.group)
    const { queue, lease, first, count } = delivery
    for (;;) {
      if (this.store.metadata.topic(topic) === undefined) await this.createTopic(deadLetterSettings(topic)!)
      const proposal = new DeadLetterProposal(this.#machine, { queue, lease, first, count }, delivery.record, this.store.consumeQueues.proposed(topic, 0), {
        attempts: delivery.attempts,
        ...(reason === undefined ? {} : { reason })
      })
      this.#replica.submit(proposal)
      const { moved, hasTarget } = await proposal.done
      if (moved) return
      if (hasTarget) throw new MqError('MQ_LEASE_LOST', 'the lease on the message had ended; delivered again or already settled')
    }
  }

  /**
   * A consumer gives a message back: it comes again later, by the group's retry topic, or becomes a dead letter.
   * Resolves when that is durable. @throws MQ_GROUP_NOT_FOUND
   */
  async sendBack (request: SendBackRequest): Promise<SentBack> {
    const decision = sendBackDecision(this.store, request)
    this.#replica.submit(decision)
    const sent = await decision.done
    for (const topic of [request.retryTopic, request.deadLetterTopic]) if (topic.creationCostBytes !== 0) topic.confirm()
    return sent
  }

  /** Messages of one queue by offset. @throws MQ_QUEUE_NOT_FOUND, MQ_TOPIC_NOT_FOUND, MQ_OFFSET_TOO_SMALL */
  async read ({ topic, queueId, fromOffset, maxMessages, maxBytes = Infinity, signal }: ReadRequest): Promise<StoredRecord[]> {
    this.assertOpen()
    throwIfAborted(signal)
    this.#pops.sources(topic, queueId)
    const queue = this.store.consumeQueues.find(topic, queueId)
    if (queue === undefined) return []
    if (fromOffset < queue.minOffset) throw offsetTooSmall(queue, fromOffset)
    const records = await this.#unlessStopped(this.#reader.read(queue, fromOffset, maxMessages, maxBytes))
    throwIfAborted(signal)
    return records
  }

  /** Told of each queue that an entry has brought messages for, right after that was applied; the listener may not throw. */
  onArrival (listener: (arrival: Arrival) => void): void { this.#arrivalListeners.push(listener) }

  // ---- topics ----

  topic (name: string): Topic | undefined { return this.#topics.get(name) }

  /** The topic, or a handle by which the first message makes it. */
  topicToBe (settings: TopicSettings): Topic { return this.#topics.getOrPlan(topicConfigOf(settings)) }

  /** The same with all of the configuration given. */
  topicPlanned (config: TopicConfig): Topic { return this.#topics.getOrPlan(config) }

  topics (): TopicDescription[] {
    return [...this.store.metadata.topics()].map(({ topic, attributes, readQueueNums }) => ({
      name: topic,
      attributes,
      queues: Array.from({ length: readQueueNums }, (_, queueId) => this.#offsetsOf(topic, queueId))
    }))
  }

  /** Makes the topic unless it exists by then: a deletion that was asked for before comes first. */
  async createTopic (settings: TopicSettings): Promise<void> {
    await this.#putTopic(settings, true)
  }

  async updateTopic (settings: TopicSettings): Promise<void> {
    await this.#putTopic(settings, false)
  }

  async #putTopic (settings: TopicSettings, onlyIfMissing: boolean): Promise<void> {
    const config = topicConfigOf(settings)
    const { metadata } = this.store
    await this.#decide(createTopicCostBytes(config), (writer) => {
      const present = metadata.proposedTopic(settings.name)
      if (onlyIfMissing ? present === undefined : present !== undefined) metadata.putTopic(writer, config)
      else if (!onlyIfMissing) throw new MqError('MQ_TOPIC_NOT_FOUND', `there is no topic ${settings.name}`)
    })
  }

  #topicChanged (name: string): void {
    const config = this.store.metadata.topic(name)
    if (config !== undefined) {
      this.#topics.applied(config)
    } else {
      this.#topics.deleted(name)
      for (const listener of this.#topicGoneListeners) listener(name)
    }
    // consumers of the topic look at its queues anew
    this.#waiting.topicGrew(name, Infinity)
  }

  /** Removes the topic, its messages and every group's place in it. @throws MQ_TOPIC_NOT_FOUND */
  async deleteTopic (name: string): Promise<void> {
    await this.#decide(EntryBodyWriter.commandCostBytes(64 + 3 * name.length), (writer) => {
      if (this.store.metadata.proposedTopic(name) === undefined) throw new MqError('MQ_TOPIC_NOT_FOUND', `there is no topic ${name}`)
      this.store.deleteTopic(writer, name)
      this.#topics.deletionProposed(name)
    })
  }

  /** Told after a topic was deleted: handles of it are void. */
  onTopicGone (listener: (name: string) => void): void { this.#topicGoneListeners.push(listener) }

  // ---- groups ----

  /** Groups that consume by leases. */
  groups (): string[] { return this.#machine.groups().filter((group) => !DeadLetters.isResender(group)) }

  /** Where every group is. */
  groupProgress (): Array<{ name: string, lag: number, queues: GroupQueueProgress[] }> {
    return this.groups().map((name) => {
      const queues = this.progress(name)
      return { name, lag: queues.reduce((sum, { lag }) => sum + lag, 0), queues }
    })
  }

  /** Where a group is: in one topic (also one it has not consumed yet), or in all it has consumed. */
  progress (group: string, topic?: string): GroupQueueProgress[] {
    this.assertOpen()
    const progress: GroupQueueProgress[] = []
    for (const name of topic === undefined ? this.#machine.topicsOf(group) : [topic]) {
      const queueCount = this.store.metadata.topic(name)?.readQueueNums ?? 0
      for (let queueId = 0; queueId < queueCount; queueId++) {
        const { minOffset, maxOffset } = this.#offsetsOf(name, queueId)
        const known = this.#machine.progressOf(group, name, queueId)
        const consumerOffset = Math.max(minOffset, known?.consumerOffset ?? minOffset)
        const inFlight = known?.leasedCount ?? 0
        const fresh = maxOffset - Math.max(minOffset, known?.nextOffset ?? minOffset)
        progress.push({ topic: name, queueId, minOffset, maxOffset, consumerOffset, inFlight, lag: fresh + inFlight + (known?.returnedCount ?? 0) })
      }
    }
    return progress
  }

  /** Moves a group; its leases in those queues end. @throws MQ_TOPIC_NOT_FOUND, MQ_QUEUE_NOT_FOUND */
  async seek ({ group, topic, queueId, to }: SeekRequest): Promise<void> {
    for (let isDone = false; !isDone;) {
      this.assertOpen()
      const sources = this.#pops.sources(topic, queueId)
      const target = await this.#unlessStopped(this.#seekTarget(sources, to))
      await this.#pops.open(group, topic)
      const proposal = new SeekProposal(this.#machine, { group, topic, sources, to: target })
      this.#replica.submit(proposal)
      isDone = !(await proposal.done).isRetired
    }
    this.#waiting.wake(topic, group, Infinity)
  }

  async #seekTarget (sources: readonly ConsumeQueue[], to: SeekRequest['to']): Promise<StartPosition> {
    if (typeof to === 'string') return to
    const offsets = new Map<number, number>()
    for (const source of sources) {
      const queue = this.store.consumeQueues.find(source.topic, source.queueId)
      offsets.set(source.queueId, 'offset' in to ? to.offset : queue === undefined ? 0 : await this.store.consumeQueues.searchOffset(queue, to.timeMs))
    }
    return offsets
  }

  // ---- figures and life ----

  /** When the oldest entry that is kept was stored, ms since 1970; -1: there is none. */
  async earliestStoreTimestamp (): Promise<number> {
    const { log } = this.#replica
    const first = await log.entryContaining(Math.min(this.store.floorPosition, log.endPosition - 1))
    return first === undefined ? -1 : stampMsOf(first)
  }

  /** Of the leader: grows with each. */
  get term (): number { return this.#replica.role.term }

  /** Up to `limits.maxWaitingConsumers`. */
  get waitingConsumers (): number { return this.#pops.waitingCount }

  stats (): { log: { minPosition: number, maxPosition: number, lastIndex: number, appliedIndex: number, spareBytes: number }, pendingProposals: number, expiredMessages: number } {
    const { lastIndex, appliedIndex, pendingProposals, undecidedProposals } = this.#replica.status()
    const { log } = this.#replica
    return {
      log: { minPosition: this.store.floorPosition, maxPosition: log.endPosition, lastIndex, appliedIndex, spareBytes: log.spareBytes },
      pendingProposals: pendingProposals + undecidedProposals,
      expiredMessages: this.#pops.expiredCount
    }
  }

  /** Removes what lies below `position`, the beginning of an entry. */
  async raiseFloor (position: number): Promise<void> {
    await this.delays.carryOver(position)
    await this.transactions.carryOver(position)
    await this.#decide(256, (writer) => this.store.setFloor(writer, position))
  }

  /** Looks now whether retention has something to remove. */
  runRetention (): Promise<void> { return this.#retention.run() }

  /** Keeps the process alive until cancelled, or until the engine closes: for whoever waits. */
  holdProcess (): Timer {
    const hold = holdProcess()
    const timer = { cancel: () => { hold.cancel(); this.#holds.delete(timer) } }
    this.#holds.add(timer)
    return timer
  }

  /** @throws MQ_CLOSED, or what stopped the engine */
  assertOpen (): void {
    if (this.#failure !== undefined) {
      throw new MqError(this.#failure.code, `the queue has stopped: ${this.#failure.message}`, { cause: this.#failure, outcome: 'not-applied' })
    }
    if (this.#closing !== undefined) throw new MqError('MQ_CLOSED', 'the queue is closed')
  }

  /** Told once when an error stops the engine. */
  onFailure (listener: (error: MqError) => void): void {
    this.#failureListeners.push(listener)
  }

  /**
   * The database of the state was found damaged: called once, when it is durable that the next opening makes it anew from base dump
   * and log. Whoever sets this closes the engine then and opens another one; what fails of it meanwhile is not told to `onFailure`. Else it goes
   * on: what needs the damaged part fails with MQ_CORRUPT. The listener may not throw.
   */
  onStateDamage (rebuild: (error: MqError) => void): void {
    this.#rebuild = rebuild
    this.store.damage.listen(rebuild)
  }

  /** Finishes what was submitted, makes it durable and lets go of the files. Never rejects. */
  close (): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close (): Promise<void> {
    this.#expiry.stop()
    this.locks.stop()
    this.delays.stop()
    this.transactions.stop()
    this.offsets.close()
    this.#waiting.wakeAll()
    this.#keyIndex?.stop()
    try {
      await this.#retention.stop()
      await this.#scrub?.stop()
      await this.#replica.close()
    } catch (error) {
      this.#logger.error('closing failed', { error })
    }
    await this.#keyIndex?.close()
    for (const hold of [...this.#holds]) hold.cancel()
    await this.#lock.release().catch((error: unknown) => { this.#logger.error('the lock could not be released', { error }) })
  }

  #fail (error: MqError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#logger.error(`the queue has stopped: ${error.message}`, { error })
    this.close()
    if (this.store.damage.found !== undefined && this.#rebuild !== undefined) return
    for (const listener of this.#failureListeners) listener(error)
  }

  /** Reads that are under way when the engine stops fail because of that, not of what they find closed. */
  async #unlessStopped<Result> (reading: Promise<Result>): Promise<Result> {
    try {
      return await reading
    } catch (error) {
      this.assertOpen()
      throw error
    }
  }

  #appended (queue: ConsumeQueue, fromOffset: number): void {
    this.#retention.noteGrowth()
    // one of each group looks; who finds as much as it asked for sends the next one
    if (this.#waiting.count > 0) this.#waiting.topicGrew(queue.topic, 1, queue.queueId)
    if (this.#arrivalListeners.length === 0) return
    const arrival = new Arrival(queue, fromOffset)
    for (const listener of this.#arrivalListeners) listener(arrival)
  }

  #offsetsOf (topic: string, queueId: number): QueueOffsets {
    const queue = this.store.consumeQueues.find(topic, queueId)
    return { queueId, minOffset: queue?.minOffset ?? 0, maxOffset: queue?.nextOffset ?? 0 }
  }

  async #decide<Result> (costBytes: number, decide: (writer: EntryBodyWriter, storeTimestampMs: number) => Result): Promise<Result> {
    const decision = new Decision(costBytes, decide)
    this.#submitAfterCommits(decision)
    return await decision.done
  }

  /** A deletion, for one, must not come before offsets that were committed before it. */
  #submitAfterCommits (proposal: Proposal): void {
    this.offsets.close()
    this.#replica.submit(proposal)
  }
}

function keyIndexOf ({ keyIndex, logger }: EngineOptions, { groupId, ...ports }: { disk: Disk, clock: Clock, directory: string, log: IndexedLog, groupId: Uint8Array }, store: Store): KeyIndex {
  return new KeyIndex({ ...ports, logger, groupSeed: seedOfGroup(groupId), appliedPosition: () => store.appliedPosition, floorPosition: () => store.floorPosition, settings: typeof keyIndex === 'object' ? keyIndex : {} })
}

/** @throws MQ_INVALID_ARGUMENT without its peers this node would wait for a leader for ever */
function assertAlone (replica: Replica, directory: string): void {
  const { confState, nodeId } = replica.status()
  const members = allMembers(confState)
  if (members.every((id) => id === nodeId)) return
  throw new MqError('MQ_INVALID_ARGUMENT', `${directory} is a member of a group of ${members.length}, which needs to be told of the others`, { members, voters: confState.voters })
}

async function untilLeader (replica: Replica, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => { reject(new MqError('MQ_ABORTED', 'opening was aborted', { cause: signal!.reason })) }
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    replica.onFailure(reject)
    replica.whenLeader().then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort))
  })
}

function throwIfAborted (signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new MqError('MQ_ABORTED', 'the caller aborted', { cause: signal.reason })
}

function replicaSettingsOf ({ limits, group }: EngineOptions): Partial<ReplicaSettings> {
  const { maxEntryBytes, maxPendingProposals, maxPendingBytes } = limits
  return { maxEntryBytes, maxPendingProposals, maxPendingBytes, ...group?.settings }
}

/** Owners of the leases that a node has given, in any of its lives; without a node: that any has. */
function sessionPrefix (nodeId: NodeId | undefined): string {
  return nodeId === undefined ? SESSION_PREFIX : `${SESSION_PREFIX}${nodeId}/`
}
