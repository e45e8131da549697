import { isMqError, wait, type Clock, type Logger } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import type { ConfState } from '../raft/index.ts'
import { numberOf } from '../replica/index.ts'
import { addressText, type Address } from '../remoting/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import type { AddressBook } from './address-book.ts'
import { hex } from './formation.ts'
import { joinAnswer, joinRequest, METHODS } from './messages.ts'
import { Reminder } from './reminder.ts'
import type { GroupSettings } from './settings.ts'
import { askOfGroup, leaderIn } from './whereabouts.ts'

export interface JoiningOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: GroupSettings
  readonly network: PeerNetwork
  readonly addresses: AddressBook
  readonly groupName: string
  /** Where this node listens for the others. */
  readonly ownAddress: string
  readonly wantsVote: boolean
  readonly engine: () => Engine
  /** The others may be somewhere else than was known. */
  readonly onHeard: () => void
  /** The leader says that this node was removed. */
  readonly onRemoved: () => void
}

/**
 * A node that is of the group and not yet what it wants to be asks the leader, until it is: as a learner first, as a
 * voter once it has caught up. The leader keeps no list of those that wait. A member that hears of no leader for long
 * asks too: it may have been removed while it was away.
 */
export class Joining {
  readonly #options: JoiningOptions
  readonly #reminder: Reminder
  readonly #end = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #isRunning = false
  #silentSinceMs: number

  constructor (options: JoiningOptions) {
    this.#options = options
    const { clock, logger, settings } = options
    this.#reminder = new Reminder(clock, logger, settings.remindIntervalMs)
    this.#silentSinceMs = clock.nowMs()
  }

  /** Asks while there is something to ask for. Cheap: to be called when leader or configuration have changed, and at the start. */
  look (): void {
    if (this.#options.engine().role.leaderId !== 0) this.#silentSinceMs = Infinity
    else if (this.#silentSinceMs === Infinity) this.#silentSinceMs = this.#options.clock.nowMs()
    if (this.#isRunning || this.#end.signal.aborted || (this.#isSettled && this.#silentSinceMs === Infinity)) return
    this.#isRunning = true
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#end.signal.aborted) this.#options.logger.error('joining the group ended', { error })
    }).finally(() => { this.#isRunning = false })
  }

  async stop (): Promise<void> {
    this.#end.abort()
    await this.#running
  }

  /** This node is what it wants to be, as far as it knows. */
  get #isSettled (): boolean {
    const { engine, wantsVote } = this.#options
    const { confState, nodeId } = engine().status()
    return isIn(confState.voters, nodeId) || (!wantsVote && isIn(confState.learners, nodeId))
  }

  async #run (): Promise<void> {
    const { clock, settings: { askIntervalMs, leaderSilenceMs } } = this.#options
    while (!this.#end.signal.aborted) {
      if (!this.#isSettled) await this.#ask()
      else if (this.#silentSinceMs === Infinity) return
      else if (clock.nowMs() - this.#silentSinceMs >= leaderSilenceMs) await this.#ask()
      await wait(clock, askIntervalMs, this.#end.signal)
    }
  }

  async #ask (): Promise<void> {
    const { network, groupName, ownAddress, wantsVote, engine, settings: { askTimeoutMs: timeoutMs } } = this.#options
    const { identity } = engine()
    if (engine().role.isLeader) return
    const leader = await this.#findLeader()
    if (leader === undefined) {
      this.#reminder.say(`group '${groupName}' has no leader that this node could reach`)
      return
    }
    const body = joinRequest.encode({ groupId: identity.groupId, address: ownAddress, wantsVote })
    try {
      const { role } = joinAnswer.decode(await network.callAddress(leader, METHODS.join, body, { timeoutMs, signal: this.#end.signal }))
      if (role === 'learner' && wantsVote) this.#reminder.say(`n${numberOf(identity.nodeId)} is a learner of group '${groupName}' until it has caught up`)
    } catch (error) {
      if (this.#end.signal.aborted) return
      if (isMqError(error, 'MQ_INVALID_ARGUMENT') && error.isRemoved === true) this.#options.onRemoved()
      const text = isMqError(error) ? error.message : String(error)
      this.#reminder.say(`n${numberOf(identity.nodeId)} is not a member of group '${groupName}' yet: ${text}`)
    }
  }

  /** Where the leader listens, as others say; what they say of the members is kept. */
  async #findLeader (): Promise<Address | undefined> {
    const { network, addresses, engine, logger, groupName, onHeard, settings: { askTimeoutMs: timeoutMs } } = this.#options
    const { identity, role: { leaderId } } = engine()
    const known = leaderId === 0 ? undefined : addresses.of(leaderId)
    if (known !== undefined) return known
    const heard = await askOfGroup(this.#others(), {
      network,
      addresses,
      logger,
      groupId: identity.groupId,
      timeoutMs,
      signal: this.#end.signal,
      onStranger: (address, group) => { this.#reminder.say(`the node at ${addressText(address)} is of another group '${groupName}' (${hex(group.groupId)}, this one ${hex(identity.groupId)}): they were founded apart`) }
    })
    onHeard()
    return leaderIn(heard, addresses)
  }

  #others (): Address[] {
    const { addresses, engine, ownAddress } = this.#options
    const { nodeId, confState } = engine().status()
    const all = new Map<string, Address>()
    for (const [number, address] of addresses.configured) if (number !== numberOf(nodeId)) all.set(addressText(address), address)
    for (const member of [...confState.voters, ...confState.learners]) {
      const address = addresses.of(member)
      if (member !== nodeId && address !== undefined) all.set(addressText(address), address)
    }
    all.delete(ownAddress)
    return [...all.values()]
  }
}

function isIn (ids: ConfState['voters'], id: number): boolean {
  return ids.includes(id)
}
