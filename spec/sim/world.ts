import type { NodeId } from '../../lib/raft/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import type { Durability } from './durability.ts'
import type { FaultCounts } from './fault-counts.ts'
import type { Ledger } from './ledger.ts'
import type { SimNetwork } from './network.ts'
import type { Hosts } from './peer-network.ts'
import type { Parameters } from './parameters.ts'
import type { SimNode } from './sim-node.ts'
import type { StoreFacts } from './store-machine.ts'
import type { Trace } from './trace.ts'

/** What all nodes of one simulated group share. */
export interface World {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly network: SimNetwork
  readonly ledger: Ledger
  readonly trace: Trace
  readonly faults: FaultCounts
  /** Numbers of the nodes. */
  readonly numbers: readonly number[]
  /** Only these ever lose what they have confirmed: a majority always has all good copies. */
  readonly mayLose: readonly number[]
  readonly founders: readonly NodeId[]
  readonly facts: StoreFacts
  parameters: Parameters
  /** What is acknowledged is on disk; else it has been written. */
  readonly isSynced: boolean
  /** Whether nothing is lost for good if the power of that machine is cut now. */
  mayLosePower (node: SimNode): boolean
  /** The node that has run something since the last step was checked. */
  touched: SimNode | undefined
  readonly hosts: Hosts
  readonly durability: Durability
  /** Ends the run: a rule was broken. */
  violated (violation: unknown): void
}
