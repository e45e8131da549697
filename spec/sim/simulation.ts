import { isMqError, loadChecksum } from '../../lib/base/index.ts'
import { makeNodeId, numberOf } from '../../lib/replica/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Durability } from './durability.ts'
import { Core } from './core.ts'
import { FaultCounts } from './fault-counts.ts'
import { FaultPlan } from './fault-plan.ts'
import { Ledger, Violation } from './ledger.ts'
import { SimNetwork } from './network.ts'
import { drawParameters, losesCopies, withoutFaults, type Parameters } from './parameters.ts'
import { Hosts } from './peer-network.ts'
import { DISK_STALL_TIMEOUT_MS, MemberNode } from './member-node.ts'
import { MemberWork } from './member-work.ts'
import { ReplicaNode } from './replica-node.ts'
import { ReplicaWork } from './replica-work.ts'
import type { SimNode } from './sim-node.ts'
import { noFacts } from './store-machine.ts'
import { Trace } from './trace.ts'
import type { Work } from './work.ts'
import type { World } from './world.ts'

export interface SimResult {
  readonly seed: number
  readonly steps: number
  readonly traceHash: string
  readonly violation: { readonly rule: string, readonly message: string } | undefined
  readonly faults: Readonly<Record<string, number>>
  readonly decided: number
  readonly acknowledged: number
  /** How often nodes went on with what others had sent. */
  readonly installs: number
  /** Leaders beyond the first, while faults came. */
  readonly elections: number
  /** Linearizable reads that were looked at. */
  readonly reads: number
}

/** A run, for whoever says what goes wrong in it. */
export interface Stage {
  readonly world: World
  readonly nodes: readonly SimNode[]
  /** Takes events until the condition holds; false when it did not by `untilMs`. The condition is asked before each event. */
  runUntil (condition: () => boolean, untilMs: number): Promise<boolean>
}

export interface SimOptions {
  readonly seed: number
  /** In the place of the faults that the parameters ask for. */
  readonly scene?: (stage: Stage) => Promise<void>
  readonly print?: (line: string) => void
  readonly parameters?: Partial<Parameters>
}

const WORLD_STREAM = 0x5bd1e995
/** Virtual time for everybody to come back, elect and catch up once nothing fails any more. */
const HEALED_MS = 60_000
/** A damaged node asks the others for so long what nobody may have any more; then it is given an empty disk. */
const MENDED_MS = 90_000
/** So much longer for who fetches megabytes in pieces of 500 bytes. */
const CATCHING_UP_MS = 300_000
/** Retention, base dumps and what they are decided with take some room themselves. */
const LEAST_ROOM_BYTES = 64 * 1024
/** A leader who has a majority keeps its place at least so long. */
const STABLE_MS = 3_000
/** A disk that stands still, and how soon its node leads no more: two looks and a hand-over beyond what is allowed. */
const STUCK_MS = 20_000
const SPARE_MS = 1_500
/** How often a log looks how much room there is, by a slow clock. */
const ROOM_LOOK_MS = 1_200
/** How often what a node gave up on a full disk is taken by others. */
const REFILL_MS = 200
/** The states are compared at most so often until nothing has changed meanwhile. */
const MAX_ATTEMPTS = 10
/** More steps than this at one time: something defers itself for ever. */
const MAX_STEPS_AT_ONE_TIME = 100_000

/** Runs one seed's world to its end. The same seed gives the same run, event by event. */
export async function simulate (options: SimOptions): Promise<SimResult> {
  await loadChecksum()
  return new Simulation(options).run()
}

class Simulation {
  readonly #seed: number
  readonly #clock = new VirtualClock({ deferred: 'stepped' })
  readonly #world: World
  readonly #nodes: readonly SimNode[]
  readonly #work: Work
  readonly #plan: FaultPlan
  readonly #scene: SimOptions['scene']
  #violation: SimResult['violation']
  #steps = 0
  #stepsAt = { ms: 0, count: 0 }

