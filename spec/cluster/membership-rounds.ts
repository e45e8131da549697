import { addBroker, removeBroker } from '../../lib/remoting/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { until, type ClusterProcess } from './cluster.ts'
import type { UnderLoad } from './leader-changes.ts'

/** Confirmed messages between two changes. */
const STEADY_ACKS = 50
const ASK_TIMEOUT_MS = 5000
/** Until what disturbs a change happens, at most. */
const MAX_DELAY_MS = 400

/** What happens while the members change. */
const disturbances = ['nothing', 'the leader is killed', 'a newcomer is killed', 'leadership moves'] as const
type Disturbance = typeof disturbances[number]

interface Member { readonly node: string, readonly role: 'voter' | 'learner' | 'leaving' }

export interface RoundFigures {
  /** ms from the request until the group has that many voters, disturbances included. */
  readonly steps: Readonly<Record<string, number>>
  readonly longestGapMs: number
  readonly disturbed: readonly string[]
}

/** A group under load that grows from one voter to three and five, and shrinks to three and one again, other nodes each time. */
export class MembershipRounds {
  readonly #load: UnderLoad
  readonly #random: SeededRandom
  readonly #onEvent: (text: string) => void
  #disturbed: string[] = []

  /** `onEvent` is told what is done, as it is done. */
  constructor (load: UnderLoad, random: SeededRandom, onEvent: (text: string) => void = () => {}) {
    this.#load = load
    this.#random = random
    this.#onEvent = onEvent
  }

  /** One round, from one node; to one, or three. */
  async run ({ endsWith }: { readonly endsWith: 1 | 3 }): Promise<RoundFigures> {
    const { producer } = this.#load
    this.#disturbed = []
    await producer.acks(STEADY_ACKS)
    producer.longestGapMs = 0
    const steps: Record<string, number> = {}
    for (const [from, to] of [[1, 3], [3, 5], [5, 3], [3, 1]] as const) {
      if (from === endsWith && to < from) break
      const startedMs = performance.now()
      await (to > from ? this.#grow(to) : this.#shrink(to))
      steps[`${from} to ${to}`] = Math.round(performance.now() - startedMs)
      this.#onEvent(`${to} voters`)
      await producer.acks(STEADY_ACKS)
    }
    return { steps, longestGapMs: Math.round(producer.longestGapMs), disturbed: this.#disturbed }
  }

  async #grow (voters: number): Promise<void> {
    const { group } = this.#load
    const others = group.nodes.map(({ peer }) => peer)
    const newcomers: ClusterProcess[] = []
    for (let number = 0; newcomers.length < 2; number++) {
      if (group.nodes.some(({ peer }) => peer.startsWith(`n${number}-`))) continue
      const node = await group.add(number, others)
      newcomers.push(node)
      await this.#ask(addBroker.code, addBroker.request.encode({ brokerName: group.name, brokerId: number + 1, peerAddress: node.peer.slice(node.peer.indexOf('-') + 1) }))
    }
    this.#onEvent(`${newcomers.map(nameOf).join(', ')} come`)
    for (const node of newcomers) await node.start()
    await this.#disturb(this.#random.pick(disturbances), newcomers)
    await this.#untilVoters(voters)
  }

  async #shrink (voters: number): Promise<void> {
    const { group } = this.#load
    const leader = await group.leader()
    const leaving = this.#random.shuffle([...group.nodes]).slice(0, group.nodes.length - voters)
    if (leaving.includes(leader)) this.#disturbed.push('the leader leaves')
    const isDead = this.#random.chance(0.2) && leaving[0] !== leader
    if (isDead) {
      this.#disturbed.push('a node that leaves is dead')
      await leaving[0]!.kill()
    }
    this.#onEvent(`${leaving.map(nameOf).join(', ')} leave, ${nameOf(leader)} leads`)
    const ids = leaving.map((node) => Number(nameOf(node).slice(1)) + 1)
    const asked = this.#ask(removeBroker.code, removeBroker.request.encode({ brokerName: group.name, brokerId: ids.join(';') }), async () => {
      const members = await this.#members()
      return members?.length === voters && !members.some(({ node }) => leaving.some((gone) => nameOf(gone) === node))
    })
    await this.#disturb(this.#random.pick(isDead ? ['nothing'] as const : disturbances), [])
    await asked
    await this.#untilVoters(voters)
    for (const node of leaving) {
      // some are stopped by an operator, some are just gone
      if (this.#random.chance(0.5)) await node.kill()
      else await node.stop()
      group.forget(node)
      await node.wipe()
    }
  }

  async #disturb (disturbance: Disturbance, newcomers: readonly ClusterProcess[]): Promise<void> {
    const { group } = this.#load
    const delayMs = this.#random.below(MAX_DELAY_MS)
    if (disturbance === 'nothing' || (disturbance === 'a newcomer is killed' && newcomers.length === 0)) return
    this.#disturbed.push(disturbance)
    if (disturbance === 'a newcomer is killed') {
      const [node] = newcomers
      // also while it is only starting, and any time while it catches up
      await new Promise((resolve) => { setTimeout(resolve, delayMs * 5) })
      this.#onEvent(`${nameOf(node!)} is killed`)
      await node!.kill()
      await node!.start()
      return
    }
    await new Promise((resolve) => { setTimeout(resolve, delayMs) })
    const leader = await group.leader()
    this.#onEvent(`${disturbance}: ${nameOf(leader)}`)
    if (disturbance === 'leadership moves') {
      await leader.stop()
      await leader.start()
    } else {
      await leader.kill()
      await leader.start()
    }
    await leader.ready()
  }

  /** Resolves when the leader has exactly that many voters and nobody else, and all of them are there. */
  async #untilVoters (count: number): Promise<void> {
    await until(`${this.#load.group.name} has ${count} voters`, async () => {
      const members = await this.#members()
      return members?.length === count && members.every(({ role }) => role === 'voter')
    })
  }

  /** As the leader has them; undefined: nobody leads. */
  async #members (): Promise<Member[] | undefined> {
    for (const node of this.#load.group.nodes) {
      const figures = node.isRunning ? await node.figures() : undefined
      if (figures?.['groupRole'] === 'leader') return JSON.parse(figures['groupMembers']!) as Member[]
    }
    return undefined
  }

  /** Asks until it is answered with success, or is so. */
  async #ask (code: number, extFields: ReturnType<typeof addBroker.request.encode>, isSo: () => Promise<boolean> = async () => false): Promise<void> {
    const { cluster, group } = this.#load
    await until(`${group.name} is changed`, async () => {
      if (await isSo()) return true
      await cluster.ask((await group.leader()).address, code, extFields, undefined, ASK_TIMEOUT_MS)
      return true
    })
  }
}

function nameOf ({ peer }: ClusterProcess): string { return peer.slice(0, peer.indexOf('-')) }
