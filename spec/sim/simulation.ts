import { loadChecksum, type MqError } from '../../lib/base/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Ledger, Violation } from './ledger.ts'
import type { Mutant } from './mutants.ts'
import { SimNetwork } from './network.ts'
import { drawParameters, withoutFaults, type Parameters } from './parameters.ts'
import { SimNode, type World } from './sim-node.ts'
import { noFacts } from './store-machine.ts'
import { Trace } from './trace.ts'

export interface SimResult {
  readonly seed: number
  readonly steps: number
  readonly traceHash: string
  readonly violation: { readonly rule: string, readonly message: string } | undefined
  readonly faults: Readonly<Record<string, number>>
  readonly decided: number
  readonly acknowledged: number
}

export interface SimOptions {
  readonly seed: number
  readonly mutant?: Mutant
  readonly print?: (line: string) => void
  readonly parameters?: Partial<Parameters>
}

/** Virtual time for everybody to come back, elect and catch up once nothing fails any more. */
const HEALED_MS = 60_000

/** Runs one seed's world to its end. The same seed gives the same run, event by event. */
export async function simulate (options: SimOptions): Promise<SimResult> {
  await loadChecksum()
  return new Simulation(options).run()
}

class Simulation {
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #clock = new VirtualClock({ deferred: 'stepped' })
  readonly #trace: Trace
  readonly #ledger = new Ledger()
  readonly #network: SimNetwork
  readonly #world: World
  readonly #nodes: SimNode[]
  readonly #faults: Record<string, number> = { crashes: 0, partitions: 0, pauses: 0, diskErrors: 0, transfers: 0, membershipChanges: 0, installs: 0 }
  #violation: SimResult['violation']
  #steps = 0
  #nextId = 1
  #isHealed = false

