import { join } from 'node:path'
import { wait, type Clock, type Disk, type Logger, type MqError } from '../base/index.ts'
import { DOUBT_FILE, DoubtFile } from '../log/index.ts'
import type { NodeId } from '../raft/index.ts'
import { DATA_FORMAT_VERSION, installReceived, numberOf, type Identity, type Received } from '../replica/index.ts'
import type { Address } from '../remoting/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import type { AddressBook } from './address-book.ts'
import { CatchUpReceiver, type ReceiverSettings } from './catch-up-receiver.ts'
import type { GroupDescription } from './messages.ts'
import type { GroupSettings } from './settings.ts'
import { askOfGroup } from './whereabouts.ts'

export interface ReplacementOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly logger: Logger
  readonly directory: string
  readonly identity: Identity
  readonly network: PeerNetwork
  readonly addresses: AddressBook
  readonly segmentBytes: number
  readonly formatVersion?: number | undefined
  readonly settings: GroupSettings
  readonly receiverSettings?: Partial<ReceiverSettings> | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * For a node of a group whose log, or whose state and what it could be made of, is damaged so that it does not open, and
 * that takes no part meanwhile. Others have what it had, or what the group has decided on instead.
 */
export class Replacement {
  readonly #options: ReplacementOptions

  constructor (options: ReplacementOptions) {
    this.#options = options
  }

  /** Makes links to those who are members by now, as others say. Returns who leads: not this node, nor nobody. */
  async meetOthers (): Promise<NodeId | undefined> {
    const { network, addresses, logger, identity: { groupId, nodeId: own }, settings: { askTimeoutMs: timeoutMs }, signal } = this.#options
    const places = [...addresses.configured].filter(([number]) => number !== numberOf(own)).map(([, address]) => address)
    const groups = await askOfGroup(places, { network, addresses, logger, groupId, timeoutMs, signal, onStranger () {} })
    if (groups.length > 0) network.setPeers(this.#linksTo(groups))
    return groups.find(({ leaderId }) => leaderId !== 0 && leaderId !== own)?.leaderId
  }

  #linksTo (groups: readonly GroupDescription[]): Map<NodeId, Address> {
    const { addresses, identity: { nodeId: own } } = this.#options
    const links = new Map<NodeId, Address>()
    for (const { members } of groups) {
      for (const { nodeId } of members) {
        const address = addresses.of(nodeId)
        if (nodeId !== own && address !== undefined) links.set(nodeId, address)
      }
    }
    return links
  }

  /**
   * Fetches log and state of another node, where the others have a leader without this one, and puts them in the place of what
   * is here, which is kept until all has come. The node is in doubt afterwards, durably: it may have acknowledged more than
   * what came. @throws `damage` after `patienceMs` in which nothing came
   */
  async run (damage: MqError, patienceMs: number): Promise<void> {
    const { clock, logger, settings: { askIntervalMs }, signal } = this.#options
    logger.error(`${damage.message}; log and state of another node are to take the place of what is here`)
    let untilMs = clock.nowMs() + patienceMs
    for (;;) {
      const leader = await this.meetOthers()
      const received = leader === undefined ? undefined : await this.#receive(leader, () => { untilMs = clock.nowMs() + patienceMs })
      if (received !== undefined) return await this.#install(received)
      if (clock.nowMs() >= untilMs) throw damage
      await wait(clock, askIntervalMs, signal)
    }
  }

  async #receive (leader: NodeId, onAnswer: () => void): Promise<Received | undefined> {
    const { clock, disk, logger, directory, identity: { groupId, nodeId: own }, network, segmentBytes, formatVersion = DATA_FORMAT_VERSION, receiverSettings = {}, signal } = this.#options
    let received: Received | undefined
    const receiver = new CatchUpReceiver({
      clock,
      disk,
      logger,
      directory,
      groupId,
      formatVersion,
      segmentBytes,
      call: async (...call) => {
        const answer = await network.call(...call)
        onAnswer()
        return answer
      },
      donors: () => network.linkStats().filter(({ nodeId, isConnected }) => isConnected && nodeId !== own).map(({ nodeId }) => nodeId),
      commitIndex: () => 0,
      onReceived: (all) => { received = all },
      settings: receiverSettings
    })
    const stop = (): void => { receiver.close().catch(() => {}) }
    signal?.addEventListener('abort', stop, { once: true })
    receiver.needed({ from: leader, snapshot: { index: 1 } })
    await receiver.ended
    signal?.removeEventListener('abort', stop)
    return received
  }

  async #install (received: Received): Promise<void> {
    const { disk, logger, directory } = this.#options
    const doubtFile = await DoubtFile.open(disk, join(directory, DOUBT_FILE), logger)
    try {
      await doubtFile.begin()
    } finally {
      await doubtFile.close()
    }
    await installReceived({ disk, directory, logger }, received)
    logger.warn(`what was damaged here was replaced by what the group had decided on through entry ${received.index}; this node neither votes nor counts until it has all that it may have confirmed`, { logIndex: received.index })
  }
}
