import type { MqError } from '../base/index.ts'
import { Engine, StateRebuilds, type EngineOptions } from '../engine/index.ts'
import type { MemberStatus } from '../group/index.ts'
import type { NodeId } from '../raft/index.ts'
import type { PeerNetwork } from '../transport/index.ts'

/** What a broker is the front of: an engine of its own, or the member of a group that its engine is. */
export interface BrokerNode {
  /** Another one after `onEngine` has told so. */
  readonly engine: Engine
  /** Its place among others; undefined: it is alone and always leads. */
  readonly group: NodeOfGroup | undefined
  /** Told when the engine was replaced by one that has caught up, or whose state was made anew; the old one is closed by then. */
  onEngine (listener: (engine: Engine) => void): void
  /** Told when no engine could be opened in the place of the old one: nothing can be served any more. What stops an engine it tells itself. */
  onFailure? (listener: (error: Error) => void): void
  /** Told when others have removed this node from its group. */
  onRemoved? (listener: () => void): void
  close (): Promise<void>
}

export interface NodeOfGroup {
  /** Under which it registers with name servers while it does not lead. */
  readonly brokerId: number
  readonly peers: Pick<PeerNetwork, 'call' | 'onCall' | 'linkStats'>
  members (): MemberStatus[]
  /** It is of the group, and stays. */
  isMember (): boolean
  /** @see GroupMember.addPeer */
  addPeer (number: number, address: string): Promise<void>
  /** @see GroupMember.remove */
  remove (nodeIds: readonly NodeId[]): Promise<void>
}

/** An engine alone; another one takes its place when its state is found damaged. @throws as Engine.open */
export async function openAlone (options: EngineOptions): Promise<BrokerNode> {
  return new NodeAlone(await Engine.open(options), options)
}

class NodeAlone implements BrokerNode {
  readonly group = undefined
  readonly #options: EngineOptions
  readonly #rebuilds: StateRebuilds
  readonly #engineListeners: Array<(engine: Engine) => void> = []
  readonly #failureListeners: Array<(error: Error) => void> = []
  engine: Engine
  #reopening: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor (engine: Engine, options: EngineOptions) {
    this.engine = engine
    this.#options = options
    this.#rebuilds = new StateRebuilds(engine.clock)
    this.#watch(engine)
  }

  onEngine (listener: (engine: Engine) => void): void { this.#engineListeners.push(listener) }

  onFailure (listener: (error: Error) => void): void { this.#failureListeners.push(listener) }

  async close (): Promise<void> {
    this.#isClosed = true
    await this.#reopening
    await this.engine.close()
  }

  #watch (engine: Engine): void {
    engine.onStateDamage((damage) => {
      this.#reopening = this.#reopen(damage).catch((error: unknown) => {
        if (!this.#isClosed) for (const listener of this.#failureListeners) listener(error as Error)
      })
    })
  }

  async #reopen (damage: MqError): Promise<void> {
    if (this.#isClosed) return
    const { logger } = this.#options
    const mayHelp = this.#rebuilds.mayHelp()
    logger.warn(mayHelp ? 'the state is made anew from base dump and log; nothing is served meanwhile' : 'the state was found damaged again soon after it was made anew: the disk cannot be relied on')
    await this.engine.close()
    if (!mayHelp) throw damage
    const engine = this.engine = await Engine.open(this.#options)
    this.#watch(engine)
    for (const listener of this.#engineListeners) listener(engine)
  }
}
