import { isMqError, type Disk, type Logger } from '../../lib/base/index.ts'
import type { RaftLog } from '../../lib/log/index.ts'
import type { NodeId, RaftEntry, RaftMessage } from '../../lib/raft/index.ts'
import { CatchUp } from '../../lib/group/index.ts'
import { Replica } from '../../lib/replica/index.ts'
import { CounterMachine } from '../replica/counter-machine.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import { Violation, type Ledger } from './ledger.ts'
import type { Mutant } from './mutants.ts'
import type { SimCalls, SimNetwork } from './network.ts'
import { NodeClock } from './node-clock.ts'
import type { Parameters } from './parameters.ts'
import type { SimMachine } from './sim-machine.ts'
import { StoreMachine, type StoreFacts } from './store-machine.ts'
import type { Trace } from './trace.ts'

export const GROUP_ID = new Uint8Array(16).fill(0x51)
const DIRECTORY = '/data'

export interface World {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly network: SimNetwork
  readonly ledger: Ledger
  readonly trace: Trace
  readonly founders: readonly NodeId[]
  readonly facts: StoreFacts
  readonly mutant: Mutant | undefined
  parameters: Parameters
  /** Ends the run: a rule was broken. */
  violated (violation: unknown): void
}

/** What a process has promised to others and must know again after its end. */
interface Promises {
  term: number
  votedIn: number
  vote: NodeId
  /** Its log was said to be durable through here, with that term. */
  readonly acknowledged: Map<number, number>
}

/** One machine: a disk that outlives processes, and the process that runs now, if any. */
export class SimNode {
  readonly id: NodeId
  readonly #world: World
  #disk: FaultyDisk
  #kv: FaultyKv
  #clock: NodeClock | undefined
  #life = 0
  readonly #promises: Promises = { term: 0, votedIn: 0, vote: 0, acknowledged: new Map() }
  replica: Replica | undefined
  machine: SimMachine | undefined
  #log: RaftLog | undefined
  restartDue = false
  /** How often it was opened again on what another node had sent. */
  installs = 0
  #isFailing = false

  constructor (id: NodeId, world: World) {
    this.id = id
    this.#world = world
    const faults = new Faults()
    this.#disk = new FaultyDisk({ faults, schedule: this.#schedule, alignBytes: world.parameters.alignBytes, directories: ['/'] })
    this.#kv = new FaultyKv({ faults, schedule: this.#schedule })
  }

