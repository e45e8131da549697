import { loadChecksum, silentLogger, type Disk } from '../../lib/base/index.ts'
import type { NodeId } from '../../lib/raft/index.ts'
import { Replica, type ReplicaOptions } from '../../lib/replica/index.ts'
import { MemoryNetwork } from '../../lib/transport/index.ts'
import { FaultyDisk, type FaultyDiskOptions } from '../support/faulty-disk.ts'
import { settledOn } from '../support/let-pass.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { CounterMachine } from './counter-machine.ts'

export const DIRECTORY = '/data'
export const GROUP_ID = new Uint8Array(16).fill(7)

export interface Member {
  readonly id: NodeId
  readonly replica: Replica
  readonly machine: CounterMachine
  readonly disk: FaultyDisk
}

/** Replicas in one process on virtual time; each on a faulty disk of its own. */
export class Members {
  readonly clock = new VirtualClock({ deferred: 'stepped' })
  readonly network = new MemoryNetwork(this.clock)
  readonly founders: readonly NodeId[]
  readonly members = new Map<NodeId, Member>()

  constructor (founders: readonly NodeId[]) {
    this.founders = founders
  }

  /** A disk whose operations take `delayMs` of virtual time. */
  disk (options: FaultyDiskOptions & { readonly delayMs?: number } = {}): FaultyDisk {
    const { delayMs } = options
    return new FaultyDisk({ ...(delayMs === undefined ? {} : { schedule: (fn) => { this.clock.setTimer(delayMs, fn) } }), ...options })
  }

  async open (id: NodeId, disk: FaultyDisk = this.disk(), options: Partial<ReplicaOptions> & { readonly checkpointEntries?: number, readonly seenBy?: Disk } = {}): Promise<Member> {
    // The one thing that takes real time: virtual time would run out of work before.
    await loadChecksum()
    let machine: CounterMachine | undefined
    const opening = Replica.open({
      clock: this.clock,
      random: new SeededRandom(id),
      disk: options.seenBy ?? disk,
      logger: silentLogger,
      directory: DIRECTORY,
      nodeId: id,
      founding: { groupId: GROUP_ID, founders: this.founders },
      transport: this.network.transport(id),
      openStateMachine: async () => {
        machine = await CounterMachine.open({ disk, directory: DIRECTORY, checkpointEntries: options.checkpointEntries ?? Infinity })
        return machine
      },
      ...options,
      logSettings: { segmentBytes: 64 * 1024, preallocate: false, ...options.logSettings }
    })
    opening.catch(() => {})
    let open = false
    opening.finally(() => { open = true }).catch(() => {})
    await this.clock.runUntil(() => open)
    const member = { id, replica: await opening, machine: machine!, disk }
    this.members.set(id, member)
    return member
  }

  async openAll (): Promise<Member[]> {
    const opened: Member[] = []
    for (const id of this.founders) opened.push(await this.open(id))
    return opened
  }

  get leader (): Member | undefined {
    return [...this.members.values()].find(({ replica }) => replica.status().isLeading)
  }

  async untilLeader (): Promise<Member> {
    if (!await this.clock.runUntil(() => this.leader !== undefined, { maxMs: 60_000 })) throw new Error('no leader')
    return this.leader!
  }

  /** Submits and runs until the outcome is there: undefined when it was applied. */
  async add (member: Member, id: number, payloadBytes = 0): Promise<unknown> {
    const outcome = this.submit(member, id, payloadBytes)
    await this.clock.runUntil(() => outcome.done, { maxMs: 60_000 })
    return outcome.error
  }

  submit (member: Member, id: number, payloadBytes = 0): { done: boolean, error?: any } {
    const outcome: { done: boolean, error?: any } = { done: false }
    member.replica.submit(member.machine.add(id, payloadBytes, (error) => {
      if (outcome.done) throw new Error(`proposal ${id} was answered twice`)
      outcome.done = true
      outcome.error = error
    }))
    return outcome
  }

  async run<T> (promise: Promise<T>): Promise<T> { return await settledOn(this.clock, promise, 60_000) }

  async closeAll (): Promise<void> {
    for (const { replica } of this.members.values()) await this.run(replica.close()).catch(() => {})
  }
}