  constructor ({ seed, print, parameters: overrides, scene }: SimOptions) {
    this.#seed = seed
    this.#scene = scene
    // a stream of its own, so that the same parameters are the same world, however they were drawn
    const random = new SeededRandom(seed ^ WORLD_STREAM)
    const trace = new Trace(print)
    const parameters = { ...drawParameters(seed), ...overrides }
    print?.(`seed ${seed}: ${JSON.stringify(parameters)}`)
    const clock = this.#clock
    const numbers = Array.from({ length: parameters.nodeCount }, (_, number) => number)
    const network = new SimNetwork(clock, random, parameters, {
      onSend: (message) => { this.#guard(() => { this.#nodes[numberOf(message.from)]!.sends(message) }) },
      onDeliver: (message) => { trace.note(clock.nowMs(), message.type, numberOf(message.from), numberOf(message.to), message.term, 'index' in message ? message.index : 'prevIndex' in message ? message.prevIndex : 0) },
      onDelivered: (message) => { this.#guard(() => { this.#nodes[numberOf(message.to)]!.heard(message) }) }
    })
    const machines: SimNode['machine'][] = []
    this.#world = {
      clock,
      random,
      network,
      trace,
      numbers,
      mayLose: random.shuffle(numbers.slice()).slice(0, (numbers.length - 1) >> 1),
      hosts: new Hosts(),
      ledger: new Ledger(),
      faults: new FaultCounts(),
      durability: new Durability(machines),
      founders: numbers.map((number) => makeNodeId(number, 0)),
      facts: noFacts(),
      parameters,
      isSynced: !parameters.asyncFlush,
      mayLosePower: (node) => this.#mayLosePower(node),
      touched: undefined,
      violated: (error) => { this.#violated(error) }
    }
    if (parameters.level === 'replica') {
      const nodes = this.#nodes = numbers.map((number) => new ReplicaNode(number, this.#world))
      this.#work = new ReplicaWork(this.#world, nodes)
    } else {
      const nodes = this.#nodes = numbers.map((number) => new MemberNode(number, this.#world))
      this.#work = new MemberWork(this.#world, nodes)
    }
    for (const { machine } of this.#nodes) machines.push(machine)
    this.#plan = new FaultPlan(this.#world, this.#nodes, this.#work)
  }

  /**
   * With ASYNC_FLUSH: those that lack, or may come to lack, something that they had confirmed stay fewer than commit something,
   * whatever configuration any node goes by. That are those in doubt, of whom half of an even number may be, as all together
   * lead again, and all that this world ever takes anything else from.
   */
  #mayLosePower (node: SimNode): boolean {
    const { isSynced, durability, parameters, mayLose } = this.#world
    if (isSynced) return true
    const isLosing = losesCopies(parameters)
    if (isLosing && !mayLose.includes(node.number)) return false
    const lacking = this.#nodes.filter((one) => one === node || one.isDark || (isLosing && mayLose.includes(one.number))).length
    const confs = [durability.latest, ...this.#nodes.flatMap(({ replica }) => replica === undefined ? [] : [replica.status().confState])]
    return confs.flatMap(({ voters, votersOutgoing }) => [voters, votersOutgoing]).every(({ length }) => length === 0 || (isLosing ? lacking * 2 < length : lacking * 2 <= length - length % 2))
  }

  async run (): Promise<SimResult> {
    const { parameters, faults, network, trace, ledger } = this.#world
    for (const node of this.#nodes) node.start()
    this.#work.begin()
    if (this.#scene === undefined) this.#plan.begin()
    else await this.#scene({ world: this.#world, nodes: this.#nodes, runUntil: (condition, untilMs) => this.#runUntil(condition, untilMs) })
    await this.#runUntil(() => this.#clock.nowMs() >= parameters.faultyMs || this.#steps >= parameters.maxSteps, parameters.faultyMs + 1)
    const elections = Math.max(0, ledger.leaderCount - 1)
    this.#work.end()
    this.#plan.end()
    if (this.#violation === undefined) {
      if (parameters.mode === 'liveness') await this.#keepOnlyCore()
      else if (parameters.mode === 'calm') await this.#stayCalm()
      else await this.#healAndConverge()
    }
    if (this.#violation === undefined && parameters.mode === 'safety') await this.#verify()
    for (const [kind, count] of Object.entries(network.faults)) faults.add(kind, count)
    return {
      seed: this.#seed,
      steps: this.#steps,
      traceHash: trace.hash,
      violation: this.#violation,
      faults: faults.toObject(),
      decided: ledger.decided.length,
      acknowledged: ledger.acknowledgedIds.size,
      installs: this.#nodes.reduce((sum, { installs }) => sum + installs, 0),
      elections,
      reads: ledger.reads
    }
  }

  async #runUntil (condition: () => boolean, untilMs: number): Promise<boolean> {
    const clock = this.#clock
    const world = this.#world
    while (this.#violation === undefined && !condition()) {
      if (clock.nowMs() >= untilMs || clock.waiting === 0) return false
      this.#guard(() => { clock.runNext() })
      this.#steps++
      await clock.settle()
      const { touched } = world
      if (touched !== undefined) {
        world.touched = undefined
        this.#guard(() => { touched.check() })
        this.#plan.look(touched)
      }
      if (clock.nowMs() !== this.#stepsAt.ms) this.#stepsAt = { ms: clock.nowMs(), count: 0 }
      if (++this.#stepsAt.count > MAX_STEPS_AT_ONE_TIME) this.#violated(new Violation('liveness', `time stands still at ${clock.nowMs()} ms: something defers itself for ever`))
    }
    return this.#violation === undefined
  }

  /** Everything works again: the group must elect a leader, decide something new, and all nodes must end up the same. */
  async #healAndConverge (): Promise<void> {
    const world = this.#world
    world.parameters = world.network.parameters = withoutFaults(world.parameters)
    world.network.heal()
    for (const node of this.#nodes) node.mend()
    this.#clock.setTimer(0, () => { world.trace.note(this.#clock.nowMs(), 'healed') })
    await this.#makeRoom()
    for (const { machine } of this.#nodes) machine.enlarge()
    let isDecided = false
    const isSettled = () => isDecided && this.#isWhole() && this.#isQuiet() && this.#isEqual() && this.#work.isSettled()
    await this.#goOn(this.#nodes, isSettled, () => {
      const leader = this.#leader()
      if (leader !== undefined && !isDecided) this.#work.decideOne(leader, () => { isDecided = true })
      // Those outside the configuration are no concern of the group's: all come back in.
      if (leader !== undefined && !this.#isWhole()) this.#work.completeMembership(leader)
      if (leader !== undefined) this.#work.settle(leader)
    })
  }

  /** Disks are full of log, down to their reserve: what retention removes makes room there, and sends are taken again by themselves. */
  async #makeRoom (): Promise<void> {
    const { parameters: { level, retention, capacityBytes, segmentBytes } } = this.#world
    const hasSome = this.#nodes.every(({ machine }) => machine.disk.freeBytes > segmentBytes + LEAST_ROOM_BYTES && !machine.isDamaged)
    if (level !== 'member' || !retention || capacityBytes === Infinity || !hasSome) return
    for (const node of this.#nodes) if (node.machine.isShort) this.#world.faults.note('full of log', node.role, 'healed')
    let isDecided = false
    await this.#goOn(this.#nodes, () => isDecided, () => {
      const leader = this.#leader()
      if (leader === undefined || isDecided) return
      this.#work.decideOne(leader, () => { isDecided = true })
      this.#work.makeRoom(leader)
    })
  }

  /** A majority that can talk among itself must decide something, while the others never come back. */
  async #keepOnlyCore (): Promise<void> {
    const world = this.#world
    const core = new Core(world, this.#nodes)
    world.trace.note(this.#clock.nowMs(), 'core', ...core.nodes.map(({ number }) => number))
    const { straggleMs, stuckEveryMs, stuckMs } = world.parameters
    const lateMs = straggleMs + (stuckEveryMs === Infinity ? 0 : stuckMs)
    world.parameters = world.network.parameters = withoutFaults(world.parameters)
    core.freezeOthers()
    let isDecided = false
    await this.#goOn(core.nodes, () => isDecided, () => {
      const leader = core.nodes.find(({ isLeading }) => isLeading)
      if (leader !== undefined && !isDecided) this.#work.decideOne(leader, () => { isDecided = true })
    })
    // What somebody has sent long ago, a hand-over for one, may still come, or waited for a disk that stood still.
    await this.#runUntil(() => false, this.#clock.nowMs() + lateMs)
    // Those who can be heard and do not hear must not depose it.
    const leader = () => core.nodes.find(({ isLeading }) => isLeading)?.replica?.role.term
    await this.#runUntil(() => leader() !== undefined, this.#clock.nowMs() + HEALED_MS)
    const term = leader()
    await this.#runUntil(() => false, this.#clock.nowMs() + STABLE_MS)
    if (this.#violation === undefined && leader() !== term) this.#violated(new Violation('who cannot hear disturbs nobody', `a majority that nothing disturbs was led in term ${term}, and in ${leader()} ${STABLE_MS} ms later`))
  }

  /** Wrong clocks cost no leader its place. A disk that stands still, or is full, does, and soon. */
  async #stayCalm (): Promise<void> {
    const { ledger, isSynced, parameters: { level, reserveBytes } } = this.#world
    if (ledger.leaderCount > 1) this.#violated(new Violation('clocks depose nobody', `${ledger.leaderCount} leaders, although nothing failed but clocks`))
    const leader = this.#leader()
    // where nothing waits for syncs they come now and then, and so does what they take
    if (level === 'replica' || leader === undefined || !isSynced) return
    if (reserveBytes > 0) return await this.#fillDisk(leader)
    // in half of these worlds where a segment is full, so that the next one has to be made
    const { random } = this.#world
    if (random.chance(0.5)) for (let attempts = 0; attempts < 100 && leader.isLeading && !leader.isSegmentFull; attempts++) await this.#decideOne(leader)
    this.#world.faults.note('stuck disk', 'leader', 'calm')
    leader.machine.stick(STUCK_MS)
    // it is at work on something when it gets stuck
    this.#work.decideOne(leader, () => {})
    const stuckMs = this.#clock.nowMs()
    await this.#untilReplaced(leader, () => stuckMs, new Violation('a stuck disk costs leadership', `node ${leader.number} leads on with a disk that does nothing`))
  }

  async #fillDisk (leader: SimNode): Promise<void> {
    const { faults, random, parameters: { reserveBytes } } = this.#world
    const leaveBytes = Math.floor(reserveBytes * (0.5 + 0.5 * random.next()))
    faults.note('full disk', 'leader', 'calm')
    let isOver = false
    let filledMs = this.#clock.nowMs()
    const again = () => {
      if (isOver) return
      // others take what it gives up
      if (leader.isLeading && leader.machine.disk.freeBytes > leaveBytes) {
        leader.fill(leaveBytes)
        filledMs = this.#clock.nowMs()
      }
      // whoever writes nothing need not look
      if (leader.isLeading) this.#work.decideOne(leader, () => {})
      this.#clock.setTimer(REFILL_MS, again)
    }
    again()
    await this.#untilReplaced(leader, () => filledMs + ROOM_LOOK_MS + REFILL_MS, new Violation('a full disk costs leadership', `node ${leader.number} leads on, and can take nothing`))
    isOver = true
    leader.fill(Infinity)
  }

  /** Soon after its node must know, another one must lead. */
  async #untilReplaced (leader: SimNode, knownMs: () => number, violation: Violation): Promise<void> {
    const lastMs = (): number => knownMs() + 2 * DISK_STALL_TIMEOUT_MS + SPARE_MS
    let untilMs: number
    do {
      untilMs = lastMs()
      if (await this.#runUntil(() => this.#nodes.some((node) => node !== leader && node.isLeading), untilMs)) return
    } while (this.#violation === undefined && lastMs() > untilMs)
    if (this.#violation === undefined) this.#violated(violation)
  }

  async #decideOne (leader: SimNode): Promise<void> {
    let isDecided = false
    this.#work.decideOne(leader, () => { isDecided = true })
    await this.#runUntil(() => isDecided, this.#clock.nowMs() + 1_000)
  }

  /** Keeps nodes running and does `act` now and then until the condition holds. */
  async #goOn (nodes: readonly SimNode[], condition: () => boolean, act: () => void): Promise<void> {
    const again = () => {
      for (const node of nodes) if (!node.isRunning) node.start()
      act()
      this.#clock.setTimer(500, again)
    }
    again()
    const limitMs = HEALED_MS + (nodes.some(({ machine }) => machine.isDamaged) ? MENDED_MS : 0)
    const isDone = await this.#runUntil(condition, this.#clock.nowMs() + limitMs) ||
      (nodes.some(({ isCatchingUp }) => isCatchingUp) && await this.#runUntil(condition, this.#clock.nowMs() + CATCHING_UP_MS))
    if (this.#violation !== undefined || isDone) return
    const state = this.#nodes.map((node) => `${node.number}: ${node.role} ${JSON.stringify(node.replica?.status())}`).join('\n')
    this.#violated(new Violation('liveness', `nothing was decided, or not everywhere, ${limitMs} ms after all faults ended\n${state}\n${this.#work.pending()}`))
  }

  /** Nothing that was asked for is still to be decided. */
  #isQuiet (): boolean {
    return this.#nodes.every(({ replica }) => {
      const { pendingProposals = 1, undecidedProposals = 1 } = replica?.status() ?? {}
      return pendingProposals + undecidedProposals === 0
    })
  }

  /** Every node is a voter, and no change is under way. */
  #isWhole (): boolean {
    const confState = this.#leader()?.replica?.status().confState
    return confState?.voters.length === this.#nodes.length && confState.votersOutgoing.length === 0
  }

  /** All nodes are at the same entry: what each reads back must be what was written, and the same everywhere; also made anew. */
  async #verify (): Promise<void> {
    await this.#compare()
    // one that is alone begins a term whenever it starts, and is not what it was
    if (this.#violation !== undefined || !this.#world.parameters.rebuilds || this.#nodes.length === 1) return
    const node = this.#world.random.pick(this.#nodes)
    this.#world.trace.note(this.#clock.nowMs(), 'rebuild', node.number)
    node.crash(false)
    node.machine.loseDatabase()
    await this.#goOn([node], () => this.#leader() !== undefined && this.#isQuiet() && this.#isEqual(), () => {})
    if (this.#violation === undefined) await this.#compare()
  }

  async #compare (): Promise<void> {
    const { ledger } = this.#world
    for (let attempts = 0; this.#violation === undefined && attempts < MAX_ATTEMPTS; attempts++) {
      if (!await this.#runUntil(() => this.#isEqual(), this.#clock.nowMs() + HEALED_MS)) break
      const { length } = ledger.decided
      const hashes: string[] = []
      let isOver = false
      await this.#within(Promise.all(this.#nodes.map(async (node) => {
        try {
          hashes[node.number] = String(await this.#work.verify(node))
        } catch (error) {
          // what was fetched by one that was behind takes the place of its log, though it has caught up meanwhile
          const isReplaced = isMqError(error, 'MQ_CLOSED')
          // what is decided now, others do not have yet
          const hasChanged = error instanceof Violation && ledger.decided.length !== length && attempts + 1 < MAX_ATTEMPTS
          if (!isReplaced && !hasChanged) throw error
          isOver = true
        }
      })))
      // what comes due by itself changes the state: those that were looked at before and after it differ
      if (isOver || ledger.decided.length !== length) continue
      if (this.#violation === undefined && new Set(hashes).size !== 1) this.#violated(new Violation('equal state', `at the end the states' hashes are ${hashes.join(', ')}`))
      return
    }
  }

