import { isMqError, type Clock, type Logger, type Timer } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import type { NodeId, PeerStatus } from '../raft/index.ts'
import { numberOf } from '../replica/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import { health, METHODS } from './messages.ts'
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
 * up, or because this node's disk hardly moves and that of another does.
 */
export class LeaderWatch {
  readonly #options: LeaderWatchOptions
  #timer: Timer | undefined
  #isLeading = false
  #notBeforeMs = -Infinity
  #running: Promise<void> = Promise.resolve()

  constructor (options: LeaderWatchOptions) {
    this.#options = options
  }

  leadershipChanged (isLeader: boolean): void {
    if (isLeader === this.#isLeading) return
    this.#isLeading = isLeader
    this.#timer?.cancel()
    if (isLeader) this.#arm()
  }

  async stop (): Promise<void> {
    this.leadershipChanged(false)
    await this.#running
  }

  #arm (): void {
    const { clock, settings, logger } = this.#options
    this.#timer = clock.setTimer(settings.watchIntervalMs, () => {
      this.#running = this.#look().catch((error: unknown) => {
        if (this.#isLeading) logger.warn('leadership could not be handed over', { error })
      }).then(() => { if (this.#isLeading) this.#arm() })
    })
  }

  async #look (): Promise<void> {
    const { clock, settings, engine } = this.#options
    if (clock.nowMs() < this.#notBeforeMs || !engine().role.isLeader) return
    const { flushMs } = engine()
    if (flushMs >= settings.diskStallTimeoutMs) {
      await this.#leaveStuckDisk(flushMs)
      return
    }
    const preferred = this.#preferred()
    if (preferred !== undefined && await this.#doesWell(preferred, settings.diskStallTimeoutMs)) await this.#handOver(preferred, 'it is preferred')
  }

  async #leaveStuckDisk (flushMs: number): Promise<void> {
    const candidates = this.#successors().sort((a, b) => b.matchIndex - a.matchIndex)
    for (const { id } of candidates) {
      if (!await this.#doesWell(id, flushMs * CLEARLY_FASTER)) continue
      await this.#handOver(id, `a flush takes ${Math.round(flushMs)} ms here`)
      return
    }
  }

  /** A node that is preferred to this one and has caught up. */
  #preferred (): NodeId | undefined {
    const { engine, settings: { promotionLagEntries } } = this.#options
    const preferredLeaders = this.#options.preferredLeaders()
    const { lastIndex, nodeId } = engine().status()
    const own = preferredLeaders.indexOf(numberOf(nodeId))
    const successors = this.#successors()
    for (const number of own === -1 ? preferredLeaders : preferredLeaders.slice(0, own)) {
      const peer = successors.find(({ id }) => numberOf(id) === number)
      if (peer !== undefined && peer.matchIndex + promotionLagEntries >= lastIndex) return peer.id
    }
    return undefined
  }

  #successors (): PeerStatus[] {
    const { peers, confState: { voters } } = this.#options.engine().status()
    return peers.filter(({ id, recentlyActive }) => recentlyActive && voters.includes(id))
  }

  async #doesWell (nodeId: NodeId, maxFlushMs: number): Promise<boolean> {
    const { network, settings: { askTimeoutMs: timeoutMs } } = this.#options
    try {
      const { flushMs } = health.decode(await network.call(nodeId, METHODS.health, new Uint8Array(0), { timeoutMs }))
      return flushMs <= maxFlushMs
    } catch {
      return false
    }
  }

  async #handOver (nodeId: NodeId, why: string): Promise<void> {
    const { clock, engine, logger, settings: { handOverPauseMs } } = this.#options
    if (!engine().role.isLeader) return
    this.#notBeforeMs = clock.nowMs() + handOverPauseMs
    logger.info(`leadership goes to n${numberOf(nodeId)}: ${why}`, { nodeId })
    try {
      await engine().transferLeadership(nodeId)
      this.#notBeforeMs = -Infinity
    } catch (error) {
      if (!isMqError(error, 'MQ_UNAVAILABLE') && !isMqError(error, 'MQ_BUSY')) throw error
      logger.warn(`n${numberOf(nodeId)} did not take over: ${error.message}`, { nodeId })
    }
  }
}
