import type { BrokerGroup } from './cluster.ts'

/** Each node is stopped and started as an operator does it; the next one when the one before has all of the log. `between` runs after each. */
export async function rollingRestart (group: BrokerGroup, between: () => Promise<unknown>): Promise<void> {
  for (const node of group.nodes) {
    await node.stop()
    await node.start()
    await node.ready()
    await group.inSync(64 * 1024)
    await between()
  }
}
