import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

/** In that share of the cases a leader, when there is one; else any. Undefined: it is not there. */
export function someNode<Node extends SimNode> ({ random }: Pick<World, 'random'>, nodes: readonly Node[], leaderShare: number): Node | undefined {
  const leader = random.chance(leaderShare) ? nodes.find(({ isLeading }) => isLeading) : undefined
  const node = leader ?? random.pick(nodes)
  return node.isUp ? node : undefined
}
