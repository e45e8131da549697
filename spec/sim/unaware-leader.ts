import { repeat } from './repeat.ts'
import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

/** A leader that hears nobody leaves within eight ticks of 20 ms, by its own clock: it is asked often meanwhile. */
const ASKED_EVERY_MS = 10
/** If it still leads then, nobody took over from it. */
const PATIENCE_MS = 400

export interface UnawareLeaderOptions {
  /** The newest of those that think they lead. */
  newest (): SimNode | undefined
  read (node: SimNode): void
  write (leader: SimNode): void
  note (kind: string, node: SimNode): void
}

/**
 * A leader that does not know that another one leads. Either it hands over, and from the instant in which the other one begins an
 * election it hears nobody; or it is cut off while all others take it for gone, and elect. As long as it believes that it leads it is
 * asked for reads, and its successor for writes: what those were told must show in whatever it answers after that. It may take
 * writes, too, and come back with them.
 */
export class UnawareLeader {
  readonly #world: World
  readonly #nodes: readonly SimNode[]
  readonly #options: UnawareLeaderOptions
  #leader: SimNode | undefined
  #term = 0
  #untilMs = 0
  #isCut = false
  #isReplaced = false
  /** How often it is asked for a write as well, which nobody will hear of. */
  #writeShare = 0

  constructor (world: World, nodes: readonly SimNode[], options: UnawareLeaderOptions) {
    this.#world = world
    this.#nodes = nodes
    this.#options = options
  }

  begin (leader: SimNode): void {
    const { clock, random, network } = this.#world
    this.#leader = leader
    this.#term = leader.replica!.role.term
    this.#untilMs = clock.nowMs() + PATIENCE_MS
    this.#isCut = this.#isReplaced = false
    this.#writeShare = random.next()
    const others = this.#nodes.filter((node) => node !== leader)
    if (random.chance(0.5)) {
      const to = random.pick(others).nodeId
      if (to !== undefined) leader.replica!.transferLeadership(to).catch(() => {})
    } else {
      this.#cut(leader)
      for (const { nodeId } of others) if (nodeId !== undefined) network.tell(nodeId, leader.nodeId!, 'gone')
    }
    repeat(this.#world, ASKED_EVERY_MS, () => this.#leader !== leader || !this.#mayLead(leader), () => { this.#ask(leader) })
  }

  /** To be called often. Returns whether it goes on. */
  look (): boolean {
    const leader = this.#leader
    if (leader === undefined) return false
    if (!this.#mayLead(leader)) {
      this.#leader = undefined
      return false
    }
    if (!this.#isCut && this.#nodes.some(({ replica }) => replica !== undefined && replica.status().term > this.#term)) this.#cut(leader)
    return true
  }

  #mayLead ({ isUp, isLeading, replica }: SimNode): boolean {
    return isUp && isLeading && replica!.role.term === this.#term && this.#world.clock.nowMs() < this.#untilMs
  }

  #cut (leader: SimNode): void {
    const { clock, random, network, trace, parameters: { oneWayPartitions } } = this.#world
    const oneWay = oneWayPartitions && random.chance(0.5)
    this.#isCut = true
    trace.note(clock.nowMs(), 'partition', leader.number)
    network.split(this.#nodes, [leader], oneWay)
  }

  #ask (leader: SimNode): void {
    const { newest, read, write, note } = this.#options
    const successor = newest()
    if (successor !== undefined && successor !== leader) {
      if (!this.#isReplaced) note('unaware leader', leader)
      this.#isReplaced = true
      write(successor)
    }
    read(leader)
    if (this.#world.random.chance(this.#writeShare)) write(leader)
  }
}
