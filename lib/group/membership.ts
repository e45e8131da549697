import { isMqError, MqError, type Clock, type Logger, type Timer } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { allMembers, isJoint, isVoter, type ConfState, type ConfStep, type NodeId } from '../raft/index.ts'
import { numberOf } from '../replica/index.ts'
import type { Caller } from '../transport/index.ts'
import { addressOf, addressSetting, removedSetting, type AddressBook } from './address-book.ts'
import { sameBytes } from './formation.ts'
import type { JoinAnswer, JoinRequest } from './messages.ts'
import type { GroupSettings } from './settings.ts'

export interface MembershipOptions {
  readonly logger: Logger
  readonly settings: GroupSettings
  readonly addresses: AddressBook
  readonly engine: () => Engine
  readonly clock: Clock
  /** The node has been heard of lately. */
  readonly isAlive: (nodeId: NodeId) => boolean
  /** There are links to the node now. */
  readonly isConnected: (nodeId: NodeId) => boolean
  /** Nodes that nobody has named may follow as learners (classic slaves). */
  readonly takesLearners: boolean
}

/** A learner that wants to be a voter has asked so lately. */
const WISH_LASTS_MS = 3_000
/** Changes, and questions of nodes that want to join, while another change is under way. */
const MAX_WAITING = 64

/**
 * Who is of the group, changed live by the leader: one change at a time. A newcomer is a learner until it has caught up.
 * One that comes back under a new incarnation takes the place of its old one in one joint change; others are made voters
 * so that their number stays odd, two at once where need be: a group of two or four would stop as easily as one or
 * three, or more.
 */
