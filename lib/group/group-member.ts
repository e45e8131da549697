import { processId, realDirectory } from '../adapters/index.ts'
import { isMqError, MqError, type Clock, type Disk, type Logger, type Timer } from '../base/index.ts'
import { directoryPorts, Engine, StateRebuilds, takeDirectory, type EnginePorts } from '../engine/index.ts'
import { allMembers, type NodeId } from '../raft/index.ts'
import { DATA_FORMAT_VERSION, establishIdentity, identityOrEmpty, numberOf, OLDEST_DATA_FORMAT, type Identity } from '../replica/index.ts'
import { addressText, type Address } from '../remoting/index.ts'
import type { PeerNetwork, SelfDescription } from '../transport/index.ts'
import { AddressBook, isGroupSetting } from './address-book.ts'
import { CatchUp } from './catch-up.ts'
import { becomeMember, Visitors } from './formation.ts'
import { groupReplicaSettings, type GroupMemberOptions, type MemberStatus } from './group-options.ts'
import { ensureIncarnation, removeIncarnation } from './incarnation-file.ts'
import { Joining } from './joining.ts'
import { FormatRaise } from './format-raise.ts'
import { LeaderWatch } from './leader-watch.ts'
import { Membership } from './membership.ts'
import { health, joinAnswer, joinRequest, METHODS, room, whoIsAnswer, type GroupDescription } from './messages.ts'
import { refetching } from './refetching.ts'
import { Replacement } from './replacement.ts'
import { defaultGroupSettings, type GroupSettings } from './settings.ts'

/** How long an opening waits for others to mend what is damaged of the log, and a read later on. */
const OPEN_PATIENCE_MS = 10_000
const READ_PATIENCE_MS = 3_000
/** How long an opening goes on without an answer of others that could replace what they cannot mend. */
const REPLACEMENT_PATIENCE_MS = 50_000
/** How long links to members that were removed are kept. */
const PARTING_MS = 1_000

interface Parts {
  readonly options: GroupMemberOptions
  readonly self: Self
  readonly settings: GroupSettings
  readonly clock: Clock
  readonly disk: Disk
  readonly directory: string
  readonly network: PeerNetwork
  readonly addresses: AddressBook
  readonly engine: Engine
  /** Opens the engine again, after `close`. */
  readonly openEngine: () => Promise<Engine>
}

/**
 * One node of a group: who it is, its engine, its links to the others, and who the members are. It forms the group with
 * the other configured nodes when all of them are empty, takes its place in one that is there, or joins it.
 */
export class GroupMember {
  readonly peers: PeerNetwork
  readonly #options: GroupMemberOptions
  readonly #addresses: AddressBook
  readonly #membership: Membership
  readonly #joining: Joining
  readonly #watch: LeaderWatch
  readonly #formatRaise: FormatRaise
  readonly #catchUp: CatchUp
  readonly #openEngine: () => Promise<Engine>
  readonly #logger: Logger
  readonly #rebuilds: StateRebuilds
  readonly #engineListeners = new Set<(engine: Engine) => void>()
  readonly #failureListeners: Array<(error: Error) => void> = []
  readonly #removalListeners: Array<() => void> = []
  readonly #clock: Clock
  /** Members that have gone, whose links are kept for a moment. */
  readonly #parting = new Map<NodeId, { readonly address: Address, readonly timer: Timer }>()
  #linked: ReadonlyMap<NodeId, Address> = new Map()
  #isRemoved = false
  #engine: Engine
  #unlisten: Array<() => void> = []
  #reopened: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  /**
   * Opens this node. Resolves when it is of a group and what it has stored is readable; it waits for no leader. An empty
   * node waits until the others tell it of a group, or all are there to found one, and logs what it waits for.
   * @throws MQ_INVALID_ARGUMENT the directory is that of a node of another number
   * @throws MQ_ABORTED `engine.signal` fired
   * @throws what opening the network and Engine.open throw
   */
  static async open (options: GroupMemberOptions): Promise<GroupMember> {
    const settings = { ...defaultGroupSettings, ...options.settings }
    const { logger } = options.engine
    const directory = options.engine.ports === undefined ? await realDirectory(options.engine.directory) : options.engine.directory
    const ports = options.engine.ports ?? directoryPorts(directory)
    const addresses = new AddressBook(options.peers)
    const self = new Self(options)
    let member: GroupMember | undefined
    let network: PeerNetwork | undefined
    try {
      const identity = await inDirectory(ports, directory, async () => {
        const stored = await identityOrEmpty(ports.disk, directory)
        if (stored !== undefined) assertNumber(stored, options.number, directory)
        self.nodeId = stored?.nodeId ?? await ensureIncarnation(ports.disk, directory, ports.random, options.number)
        self.identity = stored
        const visitors = new Visitors()
        network = await options.openNetwork(() => self.description)
        network.onCall(METHODS.whoIs, (_, { nodeId }) => {
          visitors.note(nodeId)
          return whoIsAnswer.encode({ nodeId: self.nodeId, group: member?.describe() ?? self.founding })
        }, { openToStrangers: true })
        const identity = stored ?? await becomeMember({
          clock: ports.clock,
          random: ports.random,
          logger,
          settings,
          network,
          groupName: options.groupName,
          nodeId: self.nodeId,
          peers: addresses.configured,
          mayFound: options.role !== 'learner',
          signal: options.engine.signal,
          visitors
        })
        // nobody hears of the group from this node before this is durable
        if (stored === undefined) await establishIdentity({ disk: ports.disk, logger, directory, formatVersion: options.engine.formatVersion ?? DATA_FORMAT_VERSION }, identity)
        await removeIncarnation(ports.disk, directory)
        self.identity = identity
        return identity
      })
      // what is damaged of the log is asked of those who may be members
      network!.setPeers(new Map(identity.founders.flatMap((id) => { const address = addresses.of(id); return id === identity.nodeId || address === undefined ? [] : [[id, address]] })))
      const openEngine = engineOpener(options, network!, addresses, settings, identity, { directory, ports })
      member = new GroupMember({ options, self, settings, clock: ports.clock, disk: ports.disk, directory, network: network!, addresses, engine: await openEngine(), openEngine })
      return member
    } catch (error) {
      await network?.close()
      throw error
    }
  }