  constructor ({ seed, mutant, print, parameters: overrides }: SimOptions) {
    this.#seed = seed
    this.#random = new SeededRandom(seed)
    this.#trace = new Trace(print)
    const parameters = { ...drawParameters(this.#random), ...overrides }
    print?.(`seed ${seed}: ${JSON.stringify(parameters)}`)
    const clock = this.#clock
    this.#network = new SimNetwork(clock, this.#random, parameters, {
      onSend: (message) => { this.#guard(() => { this.#nodes[message.from - 1]!.sends(message) }) },
      onDeliver: (message) => { this.#trace.note(clock.nowMs(), message.type, message.from, message.to, message.term, 'index' in message ? message.index : 'prevIndex' in message ? message.prevIndex : 0) }
    })
    const founders = Array.from({ length: parameters.nodeCount }, (_, i) => i + 1)
    this.#world = {
      clock,
      random: this.#random,
      network: this.#network,
      ledger: this.#ledger,
      trace: this.#trace,
      founders,
      facts: noFacts(),
      mutant,
      parameters,
      violated: (error) => { this.#violated(error) }
    }
    this.#nodes = founders.map((id) => new SimNode(id, this.#world))
  }

  async run (): Promise<SimResult> {
    const { parameters } = this.#world
    for (const node of this.#nodes) node.start()
    this.#scheduleWork()
    this.#scheduleFaults()
    await this.#runUntil(() => this.#clock.nowMs() >= parameters.faultyMs, parameters.faultyMs + 1)
    if (this.#violation === undefined) await this.#healAndConverge()
    if (this.#violation === undefined) await this.#verifyStates()
    for (const node of this.#nodes) this.#faults.installs! += node.installs
    return {
      seed: this.#seed,
      steps: this.#steps,
      traceHash: this.#trace.hash,
      violation: this.#violation,
      faults: { ...this.#faults, ...this.#network.faults },
      decided: this.#ledger.decided.length,
      acknowledged: this.#ledger.acknowledgedIds.size
    }
  }

  async #runUntil (condition: () => boolean, untilMs: number): Promise<boolean> {
    const clock = this.#clock
    while (this.#violation === undefined && !condition()) {
      if (clock.nowMs() >= untilMs || !clock.runNext()) return false
      this.#steps++
      await clock.settle()
    }
    return this.#violation === undefined
  }

  /** Everything works again: the group must elect a leader, decide something new, and all nodes must end up the same. */
  async #healAndConverge (): Promise<void> {
    this.#isHealed = true
    this.#world.parameters = this.#network.parameters = withoutFaults(this.#world.parameters)
    this.#network.heal()
    for (const node of this.#nodes) node.mend()
    const untilMs = this.#clock.nowMs() + HEALED_MS
    this.#trace.note(this.#clock.nowMs(), 'healed')
    let isDecided = false
    const isSettled = () => isDecided && this.#isWhole() && this.#nodes.every(({ machine }) => machine?.appliedIndex === this.#ledger.decided.length)
    const propose = () => {
      for (const node of this.#nodes) this.#maybeStart(node)
      const leader = this.#leader()
      if (leader !== undefined && !isDecided) this.#propose(leader, () => { isDecided = true })
      // Those outside the configuration are no concern of the group's: all come back in.
      if (!this.#isWhole()) this.#changeMembership()
      this.#clock.setTimer(500, propose)
    }
    propose()
    const settled = await this.#runUntil(isSettled, untilMs)
    if (this.#violation !== undefined) return
    if (!settled) {
      const state = this.#nodes.map(({ replica, id }) => `${id}: ${JSON.stringify(replica?.status())}`).join('\n')
      this.#violated(new Violation('liveness', `nothing was decided, or not everywhere, ${HEALED_MS} ms after all faults ended\n${state}`))
    }
  }

  /** Every node is a voter, and no change is under way. */
  #isWhole (): boolean {
    const confState = this.#leader()?.replica?.status().confState
    return confState?.voters.length === this.#nodes.length && confState.votersOutgoing.length === 0
  }

  /** All nodes are at the same entry: what each reads back must be what was written, and the same everywhere. */
  async #verifyStates (): Promise<void> {
    const hashes: Array<bigint | undefined> = []
    const verified = Promise.all(this.#nodes.map(async ({ machine }) => { hashes.push(await machine!.verify?.()) }))
    verified.catch((error) => { this.#violated(error) })
    const isVerified = await this.#runUntil(() => hashes.length === this.#nodes.length, this.#clock.nowMs() + HEALED_MS)
    if (this.#violation !== undefined) return
    if (!isVerified) this.#violated(new Violation('liveness', 'a state could not be read back'))
    else if (new Set(hashes).size !== 1) this.#violated(new Violation('equal state', `at the end the states' hashes are ${hashes.join(', ')}`))
  }

  #scheduleWork (): void {
    const { proposeEveryMs, readEveryMs, burst } = this.#world.parameters
    this.#repeat(proposeEveryMs, () => {
      const node = this.#someNode(0.8)
      if (node === undefined) return
      for (let n = 1 + this.#random.below(burst); n > 0; n--) this.#propose(node)
    })
    this.#repeat(readEveryMs, () => {
      const node = this.#someNode(0.3)
      if (node !== undefined) this.#read(node)
    })
  }

  #scheduleFaults (): void {
    const { parameters } = this.#world
    const random = this.#random
    this.#repeat(parameters.crashEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning) return
      this.#faults.crashes!++
      node.crash()
      this.#clock.setTimer(random.next() * parameters.crashMs, () => { this.#maybeStart(node) })
    })
    this.#repeat(parameters.partitionEveryMs, () => { this.#partition(parameters) })
    this.#repeat(parameters.pauseEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isUp || node.isPaused) return
      this.#faults.pauses!++
      this.#trace.note(this.#clock.nowMs(), 'pause', node.id)
      node.pause()
      this.#clock.setTimer(random.next() * parameters.pauseMs, () => { node.resume() })
    })
    this.#repeat(parameters.diskErrorEveryMs, () => {
      const node = random.pick(this.#nodes)
      if (!node.isRunning) return
      this.#faults.diskErrors!++
      node.failNextWrite(1 + random.below(20))
    })
    this.#repeat(parameters.transferEveryMs, () => {
      const replica = this.#someNode(1)?.replica
      if (replica === undefined) return
      this.#faults.transfers!++
      replica.transferLeadership(random.pick(this.#nodes).id).catch(() => {})
    })
    this.#repeat(parameters.membershipEveryMs, () => { this.#changeMembership() })
    // Nodes that stopped by themselves come back.
    this.#repeat(500, () => { for (const node of this.#nodes) if (node.restartDue) this.#maybeStart(node) })
  }

  #partition ({ oneWayPartitions, partitionMs }: Parameters): void {
    this.#faults.partitions!++
    const side = this.#nodes.filter(() => this.#random.chance(0.5))
    const oneWay = oneWayPartitions && this.#random.chance(0.5)
    for (const a of side) {
      for (const b of this.#nodes) {
        if (side.includes(b)) continue
        this.#network.cut(a.id, b.id)
        if (!oneWay) this.#network.cut(b.id, a.id)
      }
    }
    this.#trace.note(this.#clock.nowMs(), 'partition', ...side.map(({ id }) => id))
    this.#clock.setTimer(partitionMs * (0.5 + this.#random.next()), () => { this.#network.heal() })
  }

