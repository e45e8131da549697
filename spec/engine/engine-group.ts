import { MemoryDisk, MemoryKv, noLock, type MemoryKv as Kv } from '../../lib/adapters/index.ts'
import { loadChecksum, type Disk } from '../../lib/base/index.ts'
import { Engine, type EngineOptions, type EnginePorts } from '../../lib/engine/index.ts'
import type { NodeId } from '../../lib/raft/index.ts'
import { MemoryNetwork } from '../../lib/transport/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { settledOn, untilOn } from '../support/let-pass.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** What outlives an engine. */
interface Machine { readonly disk: Disk, readonly kv: Kv }

/** Engines of one group in one process on virtual time, each on a machine in memory of its own. */
export class EngineGroup {
  readonly clock = new VirtualClock({ deferred: 'stepped' })
  readonly network = new MemoryNetwork(this.clock)
  readonly founders: readonly NodeId[]
  readonly groupId = new Uint8Array(16).fill(9)
  readonly engines = new Map<NodeId, Engine>()
  #lives = 0
  readonly machines = new Map<NodeId, Machine>()

  constructor (founders: readonly NodeId[]) {
    this.founders = founders
  }

  async open (nodeId: NodeId, options: Partial<EngineOptions> = {}): Promise<Engine> {
    await loadChecksum()
    const engine = await this.run(Engine.open({
      ...checkOpenOptions('/data', {}),
      ports: this.portsOf(nodeId),
      group: { nodeId, founding: { groupId: this.groupId, founders: this.founders }, transport: this.network.transport(nodeId) },
      ...options,
      directory: '/data'
    }))
    this.engines.set(nodeId, engine)
    return engine
  }

  /** What the node finds on its machine, made when it is new; no two lives draw the same numbers. */
  portsOf (nodeId: NodeId): EnginePorts {
    const machine = this.machines.get(nodeId) ?? { disk: new MemoryDisk(), kv: new MemoryKv() }
    this.machines.set(nodeId, machine)
    return { ...machine, clock: this.clock, random: new SeededRandom(nodeId + 1000 * this.#lives++), lock: noLock }
  }

  async openAll (options: Partial<EngineOptions> = {}): Promise<Engine[]> {
    const opened: Engine[] = []
    for (const id of this.founders) opened.push(await this.open(id, options))
    return opened
  }

  get leader (): Engine | undefined {
    return [...this.engines.values()].find((engine) => engine.role.isLeader)
  }

  get followers (): Engine[] {
    return [...this.engines.values()].filter((engine) => !engine.role.isLeader)
  }

  async untilLeader (): Promise<Engine> {
    await this.until(() => this.leader !== undefined)
    return this.leader!
  }

  /** Lets time pass until `condition` holds. */
  async until (condition: () => boolean): Promise<void> { await untilOn(this.clock, condition) }

  /** All that were committed anywhere are applied everywhere. */
  async untilEqual (): Promise<void> {
    await this.until(() => new Set([...this.engines.values()].map((engine) => engine.stats().log.appliedIndex)).size === 1)
  }

  /** Runs until the promise has settled. */
  async run<T> (promise: Promise<T>): Promise<T> { return await settledOn(this.clock, promise) }

  async close (engine: Engine): Promise<void> {
    for (const [id, one] of this.engines) if (one === engine) this.engines.delete(id)
    await this.run(engine.close())
  }

  async closeAll (): Promise<void> {
    for (const engine of [...this.engines.values()]) await this.close(engine)
  }
}
