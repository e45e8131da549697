import type { Clock, Logger } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { allMembers, type NodeId } from '../raft/index.ts'
import { numberOf } from '../replica/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import { LeaderRounds } from './leader-rounds.ts'
import type { GroupSettings } from './settings.ts'

export interface FormatRaiseOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: Pick<GroupSettings, 'watchIntervalMs'>
  readonly network: PeerNetwork
  readonly engine: () => Engine
  /** Runs `act` while no node becomes a member, which might not read what is written from then on. */
  readonly whileNobodyComes: (act: () => Promise<void>) => Promise<void>
}

/**
 * While this node leads and the group writes an older data format than this node could, it looks whether every member, voter
 * or learner, is connected and has said that it reads a later one; then the group writes that from then on, for good. Members
 * that are away are waited for: they may come back as what they were.
 */
export class FormatRaise {
  readonly #options: FormatRaiseOptions
  readonly #rounds: LeaderRounds
  #reported = ''

  constructor (options: FormatRaiseOptions) {
    this.#options = options
    const { clock, settings, logger, engine } = options
    this.#rounds = new LeaderRounds({
      clock,
      intervalMs: settings.watchIntervalMs,
      isNeeded: () => engine().format.group < engine().format.newest,
      look: () => this.#look(),
      onFailure: (error) => { logger.warn('the data format of the group could not be raised', { error }) }
    })
  }

  leadershipChanged (isLeader: boolean): void {
    if (!isLeader) this.#reported = ''
    this.#rounds.leadershipChanged(isLeader)
  }

  async stop (): Promise<void> {
    await this.#rounds.stop()
  }

  async #look (): Promise<void> {
    const { common, formats } = this.#common()
    const { group } = this.#options.engine().format
    if (common > group) await this.#options.whileNobodyComes(() => this.#raise())
    else if (common === group) this.#report(formats.filter(([, format]) => (format ?? group) <= group).map(([id, format]) => `n${numberOf(id)} ${format === undefined ? 'is not connected' : `reads up to ${format}`}`).join(', '))
  }

  /** What each of the others reads up to, and what all read. */
  #common (): { readonly common: number, readonly formats: ReadonlyArray<readonly [NodeId, number | undefined]> } {
    const { engine } = this.#options
    const { format: { group, newest } } = engine()
    const { confState, nodeId } = engine().status()
    const formats = allMembers(confState).filter((id) => id !== nodeId).map((id) => [id, this.#formatOf(id)] as const)
    return { common: Math.min(newest, ...formats.map(([, format]) => format ?? group)), formats }
  }

  async #raise (): Promise<void> {
    const { engine, logger } = this.#options
    const { group } = engine().format
    const { common } = this.#common()
    if (common <= group || !engine().role.isLeader) return
    await engine().raiseFormat(common)
    logger.info(`the group writes data format ${common} now: all its members read it`, { from: group, to: common })
  }

  #formatOf (nodeId: NodeId): number | undefined {
    const link = this.#options.network.linkStats().find((link) => link.nodeId === nodeId)
    return link?.isConnected === true ? link.formatVersion : undefined
  }

  #report (why: string): void {
    if (why === this.#reported) return
    this.#reported = why
    const { engine, logger } = this.#options
    const { group, newest } = engine().format
    logger.info(`the group goes on writing data format ${group}; this node could write ${newest}, but ${why}`)
  }
}
