import { allMembers } from '../../lib/raft/index.ts'
import { isQuorum } from './durability.ts'
import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

/** A random connected majority that works while everybody else is frozen for ever: killed, paused, or out of reach. */
export class Core {
  readonly nodes: SimNode[] = []
  readonly #others: SimNode[]
  readonly #world: World

  constructor (world: World, nodes: readonly SimNode[]) {
    this.#world = world
    const { random, durability } = world
    // whatever configuration any of them goes by must have its majority here
    const confs = [durability.latest, ...nodes.flatMap(({ replica }) => replica === undefined ? [] : [replica.status().confState])].filter((conf) => allMembers(conf).length > 0)
    const others = random.shuffle(nodes.slice())
    while (others.length > 0) {
      const numbers = new Set(this.nodes.flatMap(({ number, isDark }) => isDark ? [] : [number]))
      if (this.nodes.some(({ isOfGroup }) => isOfGroup) && confs.every((conf) => isQuorum(conf, numbers))) break
      this.nodes.push(others.pop()!)
    }
    this.#others = others
  }

  freezeOthers (): void {
    const { network, random } = this.#world
    network.heal()
    for (const other of this.#others) {
      const fate = random.below(3)
      if (fate === 0 && other.isRunning) other.crash(false)
      else if (fate === 1) other.pause()
      const heardShare = random.pick([0, 0.2, 1])
      for (const node of this.nodes) {
        // one way may still be open: what comes from there must not disturb
        if (!random.chance(heardShare)) network.cut(other.number, node.number)
        network.cut(node.number, other.number)
      }
    }
    for (const node of this.nodes) {
      node.mend()
      node.machine.enlarge()
    }
  }
}
