import { MemoryDisk, MemoryKv, noLock, VirtualClock } from '../../lib/adapters/index.ts'
import { loadChecksum, silentLogger, type Disk, type Logger } from '../../lib/base/index.ts'
import type { Engine, EnginePorts } from '../../lib/engine/index.ts'
import { GroupMember, type GroupMemberOptions } from '../../lib/group/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import type { Address } from '../../lib/remoting/index.ts'
import { MemoryNetwork, MemoryPeerNetwork } from '../../lib/transport/index.ts'
import { settledOn, untilOn } from '../support/let-pass.ts'
import { SeededRandom } from '../support/seeded-random.ts'

export const DIRECTORY = '/data'

/** What outlives a process. */
export interface Machine { readonly disk: Disk, readonly kv: EnginePorts['kv'] }

/** Nodes of one group in one process on virtual time: number n listens at host n. */
export class Nodes {
  readonly clock = new VirtualClock({ deferred: 'stepped' })
  readonly network = new MemoryNetwork(this.clock)
  readonly members = new Map<number, GroupMember>()
  readonly machines = new Map<number, Machine>()
  readonly configured: readonly number[]
  readonly logged: Array<readonly [number: number, text: string]> = []
  readonly #networks = new Map<MemoryPeerNetwork, Address>()
  #lives: number

  /** Other groups draw other numbers: another `seed`. */
  constructor (configured: readonly number[], seed = 0) {
    this.configured = configured
    this.#lives = seed * 1000
  }

  addressOf (number: number): Address { return { host: `host${number}`, port: 40911 } }

  machine (number: number): Machine {
    const machine = this.machines.get(number) ?? { disk: new MemoryDisk(), kv: new MemoryKv() }
    this.machines.set(number, machine)
    return machine
  }

  /** What the next process of that node has of its machine. */
  portsOf (number: number): EnginePorts {
    return { ...this.machine(number), clock: this.clock, random: new SeededRandom(number + 1000 * ++this.#lives), lock: noLock }
  }

  /** Its disk is replaced by an empty one. */
  wipe (number: number): void { this.machines.delete(number) }

  /** Begins to open a node; it may take until others are there. */
  start (number: number, options: Partial<GroupMemberOptions> = {}): Promise<GroupMember> {
    const ports = options.engine?.ports ?? this.portsOf(number)
    const logger: Logger = { ...silentLogger, info: (text) => { this.logged.push([number, text]) }, warn: (text) => { this.logged.push([number, text]) } }
    const opening = GroupMember.open({
      groupName: 'group',
      number,
      peers: this.configured.map((number) => ({ number, address: this.addressOf(number) })),
      openNetwork: this.networkAt(this.addressOf(number)),
      ...options,
      engine: { ...checkOpenOptions(DIRECTORY, { logger }), directory: DIRECTORY, ...options.engine, ports }
    })
    opening.then((member) => { this.members.set(number, member) }, () => {})
    return opening
  }

  networkAt (address: Address): GroupMemberOptions['openNetwork'] {
    return async (self) => {
      const network = new MemoryPeerNetwork({ clock: this.clock, network: this.network, self })
      await network.listen(address)
      this.#networks.set(network, address)
      return network
    }
  }

  /** Nothing comes from a node or reaches it any more. */
  unplug (number: number): void {
    for (const [network, { host }] of this.#networks) if (host === this.addressOf(number).host) network.close()
  }

  async open (number: number, options: Partial<GroupMemberOptions> = {}): Promise<GroupMember> {
    await loadChecksum()
    return await this.run(this.start(number, options))
  }

  async openAll (options: Partial<GroupMemberOptions> = {}): Promise<GroupMember[]> {
    await loadChecksum()
    return await this.run(Promise.all(this.configured.map((number) => this.start(number, options))))
  }

  member (number: number): GroupMember { return this.members.get(number)! }

  get leader (): GroupMember | undefined {
    return [...this.members.values()].filter((member) => member.engine.role.isLeader).sort((a, b) => b.engine.term - a.engine.term)[0]
  }

  async untilLeader (): Promise<GroupMember> {
    await this.until(() => this.leader !== undefined)
    return this.leader!
  }

  followerNumber (): number { return [...this.members.values()].find((member) => !member.engine.role.isLeader)!.number }

  get engines (): Engine[] { return [...this.members.values()].map(({ engine }) => engine) }

  async untilEqual (): Promise<void> {
    await this.until(() => new Set(this.engines.map((engine) => engine.stats().log.appliedIndex)).size === 1)
  }

  /** Numbers of the voters, as the leader has it. */
  get voters (): number[] {
    return this.leader?.members().filter(({ role }) => role === 'voter').map(({ number }) => number) ?? []
  }

  /** Lets time pass until `condition` holds. */
  async until (condition: () => boolean): Promise<void> { await untilOn(this.clock, condition) }

  async run<T> (promise: Promise<T>): Promise<T> { return await settledOn(this.clock, promise) }

  async close (number: number): Promise<void> {
    const member = this.members.get(number)
    this.members.delete(number)
    if (member !== undefined) await this.run(member.close())
  }

  async closeAll (): Promise<void> {
    for (const number of [...this.members.keys()]) await this.close(number)
  }
}
