import type { SimNode } from './sim-node.ts'
import type { World } from './world.ts'

/** A linearizable read at that node, whether it leads or not: its answer must show all that was acknowledged anywhere before it was asked for. */
export function barrierRead ({ ledger, trace, clock, violated }: World, node: SimNode): void {
  const { replica } = node
  if (replica === undefined) return
  const acknowledgedBefore = ledger.acknowledgedIndex
  replica.readBarrier().then(() => {
    if (node.replica !== replica) return
    const { appliedIndex } = replica.status()
    trace.note(clock.nowMs(), 'read', node.number, appliedIndex)
    try {
      ledger.read(node.number, acknowledgedBefore, appliedIndex)
    } catch (error) {
      violated(error)
    }
  }, () => {})
}
