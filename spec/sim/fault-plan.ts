import { barrierRead } from './barrier-read.ts'
import type { Parameters } from './parameters.ts'
import { repeat } from './repeat.ts'
import { newestLeader, Rivals } from './rivals.ts'
import type { SimNode } from './sim-node.ts'
import type { Work } from './work.ts'
import type { World } from './world.ts'

/** Of a disk that has no room for more than some small writes. */
const ALMOST_NONE_BYTES = 1_000
/** The log can go on there for a while. */
const LITTLE_BYTES = 20_000

/** What goes wrong, when: each kind by itself, around every so many ms, until the faults end. */
export class FaultPlan {
  readonly #world: World
  readonly #nodes: readonly SimNode[]
  readonly #work: Work
  readonly #mayLose: readonly SimNode[]
  readonly #rivals: Rivals | undefined
  #isOver = false
  #wasJoint = false
  #installs = 0

  constructor (world: World, nodes: readonly SimNode[], work: Work) {
    this.#world = world
    this.#nodes = nodes
    this.#work = work
    // only whole nodes come back under another name, and are mended
    if (world.parameters.temper === 'rivals') {
      this.#rivals = new Rivals(world, nodes, {
        note: (kind, node) => { this.#note(kind, node) },
        ask: (leader) => { if (!this.#isOver) work.decideOne(leader, () => {}) },
        read: (node) => { if (!this.#isOver) barrierRead(world, node) },
        startLater: (node, ms) => { this.#startLater(node, ms) }
      })
    }
    this.#mayLose = world.parameters.level === 'member' ? world.mayLose.map((number) => nodes[number]!) : []
  }

  end (): void { this.#isOver = true }

  /** Called after a step in which a node has run something: some faults wait for what it was. */
  look (touched: SimNode): void {
    if (this.#isOver) return
    this.#rivals?.look()
    if (this.#world.parameters.membershipEveryMs !== Infinity) this.#splitJoint()
    this.#lookForInstalls(touched)
  }

  /** In the midst of a change of members one of them, who is still needed, is out of reach. */
  #splitJoint (): void {
    const { random, network, clock } = this.#world
    const leader = this.#newestLeader
    const isJoint = (leader?.replica?.status().confState.votersOutgoing.length ?? 0) > 0
    const begins = isJoint && !this.#wasJoint
    this.#wasJoint = isJoint
    if (!begins || leader === undefined || random.chance(0.5)) return
    const node = random.pick(this.#nodes)
    this.#note('partition', leader)
    network.split([node], this.#nodes)
    clock.setTimer(100 + 500 * random.next(), () => { if (!this.#isOver) network.heal() })
  }

  /** Whoever was given another node's log may go down right after. */
  #lookForInstalls (node: SimNode): void {
    const { random, clock, parameters: { powerCuts, crashMs } } = this.#world
    const installs = this.#nodes.reduce((sum, node) => sum + node.installs, 0)
    if (installs === this.#installs) return
    this.#installs = installs
    if (random.chance(0.4)) return
    clock.setTimer((random.chance(0.5) ? 3 : 60) * random.next(), () => {
      if (this.#isOver || !node.isRunning) return
      const cut = powerCuts && random.chance(0.8) && this.#world.mayLosePower(node)
      this.#note(cut ? 'power cut' : 'kill', node)
      node.crash(cut)
      this.#startLater(node, random.next() * crashMs)
    })
  }

  begin (): void {
    const { parameters, random, clock, network } = this.#world
    this.#repeat(parameters.crashEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning) return
      const cut = parameters.powerCuts && random.chance(0.7) && this.#world.mayLosePower(node)
      this.#note(cut ? 'power cut' : 'kill', node)
      node.crash(cut)
      this.#startLater(node, random.next() * parameters.crashMs)
    })
    this.#repeat(parameters.closeEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isUp) return
      this.#note('close', node)
      node.shutDown(parameters.powerCuts && random.chance(0.3))
    })
    this.#repeat(parameters.partitionEveryMs, () => { this.#partition(parameters) })
    this.#repeat(parameters.pauseEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning || node.isPaused) return
      this.#note('pause', node)
      this.#world.trace.note(clock.nowMs(), 'pause', node.number)
      node.pause()
      clock.setTimer(random.next() * parameters.pauseMs, () => { if (!this.#isOver) node.resume() })
    })
    this.#repeat(parameters.diskErrorEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning) return
      this.#note('disk error', node)
      node.machine.failNextWrite()
    })
    this.#repeat(parameters.stuckEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning) return
      const isStuck = random.chance(0.6)
      this.#note(isStuck ? 'stuck disk' : 'slow disk', node)
      if (isStuck) node.machine.stick(random.next() * parameters.stuckMs)
      else node.machine.slowDown(random.next() * parameters.stuckMs)
    })
    this.#repeat(parameters.fullEveryMs, () => { this.#fill(parameters) })
    this.#repeat(parameters.clockStepEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning) return
      this.#note('clock step', node)
      node.stepClock(Math.round((random.next() * 2 - 1) * parameters.clockStepMs))
    })
    this.#repeat(parameters.rumourEveryMs, () => {
      const [node, of] = [random.pick(this.#nodes), random.pick(this.#nodes)]
      if (node === of || node.nodeId === undefined || of.nodeId === undefined) return
      this.#note('rumour', node)
      network.tell(node.nodeId, of.nodeId, random.pick(['broken', 'cut', 'gone', 'gone', 'back'] as const))
    })
    this.#repeat(parameters.loseStateEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning) return
      this.#note('lost database', node)
      node.crash(false)
      node.machine.loseDatabase()
      this.#startLater(node, random.next() * parameters.crashMs)
    })
    this.#repeat(parameters.flipEveryMs, () => {
      if (!this.#hasBegun) return
      const node = random.pick(this.#mayLose)
      if (node.machine.flipInLog()) this.#note('bit flip', node)
    })
    this.#repeat(parameters.loseVoteEveryMs, () => {
      if (!this.#hasBegun) return
      const node = random.pick(this.#mayLose)
      this.#note('lost vote', node)
      if (node.isRunning) node.crash(false)
      node.loseVote()
      this.#startLater(node, random.next() * parameters.crashMs)
    })
    this.#repeat(parameters.wipeEveryMs, () => {
      if (!this.#hasBegun) return
      const node = random.pick(this.#mayLose)
      this.#note('wipe', node)
      if (node.isRunning) node.crash(false)
      node.wipe()
      this.#startLater(node, random.next() * parameters.crashMs)
    })
    this.#repeat(parameters.transferEveryMs, () => {
      const node = this.#newestLeader ?? random.pick(this.#nodes)
      const to = random.pick(this.#nodes).nodeId
      if (node.replica === undefined || to === undefined) return
      this.#note('transfer', node)
      node.replica.transferLeadership(to).catch(() => {})
    })
    this.#repeat(parameters.membershipEveryMs, () => {
      const leader = this.#nodes.find(({ isLeading }) => isLeading)
      if (leader === undefined) return
      this.#note('membership change', leader)
      this.#work.changeMembership(leader)
    })
    if (parameters.cutFlipRate > 0) for (const node of this.#mayLose) node.onCut = (index) => { this.#flipBeside(node, index) }
    // Nodes that stopped by themselves come back.
    this.#repeat(500, () => { for (const node of this.#nodes) if (node.restartDue && !node.isRunning) node.start() })
  }

  /** Whoever founds a group must not lose it before a majority has taken its place: see docs/guarantees.md. */
  get #hasBegun (): boolean { return this.#mayLose.length > 0 && this.#world.ledger.decided.length > 0 }

  /** A disk that is to write zeros over the end of a log damages what lies beside it. */
  #flipBeside (node: SimNode, index: number): void {
    const { random, ledger, parameters: { cutFlipRate } } = this.#world
    if (this.#isOver || !this.#hasBegun || !random.chance(cutFlipRate)) return
    // what is decided stays, and goes on to tell of what was synced
    if (node.machine.flipInLog(Math.min(index - 1, ledger.decided.length))) this.#note('bit flip at a cut', node)
  }

  #startLater (node: SimNode, ms: number): void {
    this.#world.clock.setTimer(ms, () => { if (!node.isRunning && !this.#isOver) node.start() })
  }

  /** A stranger's file: one that sends notice, or so large that nothing more can be written. */
  #fill ({ reserveBytes, fullMs }: Parameters): void {
    const { random, clock } = this.#world
    const leader = this.#newestLeader
    const nodes = random.chance(0.2) ? this.#nodes : [leader !== undefined && random.chance(0.6) ? leader : random.pick(this.#nodes)]
    const leaveBytes = Math.floor(random.pick([0, random.below(ALMOST_NONE_BYTES), random.below(LITTLE_BYTES), reserveBytes * random.next(), reserveBytes * random.next(), reserveBytes + random.below(ALMOST_NONE_BYTES)]))
    for (const node of nodes) {
      this.#note(leaveBytes < ALMOST_NONE_BYTES ? 'full disk' : 'nearly full disk', node)
      node.fill(leaveBytes)
    }
    clock.setTimer(fullMs * (0.5 + random.next()), () => { for (const node of nodes) node.fill(Infinity) })
  }

  #partition ({ temper, oneWayPartitions, partitionMs }: Parameters): void {
    const { random, network, trace, clock } = this.#world
    // who comes back meets those who are left without the one that goes
    if (temper === 'torn') network.heal()
    const alone = temper === 'torn' && random.chance(0.6) ? this.#newestLeader : undefined
    const side = alone === undefined ? this.#nodes.filter(() => random.chance(0.5)) : [alone]
    const others = this.#nodes.filter((node) => !side.includes(node))
    if (side.length === 0 || others.length === 0) return
    const oneWay = oneWayPartitions && random.chance(0.5)
    this.#note(oneWay ? 'one-way partition' : 'partition', this.#nodes.find(({ isLeading }) => isLeading) ?? side[0]!)
    network.split(side, others, oneWay)
    trace.note(clock.nowMs(), 'partition', ...side.map(({ number }) => number))
    clock.setTimer(partitionMs * (0.5 + random.next()), () => { if (!this.#isOver) network.heal() })
  }

  get #newestLeader (): SimNode | undefined { return newestLeader(this.#nodes) }

  #note (kind: string, node: SimNode): void {
    this.#world.faults.note(kind, node.role, this.#phase())
  }

  /** What the group is doing. */
  #phase (): string {
    const leader = this.#nodes.find(({ isLeading }) => isLeading)
    if (leader === undefined) return this.#world.durability.isKnown ? 'electing' : 'forming'
    if (this.#nodes.some(({ isCatchingUp }) => isCatchingUp)) return 'catching up'
    const { votersOutgoing, learners } = leader.replica!.status().confState
    if (votersOutgoing.length > 0 || learners.length > 0) return 'changing members'
    if (this.#nodes.some(({ role }) => role === 'starting')) return 'recovering'
    return this.#world.network.isWhole ? 'steady' : 'divided'
  }

  #repeat (everyMs: number, act: () => void): void { repeat(this.#world, everyMs, () => this.#isOver, act) }
}
