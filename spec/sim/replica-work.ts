import type { MqError } from '../../lib/base/index.ts'
import type { ConfStep } from '../../lib/raft/index.ts'
import { barrierRead } from './barrier-read.ts'
import { Violation } from './ledger.ts'
import type { ReplicaNode } from './replica-node.ts'
import { repeat } from './repeat.ts'
import { someNode } from './some-node.ts'
import type { Work } from './work.ts'
import type { World } from './world.ts'

/** Numbered requests to replicas, and reads. */
export class ReplicaWork implements Work {
  readonly #world: World
  readonly #nodes: readonly ReplicaNode[]
  #nextId = 1
  #isOver = false

  constructor (world: World, nodes: readonly ReplicaNode[]) {
    this.#world = world
    this.#nodes = nodes
  }

  begin (): void {
    const { parameters: { proposeEveryMs, readEveryMs, burst }, random } = this.#world
    this.#repeat(proposeEveryMs, () => {
      const node = this.#someNode(0.8)
      if (node === undefined) return
      for (let n = 1 + random.below(burst); n > 0; n--) this.#propose(node)
    })
    this.#repeat(readEveryMs, () => {
      const node = this.#someNode(0.3)
      if (node !== undefined) barrierRead(this.#world, node)
    })
  }

  end (): void { this.#isOver = true }

  decideOne (leader: ReplicaNode, onSettled: () => void): void { this.#propose(leader, onSettled) }

  changeMembership (leader: ReplicaNode): void {
    const { random } = this.#world
    this.#change(leader, (voters) => ({ type: 'remove', id: random.pick(voters) }))
  }

  completeMembership (leader: ReplicaNode): void { this.#change(leader, () => undefined) }

  settle (): void {}
  makeRoom (): void {}
  isSettled (): boolean { return true }
  pending (): string { return '' }

  async verify (node: ReplicaNode): Promise<bigint | undefined> { return await node.machineOnTop!.verify?.() }

  /** Who is out comes back as a learner and becomes a voter again; when nobody is, `otherwise` says what to do. */
  #change ({ replica }: ReplicaNode, otherwise: (voters: readonly number[]) => ConfStep | undefined): void {
    const { random, trace, clock } = this.#world
    const { voters, learners, votersOutgoing } = replica!.status().confState
    if (votersOutgoing.length > 0) return
    const missing = this.#nodes.find(({ ownId }) => !voters.includes(ownId))?.ownId
    const step = missing === undefined ? otherwise(voters) : { type: learners.includes(missing) ? 'addVoter' : 'addLearner', id: missing } as const
    if (step === undefined) return
    trace.note(clock.nowMs(), `membership ${step.type}`, step.id)
    replica!.changeMembership({ transition: random.chance(0.5) ? 'auto' : 'joint-implicit', steps: [step] }).catch(() => {})
  }

  #propose (node: ReplicaNode, onSettled?: () => void): void {
    const { random, parameters, trace, clock, ledger } = this.#world
    const { replica, machineOnTop } = node
    if (replica === undefined || machineOnTop === undefined) return
    const id = this.#nextId++
    let isAnswered = false
    const { mustRefuse } = node
    replica.submit(machineOnTop.add(id, random.below(parameters.payloadBytes + 1), (error) => {
      this.#guard(() => {
        if (isAnswered) throw new Violation('one answer', `request ${id} was answered twice`)
        isAnswered = true
        if (error instanceof Violation) throw error
        node.answered(mustRefuse, error)
        trace.note(clock.nowMs(), error === undefined ? 'settled' : `failed ${(error as MqError).code}`, node.number, id)
        if (error === undefined) {
          ledger.acknowledged(id)
          onSettled?.()
        } else if ((error as MqError).outcome === 'not-applied') {
          ledger.refused(id)
        }
      })
    }))
  }

  /** Mostly a leader, when there is one. */
  #someNode (leaderRate: number): ReplicaNode | undefined { return someNode(this.#world, this.#nodes, leaderRate) }

  #repeat (everyMs: number, act: () => void): void { repeat(this.#world, everyMs, () => this.#isOver, act) }

  #guard (check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#world.violated(error)
    }
  }
}