export class Membership {
  readonly #options: MembershipOptions
  /** When each learner that wants to be a voter last asked. */
  readonly #wishes = new Map<NodeId, number>()
  #changing: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor (options: MembershipOptions) {
    this.#options = options
  }

  /** A node asks to be a member: what it is now. @throws MQ_NOT_LEADER, MQ_INVALID_ARGUMENT it may not, MQ_BUSY not yet, MQ_FORMAT_TOO_NEW it is to be upgraded first */
  async handleJoin (request: JoinRequest, { nodeId, formatVersion }: Caller): Promise<JoinAnswer> {
    this.#assertLeader()
    return await this.#oneByOne(async () => {
      this.#assertMayJoin(nodeId, request)
      // its links were made before the group's format was raised
      const { group } = this.#options.engine().format
      if (formatVersion < group) throw new MqError('MQ_FORMAT_TOO_NEW', `the group writes data format ${group}, n${numberOf(nodeId)} reads up to ${formatVersion}: run a newer version on it`, { version: group })
      if (isVoter(this.#conf, nodeId)) return { role: 'voter' }
      if (!this.#isMember(nodeId)) await this.#admit(nodeId, request.address)
      if (request.wantsVote) this.#wishes.set(nodeId, this.#options.clock.nowMs())
      await this.#promoteReady()
      return { role: isVoter(this.#conf, nodeId) ? 'voter' : 'learner' }
    })
  }

  #assertMayJoin (nodeId: NodeId, { groupId, address, wantsVote }: JoinRequest): void {
    const { addresses, engine, takesLearners } = this.#options
    const { identity, store: { metadata } } = engine()
    const number = numberOf(nodeId)
    if (!sameBytes(groupId, identity.groupId)) throw new MqError('MQ_INVALID_ARGUMENT', `n${number} is of a group of the same name that was founded apart`)
    if (addressOf(address) === undefined) throw new MqError('MQ_INVALID_ARGUMENT', `'${address.slice(0, 64)}' is no address`)
    if (wasRemoved(metadata.setting(removedSetting(number)), nodeId) && !this.#isMember(nodeId)) {
      throw new MqError('MQ_INVALID_ARGUMENT', `n${number} was removed from the group; to add it again, start it with an empty directory`, { isRemoved: true })
    }
    if (!addresses.names(number) && (wantsVote || !takesLearners)) {
      throw new MqError('MQ_INVALID_ARGUMENT', `n${number} is not among the nodes of the group: add it (ledgermq add-node, QueueNode.addPeer), or name it in dLegerPeers`)
    }
  }

  /** Nobody comes or goes while `act` runs, which rests on who is a member. @throws MQ_BUSY */
  async whileNobodyComes (act: () => Promise<void>): Promise<void> { await this.#oneByOne(act) }

  /** A node of that number may join, at that address. @throws MQ_NOT_LEADER, MQ_INVALID_ARGUMENT */
  async name (number: number, address: string): Promise<void> {
    if (addressOf(address) === undefined) throw new MqError('MQ_INVALID_ARGUMENT', `'${address.slice(0, 64)}' is no address`)
    await this.#options.engine().config.putSettings({ [addressSetting(number)]: address })
  }

  /** Adds a node as a learner. @throws as Engine.changeMembership */
  async addLearner (nodeId: NodeId, address: string): Promise<void> {
    this.#assertLeader()
    await this.#oneByOne(() => this.#admit(nodeId, address))
  }

  /** Makes learners voters, in one change. @throws as Engine.changeMembership */
  async promote (nodeIds: readonly NodeId[]): Promise<void> {
    this.#assertLeader()
    await this.#oneByOne(() => this.#change(nodeIds.map((id) => ({ type: 'addVoter', id }))))
  }

  /**
   * Removes members, in one change; they do not come back by themselves. Learners that wait for a place among the voters take
   * theirs in the same change. A leader that is to go hands over first: it would leave behind what it has under way.
   * @throws MQ_NOT_LEADER also for one that has handed over: `leaderId` removes it; MQ_UNAVAILABLE those left could not decide anything; MQ_LEADERSHIP_LOST the
   * outcome is not known here; as Engine.changeMembership
   */
  async remove (nodeIds: readonly NodeId[]): Promise<void> {
    await this.#oneByOne(async () => {
      this.#assertLeader()
      const { config, identity } = this.#options.engine()
      const left = this.#conf.voters.filter((id) => !nodeIds.includes(id))
      const added = evenedOut(left.length, this.#readyLearners().filter((id) => !nodeIds.includes(id)))
      this.#assertDecisive([...left, ...added])
      if (nodeIds.includes(identity.nodeId)) await this.#handOver(left)
      // means nothing while they are members; afterwards this node may not lead any more
      await config.putSettings(removals(nodeIds))
      await this.#change([...added.map((id): ConfStep => ({ type: 'addVoter', id })), ...nodeIds.map((id): ConfStep => ({ type: 'remove', id }))])
      const gone = nodeIds.filter((id) => !allMembers(this.#conf).some((member) => numberOf(member) === numberOf(id)))
      if (gone.length === 0) return
      await config.putSettings(Object.fromEntries(gone.map((id) => [addressSetting(numberOf(id)), '']))).catch((error: unknown) => {
        if (!isMqError(error)) throw error
      })
    })
  }

  /** What can be reached of the voters to be must be a majority: else nothing would be decided any more, not even that others come. */
  #assertDecisive (voters: readonly NodeId[]): void {
    const { engine, isConnected } = this.#options
    const missing = voters.filter((id) => id !== engine().identity.nodeId && !isConnected(id))
    if (missing.length * 2 < voters.length || voters.length === 0) return
    throw new MqError('MQ_UNAVAILABLE', `${voters.map((id) => `n${numberOf(id)}`).join(', ')} would be left, and ${missing.map((id) => `n${numberOf(id)}`).join(', ')} cannot be reached: they could not decide anything. Remove what is gone first, or with the others`)
  }

  /** A caught-up learner becomes a voter in place of another one, in one joint change. @throws as Engine.changeMembership */
  async replace (old: NodeId, by: NodeId): Promise<void> {
    this.#assertLeader()
    await this.#oneByOne(() => this.#change([{ type: 'addVoter', id: by }, { type: 'remove', id: old }]))
  }

  async #admit (nodeId: NodeId, address: string): Promise<void> {
    const { addresses, engine, logger, isAlive } = this.#options
    const number = numberOf(nodeId)
    const namesakes = allMembers(this.#conf).filter((id) => id !== nodeId && numberOf(id) === number)
    if (namesakes.some((id) => id === engine().identity.nodeId || isAlive(id))) {
      throw new MqError('MQ_BUSY', `a node n${number} is alive in the group: two nodes have one number, or it has just been stopped`)
    }
    if (!addresses.isConfigured(number)) await this.name(number, address)
    logger.info(`n${number} becomes a learner`, { nodeId })
    await this.#change([
      ...namesakes.filter((id) => !isVoter(this.#conf, id)).map((id): ConfStep => ({ type: 'remove', id })),
      { type: 'addLearner', id: nodeId }
    ])
  }

  /** Makes voters of those learners that want it and have caught up, as far as that keeps the number of voters odd. */
  async #promoteReady (): Promise<void> {
    const { logger } = this.#options
    const { voters } = this.#conf
    const ready = this.#readyLearners()
    const oldOf = (nodeId: NodeId): NodeId | undefined => voters.find((id) => numberOf(id) === numberOf(nodeId))
    const returned = ready.find((nodeId) => oldOf(nodeId) !== undefined)
    const added = returned === undefined ? evenedOut(voters.length, ready) : []
    const steps: ConfStep[] = returned === undefined
      ? added.map((id) => ({ type: 'addVoter', id }))
      : [{ type: 'addVoter', id: returned }, { type: 'remove', id: oldOf(returned)! }]
    if (steps.length === 0) return
    logger.info(returned === undefined ? `${added.map((id) => `n${numberOf(id)}`).join(', ')} become voters` : `n${numberOf(returned)} is a voter again, under a new incarnation`, { steps })
    await this.#change(steps)
  }

  /** Those that want to be voters, have caught up, and are there: two that died since would be two of three. */
  #readyLearners (): NodeId[] {
    const { engine, settings: { promotionLagEntries }, clock, isConnected } = this.#options
    const { peers, commitIndex, confState: { learners } } = engine().status()
    const ready: NodeId[] = []
    for (const [nodeId, askedAtMs] of this.#wishes) {
      if (!learners.includes(nodeId) || clock.nowMs() - askedAtMs > WISH_LASTS_MS) {
        this.#wishes.delete(nodeId)
      } else if (isConnected(nodeId) && (peers.find(({ id }) => id === nodeId)?.matchIndex ?? 0) + promotionLagEntries >= commitIndex) {
        ready.push(nodeId)
      }
    }
    return ready
  }

  /** @throws MQ_NOT_LEADER it has, MQ_UNAVAILABLE nobody takes over */
  async #handOver (candidates: readonly NodeId[]): Promise<never> {
    const engine = this.#options.engine()
    const [successor] = engine.status().peers.filter(({ id }) => candidates.includes(id))
      .sort((a, b) => Number(b.recentlyActive) - Number(a.recentlyActive) || b.matchIndex - a.matchIndex)
    if (successor === undefined) throw new MqError('MQ_INVALID_ARGUMENT', 'no voter would be left')
    await engine.transferLeadership(successor.id)
    throw new MqError('MQ_NOT_LEADER', `n${numberOf(successor.id)} leads the group now: it can remove this node`, { leaderId: successor.id })
  }

  /**
   * Resolves when the new configuration is the only one. What a joint one has begun the next leader finishes: this node waits a while
   * to hear of it. @throws MQ_LEADERSHIP_LOST it did not
   */
  async #change (steps: readonly ConfStep[]): Promise<void> {
    if (steps.length === 0) return
    const { clock, settings: { leaderSilenceMs } } = this.#options
    const engine = this.#options.engine()
    await engine.changeMembership({ transition: 'auto', steps })
    const ends: Array<() => void> = []
    let timer: Timer | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const giveUp = (): void => { reject(new MqError('MQ_LEADERSHIP_LOST', 'this node led no more before the change of the members was finished: the next leader finishes it, of which this node has not heard')) }
        const look = (): void => {
          if (!isJoint(engine.status().confState)) resolve()
          else if (!engine.role.isLeader) timer ??= clock.setTimer(leaderSilenceMs, giveUp)
        }
        ends.push(engine.onMembership(look), engine.onLeadership(look))
      })
    } finally {
      timer?.cancel()
      for (const end of ends) end()
    }
  }

  /** Changes follow each other: the next one sees what the one before has made. */
  async #oneByOne<T> (change: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) throw new MqError('MQ_BUSY', `${this.#waiting} changes of the members wait for one that is under way`)
    this.#waiting++
    const before = this.#changing
    const done = (async () => {
      await before
      return await change()
    })()
    this.#changing = done.catch(() => {}).finally(() => { this.#waiting-- })
    return await done
  }

  get #conf (): ConfState { return this.#options.engine().status().confState }

  #isMember (nodeId: NodeId): boolean { return allMembers(this.#conf).includes(nodeId) }

  #assertLeader (): void {
    const { isLeader, leaderId } = this.#options.engine().role
    if (!isLeader) throw new MqError('MQ_NOT_LEADER', leaderId === 0 ? 'the group has no leader at the moment' : `node ${leaderId} leads the group`, { leaderId })
  }
}

/** The settings that remember nodes as removed: by number, which two of them may have, an old incarnation and the one that was to replace it. */
function removals (nodeIds: readonly NodeId[]): Record<string, string> {
  const settings: Record<string, string> = {}
  for (const id of nodeIds) {
    const name = removedSetting(numberOf(id))
    settings[name] = settings[name] === undefined ? String(id) : `${settings[name]},${id}`
  }
  return settings
}

function wasRemoved (setting: string | undefined, nodeId: NodeId): boolean {
  return setting?.split(',').includes(String(nodeId)) === true
}

/** As many of those that are ready as leave an odd number of voters. */
function evenedOut (voters: number, ready: readonly NodeId[]): readonly NodeId[] {
  return ready.slice(0, ready.length - (voters + ready.length + 1) % 2)
}