  /** All have applied what any has. */
  #isEqual (): boolean { return this.#nodes.every(({ appliedIndex }) => appliedIndex === this.#world.ledger.decided.length) }

  async #within (done: Promise<unknown>): Promise<void> {
    let isDone = false
    done.then(() => { isDone = true }, (error) => { this.#violated(error) })
    if (!await this.#runUntil(() => isDone, this.#clock.nowMs() + HEALED_MS) && this.#violation === undefined) this.#violated(new Violation('liveness', 'a state could not be read back'))
  }

  #leader (): SimNode | undefined { return this.#nodes.find(({ isLeading }) => isLeading) }

  #guard (check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#violated(error)
    }
  }

  #violated (error: unknown): void {
    if (this.#violation !== undefined) return
    // One found while a node applied an entry has stopped that node, and comes as the cause of its failure.
    const causes: Error[] = []
    for (let cause = error; cause instanceof Error && causes.length < 5; cause = cause.cause) causes.push(cause)
    const found = causes.find((cause): cause is Violation => cause instanceof Violation)
    this.#violation = found !== undefined ? { rule: found.rule, message: found.message } : { rule: 'no unexpected errors', message: causes.map(({ stack }) => stack).join('\n') || String(error) }
    this.#world.trace.note(this.#clock.nowMs(), `violation ${this.#violation.rule}`)
  }
}