  /**
   * Lets a group of one that is open, an embedded queue's, grow: from now on others reach it by `openNetwork`, and may
   * join once `addPeer` has named them. The engine is the member's from then on and closes with it. `options.engine` is
   * what it was opened with.
   * @throws MQ_INVALID_ARGUMENT the engine's node has another number
   */
  static async attach (engine: Engine, options: GroupMemberOptions): Promise<GroupMember> {
    const settings = { ...defaultGroupSettings, ...options.settings }
    const { identity, clock } = engine
    const { directory, ports } = options.engine
    assertNumber(identity, options.number, directory)
    const self = new Self(options)
    self.nodeId = identity.nodeId
    self.identity = identity
    const network = await options.openNetwork(() => self.description)
    const place = { directory, ports: ports ?? directoryPorts(directory) }
    const addresses = new AddressBook(options.peers)
    const member = new GroupMember({ options, self, settings, clock, disk: place.ports.disk, directory, network, addresses, engine, openEngine: engineOpener(options, network, addresses, settings, identity, place) })
    network.onCall(METHODS.whoIs, () => whoIsAnswer.encode({ nodeId: identity.nodeId, group: member.describe() }), { openToStrangers: true })
    engine.connect(network.transport())
    return member
  }

  private constructor ({ options, self, settings, clock, disk, directory, network, addresses, engine, openEngine }: Parts) {
    const { groupName, number, peers, role = 'voter', takesLearners = false } = options
    const logger = this.#logger = options.engine.logger
    const current = (): Engine => this.#engine
    this.#options = options
    this.peers = network
    this.#clock = clock
    this.#rebuilds = new StateRebuilds(clock)
    this.#addresses = addresses
    this.#engine = engine
    this.#openEngine = openEngine
    self.engine = current
    const own = options.address ?? peers.find((peer) => peer.number === number)?.address
    this.#membership = new Membership({
      logger,
      settings,
      addresses,
      engine: current,
      clock,
      isAlive: (nodeId) => network.linkStats().some((link) => link.nodeId === nodeId && (link.isConnected || link.silentMs < settings.deadAfterMs)),
      isConnected: (nodeId) => network.linkStats().some((link) => link.nodeId === nodeId && link.isConnected),
      takesLearners
    })
    this.#joining = new Joining({
      clock,
      logger,
      settings,
      network,
      addresses,
      groupName,
      ownAddress: own === undefined ? '' : addressText(own),
      wantsVote: role === 'voter',
      engine: current,
      onHeard: () => { this.#setPeers() },
      onRemoved: () => {
        this.#isRemoved = true
        for (const listener of this.#removalListeners.splice(0)) listener()
      }
    })
    this.#watch = new LeaderWatch({ clock, logger, settings, network, engine: current, preferredLeaders: () => options.preferredLeaders ?? [] })
    this.#formatRaise = new FormatRaise({ clock, logger, settings, network, engine: current, whileNobodyComes: (act) => this.#membership.whileNobodyComes(act) })
    this.#catchUp = new CatchUp({
      clock,
      disk,
      logger,
      directory,
      segmentBytes: options.engine.limits.segmentBytes,
      peers: network,
      reachable: () => network.linkStats().filter(({ isConnected }) => isConnected).map(({ nodeId }) => nodeId),
      onReceived: () => { this.#takeReceived() },
      ...options.catchUp
    })
    network.onCall(METHODS.join, async (body, caller) => joinAnswer.encode(await this.#membership.handleJoin(joinRequest.decode(body), caller)), { openToStrangers: true })
    network.onCall(METHODS.health, () => health.encode({ flushMs: this.#engine.flushMs }))
    network.onCall(METHODS.room, async () => room.encode({ hasRoom: await this.#engine.hasRoomToLead() && this.#engine.roomyMs >= settings.handOverPauseMs }))
    this.#follow(engine)
  }

  /** Another one after a catch-up that replaced the data, or when its state was made anew: see `onEngine`. */
  get engine (): Engine { return this.#engine }
  get nodeId (): NodeId { return this.#engine.identity.nodeId }
  /** Digits of this node's id. */
  get number (): number { return numberOf(this.nodeId) }

  /** Told the engine at once, and the new one each time it was replaced; returns the function that ends it. The listener may not throw. */
  onEngine (listener: (engine: Engine) => void): () => void {
    this.#engineListeners.add(listener)
    listener(this.#engine)
    return () => { this.#engineListeners.delete(listener) }
  }

  /** Told when this node cannot go on, since its engine could not be opened again: it closes, and should be started anew. The listener may not throw. */
  onFailure (listener: (error: Error) => void): void { this.#failureListeners.push(listener) }

  /** It is of the group by the configuration that it has applied, and will be. */
  get isMember (): boolean {
    const { confState: { voters, learners, learnersNext } } = this.#engine.status()
    return !this.#isRemoved && [voters, learners, learnersNext].some((ids) => ids.includes(this.nodeId))
  }

  /** Told once when the group says that this node was removed from it; at once when it has. The listener may not throw. */
  onRemoved (listener: () => void): void {
    if (this.#isRemoved) listener()
    else this.#removalListeners.push(listener)
  }

  /** Closes the engine, lets `between` change what is stored, and opens it again; resolves with the new one. @throws as Engine.open; then this member is to be closed */
  reopen (between: () => Promise<void>): Promise<Engine> {
    const reopened = this.#reopened.then(() => this.#reopen(between))
    this.#reopened = reopened.catch(() => {})
    return reopened
  }

  async #reopen (between: () => Promise<void>): Promise<Engine> {
    if (this.#closing !== undefined) throw new MqError('MQ_CLOSED', 'the node is closing')
    this.#unfollow()
    await this.#catchUp.detach()
    await this.#engine.close()
    await between()
    const engine = this.#engine = await this.#openEngine()
    this.#follow(engine)
    for (const listener of this.#engineListeners) listener(engine)
    return engine
  }

  /** The members by the configuration that this node has applied, by number. */
  members (): MemberStatus[] {
    const { confState, nodeId: own, peers, durableIndex, isLeading } = this.#engine.status()
    const { leaderId } = this.#engine.role
    return allMembers(confState).map((nodeId): MemberStatus => {
      const peer = peers.find(({ id }) => id === nodeId)
      const isSelf = nodeId === own
      return {
        nodeId,
        number: numberOf(nodeId),
        address: this.#addresses.textOf(nodeId),
        role: confState.voters.includes(nodeId) ? 'voter' : confState.learners.includes(nodeId) ? 'learner' : 'leaving',
        isLeader: nodeId === leaderId,
        isSelf,
        matchIndex: isSelf ? durableIndex : isLeading ? peer?.matchIndex ?? 0 : undefined,
        isActive: isSelf ? true : isLeading ? peer?.recentlyActive ?? false : undefined
      }
    }).sort((a, b) => a.number - b.number || a.nodeId - b.nodeId)
  }

  /**
   * Lets a node of that number join, wherever the group's configuration does not name it: started with this group's name
   * and an address of one of its nodes it becomes a learner and then, with another one if the number of voters would be
   * even, a voter. Resolves when that is known to the group. @throws MQ_NOT_LEADER
   */
  async addPeer (number: number, address: string): Promise<void> { await this.#membership.name(number, address) }

  /** A node that this one's configuration stands for is elsewhere now: links are made there. */
  moved (number: number, address: Address): void {
    this.#addresses.configure(number, address)
    this.#setPeers()
  }

  /** Adds a node as a learner, by its id. @throws MQ_NOT_LEADER, MQ_BUSY; as Engine.changeMembership */
  async addLearner (nodeId: NodeId, address: string): Promise<void> { await this.#membership.addLearner(nodeId, address) }

  /** Makes learners voters, several in one joint change. @throws MQ_NOT_LEADER, MQ_BUSY; as Engine.changeMembership */
  async promote (nodeIds: readonly NodeId[]): Promise<void> { await this.#membership.promote(nodeIds) }

  /**
   * Removes members, several in one joint change; learners that wait to be voters take their places. They do not come back
   * unless they are emptied. A leader that is among them hands over and rejects: the next leader is to be asked.
   * @throws MQ_NOT_LEADER, MQ_BUSY, MQ_UNAVAILABLE of those left too many cannot be reached; as Engine.changeMembership
   */
  async remove (nodeIds: readonly NodeId[]): Promise<void> { await this.#membership.remove(nodeIds) }

  /** A learner becomes a voter in place of another one, in one joint change. @throws MQ_NOT_LEADER, MQ_BUSY; as Engine.changeMembership */
  async replace (old: NodeId, by: NodeId): Promise<void> { await this.#membership.replace(old, by) }

  /** @see Engine.transferLeadership */
  async transferLeader (nodeId: NodeId): Promise<void> { await this.#engine.transferLeadership(nodeId) }

  /** Hands leadership over where this node has it, finishes what is under way, and closes engine and links. Never rejects. */
  close (): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.close() }

  /** @private What this node tells of its group. */
  describe (): GroupDescription {
    const { identity: { groupId, founders }, role: { leaderId } } = this.#engine
    return {
      groupId,
      founders,
      leaderId,
      members: this.members().map(({ nodeId, role, address }) => ({ nodeId, isVoter: role === 'voter', address }))
    }
  }

  async #close (): Promise<void> {
    await this.#reopened
    this.#unfollow()
    for (const { timer } of this.#parting.values()) timer.cancel()
    this.#parting.clear()
    await this.#catchUp.detach()
    await this.#joining.stop()
    await this.#watch.stop()
    await this.#formatRaise.stop()
    await this.#engine.close()
    await this.peers.close().catch((error: unknown) => { this.#logger.error('the links to the other nodes could not be closed', { error }) })
  }

  /** What this node needs to go on lies beside its log. */
  #takeReceived (): void {
    this.reopen(async () => { await this.#catchUp.install() }).catch((error: unknown) => { this.#giveUp('this node could not go on with the log and state that it was sent', error) })
  }

  /** Log and base dump hold all of it. The others go on meanwhile, as when this node is started again. */
  #rebuildState (damage: MqError): void {
    if (!this.#rebuilds.mayHelp()) {
      this.#giveUp('the state was found damaged again soon after it was made anew: the disk of this node cannot be relied on', damage)
      return
    }
    this.#logger.warn('the state is made anew from base dump and log; this node takes no part meanwhile')
    this.reopen(async () => {}).catch((error: unknown) => { this.#giveUp('the state could not be made anew', error) })
  }

  #giveUp (text: string, error: unknown): void {
    if (this.#closing !== undefined) return
    this.#logger.error(text, { error })
    this.close().catch(() => {})
    for (const listener of this.#failureListeners) listener(error as Error)
  }

  #follow (engine: Engine): void {
    this.#catchUp.attach(engine.replica)
    engine.onStateDamage((damage) => { if (engine === this.#engine) this.#rebuildState(damage) })
    this.#addresses.metadata = () => engine.store.metadata
    engine.config.onChange((kind, name) => { if (kind === 'setting' && isGroupSetting(name) && engine === this.#engine) this.#setPeers() })
    this.#unlisten = [
      engine.onMembership(() => {
        this.#setPeers()
        this.#joining.look()
      }),
      engine.onLeadership(({ isLeader }) => {
        this.#watch.leadershipChanged(isLeader)
        this.#formatRaise.leadershipChanged(isLeader)
        this.#joining.look()
      })
    ]
  }

  #unfollow (): void {
    for (const unlisten of this.#unlisten) unlisten()
    this.#unlisten = []
  }

  /** Links are kept to all members; while this node is none, also to those that others say are. */
  #setPeers (): void {
    const { confState, nodeId: own } = this.#engine.status()
    const addresses = new Map<NodeId, Address>()
    const members = allMembers(confState)
    for (const nodeId of members.includes(own) ? members : new Set([...members, ...this.#addresses.heardOf()])) {
      const address = this.#addresses.of(nodeId)
      if (nodeId !== own && address !== undefined) addresses.set(nodeId, address)
    }
    this.#partFrom(addresses)
    this.#linked = addresses
    this.peers.setPeers(new Map([...[...this.#parting].map(([nodeId, { address }]) => [nodeId, address] as const), ...addresses]))
  }

  /** What is under way to and from members that have just gone is answered before their links are closed. */
  #partFrom (members: ReadonlyMap<NodeId, Address>): void {
    for (const [nodeId, address] of this.#linked) {
      if (members.has(nodeId) || this.#parting.has(nodeId) || this.#closing !== undefined) continue
      const timer = this.#clock.setTimer(PARTING_MS, () => {
        this.#parting.delete(nodeId)
        this.#setPeers()
      })
      this.#parting.set(nodeId, { address, timer })
    }
  }
}

/** Who this node is, before and after it is of a group. */
class Self {
  readonly #options: GroupMemberOptions
  nodeId: NodeId = 0
  identity: Identity | undefined
  /** Undefined before it is open. */
  engine: (() => Engine) | undefined

  constructor (options: GroupMemberOptions) {
    this.#options = options
  }

  get description (): SelfDescription {
    const { groupName, engine: { formatVersion = DATA_FORMAT_VERSION } } = this.#options
    return { groupName, groupId: this.identity?.groupId, nodeId: this.nodeId, formatVersion, groupFormat: this.engine?.().format.group ?? OLDEST_DATA_FORMAT }
  }

  /** The group while the engine is not open yet: its founders are what is known of its members. */
  get founding (): GroupDescription | null {
    return this.identity === undefined ? null : { groupId: this.identity.groupId, founders: this.identity.founders, leaderId: 0, members: [] }
  }
}

/** How the engine of that node is opened, each time: with what the others mend or replace, where something of it is damaged. */
function engineOpener (
  { engine, replicaSettings, catchUp }: GroupMemberOptions, network: PeerNetwork, addresses: AddressBook, settings: GroupSettings, identity: Identity,
  place: { readonly directory: string, readonly ports: EnginePorts }
): () => Promise<Engine> {
  const { nodeId, groupId, founders, incarnation } = identity
  const { logger, signal, formatVersion, limits: { segmentBytes } } = engine
  const { directory, ports: { clock, disk } } = place
  const replacement = new Replacement({ clock, disk, logger, directory, identity, network, addresses, segmentBytes, formatVersion, settings, receiverSettings: catchUp?.receiverSettings, signal })
  const open = async (): Promise<Engine> => {
    let isOpen = false
    const refetch = refetching({
      clock,
      logger,
      network,
      patienceMs: () => isOpen ? READ_PATIENCE_MS : OPEN_PATIENCE_MS,
      meetOthers: async () => { if (!isOpen) await replacement.meetOthers() },
      signal
    })
    const opened = await Engine.open({
      ...engine,
      ...place,
      group: { nodeId, founding: { groupId, founders, incarnation }, transport: network.transport(), settings: { ...groupReplicaSettings, ...replicaSettings }, refetch }
    })
    isOpen = true
    return opened
  }
  return async () => {
    try {
      return await open()
    } catch (error) {
      if (!isMqError(error, 'MQ_CORRUPT') || error.isReplaceable !== true) throw error
      await inDirectory(place.ports, directory, () => replacement.run(error, REPLACEMENT_PATIENCE_MS))
      return await open()
    }
  }
}

/** Holds the directory's lock while `act` runs: two processes must not be the same empty node. */
async function inDirectory<T> ({ disk, lock }: EnginePorts, directory: string, act: () => Promise<T>): Promise<T> {
  await takeDirectory({ disk, directory, lock, pid: processId() })
  try {
    return await act()
  } finally {
    await lock.release()
  }
}

function assertNumber ({ nodeId }: Identity, number: number, directory: string): void {
  if (numberOf(nodeId) === number) return
  throw new MqError('MQ_INVALID_ARGUMENT', `${directory} is that of node n${numberOf(nodeId)}, not of n${number} (dLegerSelfId)`, { nodeId })
}
