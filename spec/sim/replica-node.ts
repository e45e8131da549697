import { CatchUp } from '../../lib/group/index.ts'
import type { RaftLog } from '../../lib/log/index.ts'
import type { NodeId } from '../../lib/raft/index.ts'
import { DATA_FORMAT_VERSION, makeNodeId, Replica } from '../../lib/replica/index.ts'
import { CounterMachine } from '../replica/counter-machine.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { COLD_CACHE_BYTES } from './bounds.ts'
import { Violation } from './ledger.ts'
import { DIRECTORY } from './machine.ts'
import type { NodeClock } from './node-clock.ts'
import { addressOf, SimPeerNetwork } from './peer-network.ts'
import { checkpointBytesOf, replicaSettingsOf } from './parameters.ts'
import type { SimMachine } from './sim-machine.ts'
import { SimNode } from './sim-node.ts'
import { StoreMachine } from './store-machine.ts'

export const GROUP_ID = new Uint8Array(16).fill(0x51)
const GROUP_NAME = 'sim'

/** A replica and a state machine on it, without an engine: much happens in few steps. */
export class ReplicaNode extends SimNode {
  machineOnTop: SimMachine | undefined
  #catchUp: CatchUp | undefined
  #network: SimPeerNetwork | undefined

  get isCatchingUp (): boolean { return this.#catchUp?.isReceiving === true }
  readonly ownId: NodeId = makeNodeId(this.number, 0)

  protected async boot (life: number, clock: NodeClock, random: SeededRandom): Promise<void> {
    const { network, hosts, numbers, parameters } = this.world
    const { disk } = this.machine
    const self = { groupName: GROUP_NAME, groupId: GROUP_ID, nodeId: this.ownId, formatVersion: DATA_FORMAT_VERSION }
    const peers = this.#network = new SimPeerNetwork({ network, hosts, clock, number: this.number, self: () => self })
    await peers.listen()
    peers.setPeers(new Map(numbers.map((number) => [makeNodeId(number, 0), addressOf(number)])))
    const catchUp = this.#catchUp = new CatchUp({
      clock,
      disk,
      logger: this.logger,
      directory: DIRECTORY,
      segmentBytes: parameters.segmentBytes,
      peers,
      onReceived: ({ index }) => { this.#reopen(life, clock, random, index).catch((error) => { this.failed(life, error) }) },
      donorSettings: { idleMs: 3_000 },
      receiverSettings: { chunkBytes: parameters.chunkBytes, callTimeoutMs: 500, reserveBytes: parameters.reserveBytes, dumpAttempts: 20 }
    })
    await this.#open(life, clock, random)
    if (!this.isOver(life)) catchUp.attach(this.replica!)
  }

  async #reopen (life: number, clock: NodeClock, random: SeededRandom, index: number): Promise<void> {
    const { replica } = this
    const catchUp = this.#catchUp!
    if (replica === undefined || this.isClosing || this.isOver(life)) return
    this.replica = this.machineOnTop = undefined
    await catchUp.detach()
    await replica.close()
    if (this.isOver(life)) return
    const isInstalled = await catchUp.install()
    if (this.isOver(life)) return
    this.world.trace.note(this.world.clock.nowMs(), isInstalled ? 'install' : 'no install', this.number, index)
    this.guard(() => {
      if (isInstalled && !this.machine.isLogDurable) throw new Violation('a log is replaced durably', `node ${this.number} takes the log through entry ${index} for its own, and a power cut would take it away`)
    })
    await this.#open(life, clock, random)
    if (!this.isOver(life)) catchUp.attach(this.replica!)
  }

  async #open (life: number, clock: NodeClock, random: SeededRandom): Promise<void> {
    const { parameters, founders, isSynced } = this.world
    const { segmentBytes, tailCacheBytes, reserveBytes } = parameters
    await Replica.open({
      clock,
      random: new SeededRandom(Math.floor(random.next() * 2 ** 32)),
      disk: this.machine.disk,
      logger: this.logger,
      directory: DIRECTORY,
      nodeId: this.ownId,
      founding: { groupId: GROUP_ID, founders },
      transport: this.#network!.transport(),
      settings: { ...replicaSettingsOf(parameters), maxEntryBytes: parameters.maxEntryBytes },
      logSettings: { segmentBytes, reserveBytes, tailCacheBytes, coldCacheBytes: COLD_CACHE_BYTES, preallocate: false, spareSegments: 2, inlineFlush: founders.length === 1, flush: { mode: isSynced ? 'sync' : 'async', intervalMs: 100 } },
      openStateMachine: async ({ log }) => {
        const machine = await this.#openMachine(log)
        if (this.isOver(life)) return machine
        machine.onApply = (entry, ids) => { if (!this.isOver(life)) this.applied(entry, ids, machine.hash) }
        machine.beforeCheckpoint = () => { this.beforeCheckpoint(machine.appliedIndex) }
        this.machineOnTop = machine
        return machine
      }
    })
  }

  async #openMachine (log: RaftLog): Promise<SimMachine> {
    const { parameters, parameters: { stateMachine, checkpointEntries, retention }, facts, random, numbers } = this.world
    const { disk, kv: database } = this.machine
    if (stateMachine === 'counter') return await CounterMachine.open({ disk, directory: DIRECTORY, checkpointEntries, keepsIds: false })
    const checkpointBytes = checkpointBytesOf(parameters)
    return await StoreMachine.open({
      disk,
      database,
      directory: DIRECTORY,
      groupId: GROUP_ID,
      log,
      settings: { checkpointBytes, baseDumpBytes: checkpointBytes * 4 },
      facts,
      random,
      mayRemove: numbers.length === 1 || retention
    })
  }

  protected async close (): Promise<void> {
    const { replica } = this
    await this.#catchUp?.detach()
    await replica?.close()
    await this.#network?.close()
  }

  protected forget (): void {
    this.machineOnTop = undefined
    this.#catchUp = undefined
    this.#network?.end()
    this.#network = undefined
  }
}
