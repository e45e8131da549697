import { isMqError, within, type Clock, type Logger } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import type { NodeId, PeerStatus } from '../raft/index.ts'
import { numberOf } from '../replica/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import { LeaderRounds } from './leader-rounds.ts'
import { health, METHODS, room } from './messages.ts'
import type { GroupSettings } from './settings.ts'

export interface LeaderWatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: GroupSettings
  readonly network: PeerNetwork
  readonly engine: () => Engine
  /** Numbers of the nodes that should lead, the first of them that can; asked for at each look. */
  readonly preferredLeaders: () => readonly number[]
}

/** A peer whose flushes take no longer than this part of the leader's does better. */
const CLEARLY_FASTER = 0.5

/**
 * While this node leads it looks whether another should: because the configuration prefers that one and it has caught
 * up, or because this node's disk hardly moves, or is full, and that of another is not.
 */
export class LeaderWatch {
  readonly #options: LeaderWatchOptions
  readonly #rounds: LeaderRounds
  #notBeforeMs = -Infinity
  /** Since when each look found no room; Infinity: there is. */
  #shortSinceMs = Infinity

  constructor (options: LeaderWatchOptions) {
    this.#options = options
    const { clock, settings, logger } = options
    this.#rounds = new LeaderRounds({
      clock,
      intervalMs: settings.watchIntervalMs,
      look: () => this.#look(),
      onFailure: (error) => { logger.warn('leadership could not be handed over', { error }) }
    })
  }

  leadershipChanged (isLeader: boolean): void {
    if (!isLeader) this.#shortSinceMs = Infinity
    this.#rounds.leadershipChanged(isLeader)
  }

  async stop (): Promise<void> { await this.#rounds.stop() }

  async #look (): Promise<void> {
    const { clock, settings, engine } = this.#options
    if (clock.nowMs() < this.#notBeforeMs || !engine().role.isLeader) return
    const { flushMs, isShortOfRoom } = engine()
    this.#shortSinceMs = isShortOfRoom ? Math.min(this.#shortSinceMs, clock.nowMs()) : Infinity
    if (flushMs >= settings.diskStallTimeoutMs) {
      await this.#leaveStuckDisk(flushMs)
      return
    }
    if (clock.nowMs() - this.#shortSinceMs >= settings.diskStallTimeoutMs && await this.#leaveFullDisk()) return
    for (const id of this.#preferred()) {
      if (await this.#hasRoom(id) === false || !await this.#doesWell(id, settings.diskStallTimeoutMs)) continue
      await this.#handOver(id, 'it is preferred')
      return
    }
  }

  async #leaveStuckDisk (flushMs: number): Promise<void> {
    const { engine, settings } = this.#options
    for (const id of await this.#fullOnesLast()) {
      if (!await this.#doesWell(id, flushMs * CLEARLY_FASTER)) continue
      // while others were asked, or did not take over
      if (engine().flushMs < settings.diskStallTimeoutMs) return
      const why = `a flush takes ${Math.round(flushMs)} ms here`
      // what the other lacks may have to be read from the disk that is stuck
      if (await this.#handOver(id, why) || this.#leaveTo(id, why)) return
    }
  }

  /** Those that say they have no room take a leader's place where nobody else does. */
  async #fullOnesLast (): Promise<NodeId[]> {
    const candidates = await Promise.all(this.#successors().map(async ({ id }) => ({ id, isFull: await this.#hasRoom(id) === false })))
    return candidates.sort((a, b) => Number(a.isFull) - Number(b.isFull)).map(({ id }) => id)
  }

  /**
   * Whoever has no room takes what the others decide as long as it can, and ends: so a majority must have room. Whether it
   * was tried.
   */
  async #leaveFullDisk (): Promise<boolean> {
    const { engine, settings } = this.#options
    const { votersOutgoing, voters } = engine().status().confState
    const roomy: NodeId[] = []
    for (const { id } of this.#successors()) if (await this.#hasRoom(id) === true) roomy.push(id)
    if (votersOutgoing.length > 0 || roomy.length <= voters.length / 2 || await this.#hasRoomHere() !== false) return false
    for (const id of roomy) {
      if (!await this.#doesWell(id, settings.diskStallTimeoutMs)) continue
      await this.#handOver(id, 'the disk is full here')
      return true
    }
    return false
  }

  /** Nodes that are preferred to this one and have caught up. */
  #preferred (): NodeId[] {
    const { engine, settings: { promotionLagEntries } } = this.#options
    const preferredLeaders = this.#options.preferredLeaders()
    const { lastIndex, nodeId } = engine().status()
    const own = preferredLeaders.indexOf(numberOf(nodeId))
    const caughtUp = this.#successors().filter(({ matchIndex }) => matchIndex + promotionLagEntries >= lastIndex)
    return (own === -1 ? preferredLeaders : preferredLeaders.slice(0, own)).flatMap((number) => caughtUp.filter(({ id }) => numberOf(id) === number).map(({ id }) => id))
  }

  /** Whose log goes furthest first. */
  #successors (): PeerStatus[] {
    const { peers, confState: { voters } } = this.#options.engine().status()
    return peers.filter(({ id, recentlyActive, inDoubt }) => recentlyActive && !inDoubt && voters.includes(id)).sort((a, b) => b.matchIndex - a.matchIndex)
  }

  async #doesWell (nodeId: NodeId, maxFlushMs: number): Promise<boolean> {
    const answer = await this.#ask(nodeId, METHODS.health, health.decode)
    return answer !== undefined && answer.flushMs <= maxFlushMs
  }

  /** Undefined: the disk does not say. It may be stuck by now, which the next look is to find. */
  async #hasRoomHere (): Promise<boolean | undefined> {
    const { clock, engine, settings: { askTimeoutMs } } = this.#options
    return await within(clock, askTimeoutMs, engine().hasRoomToLead())
  }

  /** Undefined: it does not say. */
  async #hasRoom (nodeId: NodeId): Promise<boolean | undefined> {
    return (await this.#ask(nodeId, METHODS.room, room.decode))?.hasRoom
  }

  /** Undefined: nothing that makes sense came in time. */
  async #ask<Answer> (nodeId: NodeId, method: string, decode: (bytes: Uint8Array) => Answer): Promise<Answer | undefined> {
    const { network, settings: { askTimeoutMs: timeoutMs } } = this.#options
    try {
      return decode(await network.call(nodeId, method, new Uint8Array(0), { timeoutMs }))
    } catch {
      return undefined
    }
  }

  #leaveTo (nodeId: NodeId, why: string): boolean {
    const { engine, logger, settings: { diskStallTimeoutMs } } = this.#options
    if (engine().flushMs < diskStallTimeoutMs || !engine().leaveTo(nodeId)) return false
    logger.warn(`leadership was given up, n${numberOf(nodeId)} is to look for votes: ${why}`, { nodeId })
    return true
  }

  /** Whether that node leads now. Whom somebody else hands leadership to at this moment gets it. */
  async #handOver (nodeId: NodeId, why: string): Promise<boolean> {
    const { clock, engine, logger, settings: { handOverPauseMs } } = this.#options
    if (!engine().role.isLeader || engine().status().transfereeId !== 0) return false
    this.#notBeforeMs = clock.nowMs() + handOverPauseMs
    logger.info(`leadership goes to n${numberOf(nodeId)}: ${why}`, { nodeId })
    try {
      await engine().transferLeadership(nodeId)
      this.#notBeforeMs = -Infinity
      return true
    } catch (error) {
      if (!isMqError(error, 'MQ_UNAVAILABLE') && !isMqError(error, 'MQ_BUSY')) throw error
      logger.warn(`n${numberOf(nodeId)} did not take over: ${error.message}`, { nodeId })
      return false
    }
  }
}