  /** Takes one node out, brings it back as a learner, makes it a voter again. */
  #changeMembership (): void {
    const replica = this.#leader()?.replica
    if (replica === undefined) return
    const { voters, learners, votersOutgoing } = replica.status().confState
    if (votersOutgoing.length > 0) return
    const missing = this.#nodes.find(({ id }) => !voters.includes(id))?.id
    const steps = missing === undefined
      ? [{ type: 'remove', id: this.#random.pick(voters) } as const]
      : learners.includes(missing)
        ? [{ type: 'addVoter', id: missing } as const]
        : [{ type: 'addLearner', id: missing } as const]
    this.#faults.membershipChanges!++
    this.#trace.note(this.#clock.nowMs(), `membership ${steps[0]!.type}`, steps[0]!.id)
    replica.changeMembership({ transition: this.#random.chance(0.5) ? 'auto' : 'joint-implicit', steps }).catch(() => {})
  }

  #maybeStart (node: SimNode): void {
    if (node.isRunning) return
    node.restartDue = false
    node.start()
  }

  #propose (node: SimNode, onSettled?: () => void): void {
    const { replica, machine } = node
    if (replica === undefined || machine === undefined) return
    const id = this.#nextId++
    let isAnswered = false
    replica.submit(machine.add(id, this.#random.below(this.#world.parameters.payloadBytes + 1), (error) => {
      this.#guard(() => {
        if (isAnswered) throw new Violation('one answer', `request ${id} was answered twice`)
        isAnswered = true
        if (error instanceof Violation) throw error
        this.#trace.note(this.#clock.nowMs(), error === undefined ? 'settled' : `failed ${(error as MqError).code}`, node.id, id)
        if (error === undefined) {
          this.#ledger.acknowledged(id)
          onSettled?.()
        } else if ((error as MqError).outcome === 'not-applied') {
          this.#ledger.refused(id)
        }
      })
    }))
  }

  #read (node: SimNode): void {
    const { replica } = node
    if (replica === undefined) return
    const acknowledgedBefore = this.#ledger.acknowledgedIndex
    replica.readBarrier().then(() => {
      if (node.replica !== replica) return
      const { appliedIndex } = replica.status()
      this.#trace.note(this.#clock.nowMs(), 'read', node.id, appliedIndex)
      this.#guard(() => { this.#ledger.read(node.id, acknowledgedBefore, appliedIndex) })
    }, () => {})
  }

  #leader (): SimNode | undefined {
    return this.#nodes.find(({ replica }) => replica?.status().isLeading === true)
  }

  /** Mostly a leader, when there is one. */
  #someNode (leaderRate: number): SimNode | undefined {
    const node = this.#random.chance(leaderRate) ? this.#leader() ?? this.#random.pick(this.#nodes) : this.#random.pick(this.#nodes)
    return node.isUp ? node : undefined
  }

  /** Around every `everyMs` until the faults end. */
  #repeat (everyMs: number, fn: () => void): void {
    if (everyMs === Infinity) return
    this.#clock.setTimer(everyMs * (0.5 + this.#random.next()), () => {
      if (this.#isHealed) return
      fn()
      this.#repeat(everyMs, fn)
    })
  }

  #guard (check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#violated(error)
    }
  }

  #violated (error: unknown): void {
    if (this.#violation !== undefined) return
    const found = error as Violation & { cause?: { stack?: string } }
    // One found while a node applied an entry has stopped that node, and comes as the cause of its failure.
    const { rule, message, stack, cause } = found.cause instanceof Violation ? found.cause as typeof found : found
    this.#violation = { rule: rule ?? 'no unexpected errors', message: rule === undefined ? `${stack}\n${cause?.stack ?? ''}` : message }
    this.#trace.note(this.#clock.nowMs(), `violation ${this.#violation.rule}`)
  }
}
