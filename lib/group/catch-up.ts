import type { Clock, Disk, Logger } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'
import { DATA_FORMAT_VERSION, installReceived, type Received, type Replica } from '../replica/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import { CatchUpDonor, type DonorSettings } from './catch-up-donor.ts'
import { CHUNK_METHOD, MANIFEST_METHOD, RANGE_METHOD } from './catch-up-messages.ts'
import { CatchUpReceiver, type ReceiverSettings } from './catch-up-receiver.ts'
import { dropIncoming } from './incoming.ts'

export type CatchUpReplica = Pick<Replica, 'nodeId' | 'log' | 'stateMachine' | 'identity' | 'demandBaseDump' | 'onCatchUpNeeded' | 'status'>

export interface CatchUpOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly logger: Logger
  /** The node's data directory. */
  readonly directory: string
  /** As of its log. */
  readonly segmentBytes: number
  readonly peers: Pick<PeerNetwork, 'call' | 'onCall'>
  /** Whom this node can reach: it may not know yet who the members are. */
  readonly reachable?: () => readonly NodeId[]
  /**
   * All that this node needs has come: `detach`, close the replica, `install`, open it again, `attach`. Not called again
   * before that.
   */
  readonly onReceived: (received: Received) => void
  readonly donorSettings?: Partial<DonorSettings>
  readonly receiverSettings?: Partial<ReceiverSettings>
}

/**
 * Both sides of catching up at one node: gives others what they lack, and fetches what this node lacks when the leader
 * says that it is gone from its log. Outlives the replica, which is opened anew on what has come.
 */
export class CatchUp {
  readonly #options: CatchUpOptions
  #replica: CatchUpReplica | undefined
  #donor: CatchUpDonor | undefined
  #receiver: CatchUpReceiver | undefined
  #received: Received | undefined
  #unlisten: (() => void) | undefined

  constructor (options: CatchUpOptions) {
    this.#options = options
  }

  get isReceiving (): boolean { return this.#receiver?.isRunning === true }
  get donor (): CatchUpDonor | undefined { return this.#donor }

  /** Serves this replica, which was just opened. */
  attach (replica: CatchUpReplica): void {
    const { clock, disk, logger, directory, segmentBytes, peers, reachable, onReceived, donorSettings = {}, receiverSettings = {} } = this.#options
    const donor = this.#donor = new CatchUpDonor({ clock, disk, replica, settings: donorSettings })
    peers.onCall(MANIFEST_METHOD, (body) => donor.manifest(body))
    peers.onCall(CHUNK_METHOD, (body) => donor.chunk(body))
    peers.onCall(RANGE_METHOD, (body) => donor.range(body))
    this.#replica = replica
    this.#received = undefined
    const receiver = this.#receiver = new CatchUpReceiver({
      clock,
      disk,
      logger,
      directory,
      groupId: replica.identity.groupId,
      formatVersion: replica.stateMachine.newestFormat ?? DATA_FORMAT_VERSION,
      segmentBytes,
      call: (to, method, body, options) => peers.call(to, method, body, options),
      donors: () => [...new Set([...membersBeside(replica), ...reachable?.() ?? []])],
      commitIndex: () => replica.status().commitIndex,
      onReceived: (received) => {
        this.#received = received
        onReceived(received)
      },
      settings: receiverSettings
    })
    this.#unlisten = replica.onCatchUpNeeded((call) => { receiver.needed(call) })
  }

  /** Before the replica is closed: gives nothing more and fetches nothing more. What has come stays, also for the next process. */
  async detach (): Promise<void> {
    this.#unlisten?.()
    this.#donor?.close()
    await this.#receiver?.close()
  }

  /**
   * After the replica was closed: puts what has come in the place of its log, unless that has come as far by itself.
   * Returns whether it did. Stopped anywhere, opening the replica does the rest.
   */
  async install (): Promise<boolean> {
    const received = this.#received
    const replica = this.#replica
    if (received === undefined || replica === undefined) return false
    this.#received = undefined
    const { disk, directory, logger } = this.#options
    const { index, term } = received
    // All committed entries are the same everywhere; so nothing goes that this node has promised to keep.
    const isBehind = replica.status().commitIndex < index && replica.log.term(index) !== term
    if (isBehind) await installReceived({ disk, directory, logger }, received)
    else await dropIncoming(disk, directory)
    return isBehind
  }
}

function membersBeside (replica: CatchUpReplica): NodeId[] {
  const { voters, votersOutgoing, learners } = replica.status().confState
  return [...new Set([...voters, ...votersOutgoing, ...learners])].filter((id) => id !== replica.nodeId)
}
