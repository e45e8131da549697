import type { SimNode } from './sim-node.ts'
import { UnawareLeader } from './unaware-leader.ts'
import type { World } from './world.ts'

/** A leader is asked for so many things at most while nobody hears it, soon enough that it still leads. */
const MAX_ASKED = 10
const ASKED_WITHIN_MS = 150
/** So long nobody else may come to lead before everybody hears everybody again. */
const PATIENCE_MS = 1_500

export interface RivalsOptions {
  note (kind: string, node: SimNode): void
  /** For a write. */
  ask (leader: SimNode): void
  read (node: SimNode): void
  startLater (node: SimNode, ms: number): void
}

/**
 * Whoever leads is cut off or killed: at once, or when something of its term was decided. In the same instant the one before it is
 * heard again, with a tail that nobody else has and that may be the longest of all. So tails of several terms meet, and
 * those who must not win an election stand in it. Or it stays, and does not learn that another one leads.
 */
export class Rivals {
  readonly #world: World
  readonly #nodes: readonly SimNode[]
  readonly #options: RivalsOptions
  readonly #unaware: UnawareLeader
  /** Of the leader that is looked at. */
  #term = 0
  /** It goes then, or when so much of its term was decided. */
  #dueMs = Infinity
  #wantsDecided = 1
  #isGone = false
  #awayBefore: SimNode | undefined

  constructor (world: World, nodes: readonly SimNode[], options: RivalsOptions) {
    this.#world = world
    this.#nodes = nodes
    this.#options = options
    const { note, ask, read } = options
    this.#unaware = new UnawareLeader(world, nodes, { newest: () => newestLeader(nodes), write: ask, read, note })
  }

  /** To be called often. */
  look (): void {
    const { clock, random, ledger, network, parameters: { retention } } = this.#world
    if (this.#unaware.look()) return
    const nowMs = clock.nowMs()
    if (this.#isGone && nowMs >= this.#dueMs) {
      network.heal()
      this.#isGone = false
      this.#term = 0
    }
    const leader = newestLeader(this.#nodes)
    const term = leader?.replica?.role.term
    if (leader === undefined || term === undefined || term < this.#term) return
    if (term > this.#term) {
      this.#term = term
      this.#isGone = false
      // where the head of the log goes, whoever is away for long comes back to a log that does not begin where its own ends
      const isLong = retention && random.chance(0.25)
      this.#wantsDecided = 1 + random.below(isLong ? 60 : 4)
      this.#dueMs = nowMs + (isLong ? Infinity : this.#patienceMs())
    }
    if (this.#isGone || (nowMs < this.#dueMs && ledger.decided.at(-this.#wantsDecided)?.term !== term)) return
    this.#isGone = true
    this.#dueMs = nowMs + PATIENCE_MS
    this.#takeAway(leader)
  }

  /** It goes after so long, however little was decided. */
  #patienceMs (): number {
    const { random } = this.#world
    if (random.chance(0.3)) return 20 * random.next()
    return random.chance(0.5) ? 400 * random.next() : Infinity
  }

  #takeAway (leader: SimNode): void {
    const { clock, random, network, mayLose, parameters: { oneWayPartitions, powerCuts, crashMs, cutFlipRate, tailKillRate } } = this.#world
    const { note, ask, read, startLater } = this.#options
    network.heal()
    const back = this.#awayBefore
    this.#awayBefore = leader
    if (back !== undefined && back !== leader && back.isUp && random.chance(tailKillRate)) {
      // it comes back with its tail, and knows of less that is committed
      note('kill', back)
      back.crash(false)
      startLater(back, 30 * random.next())
    }
    const mayGetTail = ![leader, back].some((node) => node !== undefined && mayLose.includes(node.number))
    if (cutFlipRate > 0 && mayLose.length > 0 && mayGetTail && random.chance(0.7)) {
      // one with a bad disk leads next, so that a tail comes to be there
      const to = this.#nodes[random.pick(mayLose)]!.nodeId
      note('transfer', leader)
      if (to !== undefined) leader.replica!.transferLeadership(to).catch(() => {})
      return
    }
    if (random.chance(0.15)) {
      const cut = powerCuts && random.chance(0.5) && this.#world.mayLosePower(leader)
      note(cut ? 'power cut' : 'kill', leader)
      leader.crash(cut)
      startLater(leader, random.next() * crashMs)
      return
    }
    if (random.chance(0.25) && this.#nodes.length > 1 && this.#nodes.every(({ isUp }) => isUp)) {
      this.#unaware.begin(leader)
      return
    }
    if (random.chance(0.15)) {
      // it hands over to one whom it does not hear any more, so it never learns what came of it
      const to = random.pick(this.#nodes)
      network.split(this.#nodes, [leader], true)
      note('transfer', leader)
      if (to.nodeId !== undefined) leader.replica!.transferLeadership(to.nodeId).catch(() => {})
      return
    }
    const side = [leader, ...(this.#nodes.length > 3 && random.chance(0.4) ? [random.pick(this.#nodes)] : [])]
    const oneWay = oneWayPartitions && random.chance(0.3)
    note(oneWay ? 'one-way partition' : 'partition', leader)
    network.split(side, this.#nodes.filter((node) => !side.includes(node)), oneWay)
    this.#world.trace.note(clock.nowMs(), 'partition', ...side.map(({ number }) => number))
    for (let asked = random.below(MAX_ASKED + 1); asked > 0; asked--) {
      clock.setTimer(ASKED_WITHIN_MS * random.next(), () => {
        if (!leader.isLeading || !leader.isUp) return
        ask(leader)
        read(leader)
      })
    }
  }
}

/** Of those that think they lead, the one of the latest term. */
export function newestLeader (nodes: readonly SimNode[]): SimNode | undefined {
  const termOf = ({ replica }: SimNode): number => replica!.role.term
  return nodes.filter(({ isLeading }) => isLeading).sort((a, b) => termOf(b) - termOf(a))[0]
}