  get isRunning (): boolean { return this.#clock !== undefined }
  get isUp (): boolean { return this.replica !== undefined }
  get isPaused (): boolean { return this.#clock?.isPaused === true }

  /** Boots the process. Its recovery takes virtual time; `replica` is there afterwards. */
  start (): void {
    const { clock, parameters, random, trace } = this.#world
    const life = ++this.#life
    const drift = 1 + (random.next() * 2 - 1) * parameters.clockDrift
    const nodeClock = this.#clock = new NodeClock(clock, drift, Math.floor(random.next() * 2000 - 1000))
    trace.note(clock.nowMs(), 'start', this.id)
    const disk = this.#world.mutant?.wrapDisk?.(this.#disk) ?? this.#disk
    const catchUp = this.#catchUpOf(life, nodeClock, disk, this.#world.network.calls(this.id, nodeClock))
    this.#open(life, nodeClock, disk, catchUp).catch((error) => { this.#failedToOpen(life, error) })
  }

  #failedToOpen (life: number, error: unknown): void {
    if (life !== this.#life) return
    // An error of the disk may meet the recovery too: the process ends, and is started again.
    if (isMqError(error, 'MQ_IO') || ['EIO', 'ENOSPC'].includes((error as NodeJS.ErrnoException).code ?? '')) this.#ended(life)
    else this.#world.violated(error)
  }

  /** Helps others, and has this node opened again on what they send. */
  #catchUpOf (life: number, clock: NodeClock, disk: Disk, peers: SimCalls): CatchUp {
    const { parameters } = this.#world
    const catchUp = new CatchUp({
      clock,
      disk,
      logger: this.#logger,
      directory: DIRECTORY,
      segmentBytes: parameters.segmentBytes,
      peers,
      onReceived: ({ index }) => { this.#reopen(life, clock, disk, catchUp, index).catch((error) => { this.#failedToOpen(life, error) }) },
      donorSettings: { idleMs: 3_000 },
      receiverSettings: { chunkBytes: parameters.chunkBytes, callTimeoutMs: 500, reserveBytes: 0, dumpAttempts: 20 }
    })
    return catchUp
  }

  async #reopen (life: number, clock: NodeClock, disk: Disk, catchUp: CatchUp, index: number): Promise<void> {
    const { replica } = this
    if (replica === undefined || life !== this.#life) return
    this.replica = this.machine = undefined
    await catchUp.detach()
    await replica.close()
    if (life !== this.#life) return
    // What it held beyond was another log's: its leader would have sent it what is next.
    for (const acknowledged of [...this.#promises.acknowledged.keys()]) if (acknowledged > index) this.#promises.acknowledged.delete(acknowledged)
    const isInstalled = await catchUp.install()
    if (life !== this.#life) return
    if (isInstalled) this.installs++
    this.#world.trace.note(this.#world.clock.nowMs(), isInstalled ? 'install' : 'no install', this.id, index)
    await this.#open(life, clock, disk, catchUp)
  }

  async #open (life: number, clock: NodeClock, disk: Disk, catchUp: CatchUp): Promise<void> {
    const { parameters, founders, network, mutant, random } = this.#world
    let machine: SimMachine | undefined
    const replica = await Replica.open({
      clock,
      random: new SeededRandom(Math.floor(random.next() * 2 ** 32)),
      disk,
      logger: this.#logger,
      directory: DIRECTORY,
      nodeId: this.id,
      founding: { groupId: GROUP_ID, founders },
      transport: network.transport(this.id, clock),
      settings: { maxEntryBytes: parameters.maxEntryBytes, maxBytesPerAppend: 8192, maxInflightBytes: 32_768, applySliceBytes: 16_384, slabBytes: 32_768, decisionTimeoutMs: 4000 },
      logSettings: { segmentBytes: parameters.segmentBytes, tailCacheBytes: parameters.tailCacheBytes, coldCacheBytes: 64 * 1024, preallocate: false, inlineFlush: founders.length === 1, flush: { mode: parameters.asyncFlush && !parameters.powerCuts ? 'async' : 'sync', intervalMs: 100 } },
      openStateMachine: async ({ log }) => {
        mutant?.afterLogOpen?.(log)
        await mutant?.onLogOpen?.(log)
        this.#checkPromises(log, life)
        this.#log = log
        machine = await this.#openMachine(log)
        this.#watch(machine, log, life)
        return machine
      }
    })
    if (life !== this.#life) return
    this.replica = replica
    this.machine = machine
    catchUp.attach(replica)
    this.#promises.term = Math.max(this.#promises.term, replica.status().term)
    replica.onFailure((error) => {
      if (isMqError(error, 'MQ_IO')) this.#ended(life)
      else this.#world.violated(error)
    })
    replica.onLeadership(({ isLeader, term }) => {
      if (isLeader && life === this.#life) this.#guard(() => { this.#world.ledger.startsLeading(this.id, term, replica.log) })
    })
  }

  async #openMachine (log: RaftLog): Promise<SimMachine> {
    const { parameters: { stateMachine, checkpointEntries, nodeCount, retention }, facts, random } = this.#world
    if (stateMachine === 'counter') return await CounterMachine.open({ disk: this.#disk, directory: DIRECTORY, checkpointEntries, keepsIds: false })
    const checkpointBytes = checkpointEntries * 300
    return await StoreMachine.open({
      disk: this.#disk,
      database: this.#kv,
      directory: DIRECTORY,
      groupId: GROUP_ID,
      log,
      settings: { checkpointBytes, baseDumpBytes: checkpointBytes * 4 },
      facts,
      random,
      mayRemove: nodeCount === 1 || retention
    })
  }

  #watch (machine: SimMachine, log: RaftLog, life: number): void {
    const { ledger, trace, clock } = this.#world
    machine.onApply = (entry, ids) => {
      if (life !== this.#life) return
      trace.note(clock.nowMs(), 'apply', this.id, entry.index, entry.term)
      ledger.applied(this.id, entry, ids, machine.hash)
    }
    machine.beforeCheckpoint = () => {
      trace.note(clock.nowMs(), 'checkpoint', this.id, machine.appliedIndex)
      if (machine.appliedIndex > log.durableIndex) throw new Violation('checkpoint never above synced', `node ${this.id} at ${machine.appliedIndex}, durable ${log.durableIndex}`)
    }
    const append = log.append.bind(log)
    log.append = (entries: readonly RaftEntry[]) => {
      this.#guard(() => { for (const entry of entries) ledger.appended(this.id, entry) })
      trace.note(clock.nowMs(), 'append', this.id, entries[0]!.index, entries.at(-1)!.index, entries[0]!.term)
      append(entries)
    }
    const truncateFrom = log.truncateFrom.bind(log)
    log.truncateFrom = (index: number) => {
      trace.note(clock.nowMs(), 'cut', this.id, index)
      for (const acknowledged of [...this.#promises.acknowledged.keys()]) if (acknowledged >= index) this.#promises.acknowledged.delete(acknowledged)
      return truncateFrom(index)
    }
  }

  /** Called with every message that leaves: what it promises must survive. */
  sends (message: RaftMessage): void {
    const promises = this.#promises
    if (message.type === 'requestPreVote' || message.type === 'requestPreVoteReply') return
    promises.term = Math.max(promises.term, message.term)
    if (message.type === 'requestVote') this.#votes(message.term, this.id)
    else if (message.type === 'requestVoteReply' && message.granted) this.#votes(message.term, message.to)
    else if (message.type === 'appendEntriesReply' && !message.rejected && message.index > 0) {
      const term = this.#log?.term(message.index)
      if (term !== undefined) promises.acknowledged.set(message.index, term)
    } else if ((message.type === 'appendEntries' || message.type === 'heartbeat')) {
      this.#world.ledger.leads(this.id, message.term)
    }
  }

  #votes (term: number, vote: NodeId): void {
    const promises = this.#promises
    if (promises.votedIn === term && promises.vote !== vote) throw new Violation('one vote per term', `node ${this.id} voted for ${promises.vote} and ${vote} in term ${term}`)
    if (term < promises.votedIn) return
    promises.votedIn = term
    promises.vote = vote
  }

  #checkPromises (log: RaftLog, life: number): void {
    if (life !== this.#life) return
    const { ledger } = this.#world
    for (const [index, term] of this.#promises.acknowledged) {
      if (index > log.floor.index && log.term(index) !== term) throw new Violation('acknowledged is durable', `node ${this.id} acknowledged entry ${index} of term ${term}; after its restart it has ${log.term(index) ?? 'none'}`)
    }
    for (let index = log.firstIndex; index <= log.lastIndex; index++) ledger.recovered(this.id, index, log.term(index)!)
  }

  /** The process or the machine goes down, without notice. */
  crash (): void {
    const { clock, parameters, random, trace, network } = this.#world
    this.#isFailing = false
    this.#clock?.end()
    this.#clock = undefined
    this.#life++
    this.replica = this.machine = undefined
    network.forget(this.id)
    const cut = parameters.powerCuts && random.chance(0.7)
    const keep = random.pick(parameters.keeps)
    const outcome = new SeededRandom(Math.floor(random.next() * 2 ** 32))
    const next = { random: outcome, faults: new Faults(), schedule: this.#schedule }
    this.#disk = cut ? this.#disk.powerCut({ keep, ...next }) : this.#disk.kill(next)
    this.#kv = cut ? this.#kv.powerCut({ keep, ...next }) : this.#kv.kill(next)
    trace.note(clock.nowMs(), cut ? `power cut ${keep}` : 'kill', this.id)
  }

  /** Stopped by itself: by an error of its disk, mostly. The machine may be rebooted before the next start, or not. */
  #ended (life: number): void {
    if (life !== this.#life) return
    this.#world.trace.note(this.#world.clock.nowMs(), 'stopped', this.id)
    this.crash()
    this.restartDue = true
  }

  pause (): void { this.#clock?.pause() }
  resume (): void { this.#clock?.resume() }

  /** Errors that were planned and have not come yet would come after the faults' time: the machine is replaced by a sound one. */
  mend (): void {
    this.resume()
    if (this.#isFailing && this.isRunning) this.crash()
  }

  failNextWrite (n: number): void {
    this.#isFailing = true
    this.#disk.faults.failAt(n, this.#world.random.chance(0.5) ? 'EIO' : 'ENOSPC', { kinds: ['write', 'sync'] })
  }

  #guard (check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#world.violated(error)
    }
  }

  readonly #schedule = (fn: () => void): void => {
    const { parameters: { minDiskMs, maxDiskMs, slowDiskRate, slowDiskMs }, random, clock } = this.#world
    const delayMs = random.chance(slowDiskRate) ? slowDiskMs * random.next() : minDiskMs + random.next() * (maxDiskMs - minDiskMs)
    clock.setTimer(delayMs, fn)
  }

  readonly #logger: Logger = { debug () {}, info () {}, warn () {}, error () {} }
}
