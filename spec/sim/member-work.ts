import { isMqError, type MqError } from '../../lib/base/index.ts'
import { PutBatchProposal, PutProposal, type Delivery, type Engine, type PutResult, type StoredRecord } from '../../lib/engine/index.ts'
import { numberOf } from '../../lib/replica/index.ts'
import type { HeldMessage } from '../../lib/store/index.ts'
import { groupConfig, Put, topicConfig, wireMessage } from '../engine/wire.ts'
import { FilterWork } from './filter-work.ts'
import { FleetingWork } from './fleeting-work.ts'
import { KeyWork } from './key-work.ts'
import type { Kind, KindWork } from './kind-work.ts'
import { Violation } from './ledger.ts'
import { LetterWork } from './letter-work.ts'
import { Messages } from './messages.ts'
import type { MemberNode } from './member-node.ts'
import type { Focus } from './parameters.ts'
import { bodyFor, DEAD_LETTER_TOPIC, idOf, LATER, QUEUES, RETRY_TOPIC, TEMPORARY } from './names.ts'
import { PriorityWork } from './priority-work.ts'
import { Register } from './register.ts'
import { repeat } from './repeat.ts'
import { RetryWork } from './retry-work.ts'
import { someNode } from './some-node.ts'
import { TimedWork } from './timed-work.ts'
import { TransactionWork } from './transaction-work.ts'
import { TxWork } from './tx-work.ts'
import type { Work } from './work.ts'
import type { World } from './world.ts'

const RETRY_LEVELS = [50, 300, 1_000]
/** Longer than a run: what is locked stays so. */
const CLIENTS = ['client-a', 'client-b', 'client-c']

type Operation = (engine: Engine, node: MemberNode) => Promise<unknown>

const kindWork: Readonly<Record<Kind, new (world: World) => KindWork>> = { letters: LetterWork, fleeting: FleetingWork, retries: RetryWork, filters: FilterWork, keys: KeyWork, priorities: PriorityWork }

/** Everything a broker or an embedded queue asks of an engine, by several clients at once, and what they may conclude from the answers. */
export class MemberWork implements Work {
  readonly #world: World
  readonly #nodes: readonly MemberNode[]
  readonly #messages: Messages
  readonly #timed: TimedWork
  readonly #transactions: TransactionWork
  readonly #tx: TxWork
  readonly #kinds: readonly KindWork[]
  readonly #operations: readonly Operation[]
  /** What brings nothing in: of that nothing is refused for want of room. */
  readonly #mustGoOn: readonly Operation[]
  readonly #offsets = new Map<number, { readonly register: Register<number>, isBusy: boolean }>()
  readonly #setting = new Register<string>('a setting')
  #isWritingSetting = false
  /** Who holds which queue, as far as its client knows. */
  readonly #held = new Map<number, string>()
  /** So many requests of each client to let go are under way, or nobody knows what became of them. */
  readonly #lettingGo = new Map<string, number>()
  /** What was popped and not acknowledged yet. */
  readonly #kept: Delivery[] = []
  #isOver = false

  constructor (world: World, nodes: readonly MemberNode[]) {
    this.#world = world
    this.#nodes = nodes
    this.#messages = new Messages(world.ledger, world.random)
    this.#timed = new TimedWork(world)
    this.#transactions = new TransactionWork(world)
    this.#tx = new TxWork(world)
    for (let queueId = 0; queueId < QUEUES; queueId++) this.#offsets.set(queueId, { register: new Register(`the offset of queue ${queueId}`), isBusy: false })
    const { random } = world
    this.#mustGoOn = [this.#pop, this.#popMany, this.#commitOffset, this.#readOffset, this.#readSetting, this.#lock, this.#unlock, this.#seek, this.#read, this.#raiseFloor]
    // each world does some things, some of them often
    const all: Operation[] = [
      this.#pop, this.#popMany, this.#sendLater, this.#sendBatch, this.#commitOffset, this.#readOffset, this.#writeSetting, this.#readSetting,
      this.#lock, this.#unlock, this.#changeConfig, this.#changeTopic, this.#seek, this.#resetOffset, this.#read
    ]
    all.push(...this.#timed.operations, ...this.#transactions.operations, ...this.#tx.operations)
    if (world.parameters.retention) all.push(this.#raiseFloor)
    const { focus } = world.parameters
    const some = focus !== 'everything' ? [this.#send, ...this.#operationsOf(focus)] : [this.#send, this.#send, ...all.filter(() => random.chance(0.5)).flatMap((operation) => random.chance(0.3) ? [operation, operation, operation] : [operation])]
    this.#kinds = world.parameters.kinds.map((kind) => new kindWork[kind](world))
    this.#operations = [...some, ...this.#kinds.flatMap(({ operations }) => operations)]
  }

  #operationsOf (focus: Exclude<Focus, 'everything'>): readonly Operation[] {
    switch (focus) {
      case 'transactions': return this.#transactions.waves
      case 'once': return this.#timed.onceOperations
      case 'timed': return this.#timed.operations
      case 'retention': return [this.#send, this.#send, this.#sendBatch, this.#sendLater, ...this.#timed.operations, this.#popMany, this.#read, this.#raiseFloor]
      case 'kinds': return this.#world.parameters.retention ? [this.#raiseFloor] : []
      case 'names': return [this.#commitOffset, this.#readOffset, this.#writeSetting, this.#readSetting, this.#lock, this.#unlock, this.#changeConfig, this.#changeTopic, ...this.#tx.operations]
    }
  }

  begin (): void {
    const { parameters: { proposeEveryMs, burst }, random } = this.#world
    this.#repeat(proposeEveryMs, () => {
      const node = this.#someNode()
      const engine = node?.engine
      if (node === undefined || engine === undefined) return
      for (let n = 1 + random.below(burst); n > 0; n--) this.#run(random.pick(this.#operations), engine, node)
    })
  }

  end (): void { this.#isOver = true }

  decideOne (leader: MemberNode, onSettled: () => void): void {
    const { engine } = leader
    if (engine !== undefined) this.#run(async () => { await this.#send(engine, leader); onSettled() }, engine, leader)
  }

  /** A member goes; whoever runs it gives it an empty disk, and it asks to come back. Only of those that may lose what they hold. */
  changeMembership (leader: MemberNode): void {
    const { random, trace, clock, mayLose } = this.#world
    const { confState } = leader.replica!.status()
    const candidates = confState.votersOutgoing.length > 0 ? [] : mayLose.filter((number) => number !== leader.number)
    if (candidates.length === 0) return
    const number = random.pick(candidates)
    const nodeId = confState.voters.find((id) => numberOf(id) === number)
    if (nodeId === undefined || leader.member === undefined) return
    trace.note(clock.nowMs(), 'remove', number)
    leader.member.remove([nodeId]).then(() => {
      const node = this.#nodes[number]!
      if (node.nodeId !== nodeId) return
      node.crash(false)
      node.wipe()
      node.restartDue = true
    }, () => {})
  }

  /** Nodes see to that themselves, but for those that were removed: they come back on an empty disk. */
  completeMembership (leader: MemberNode): void {
    const { voters, learners } = leader.replica!.status().confState
    for (const node of this.#nodes) {
      const { nodeId } = node
      if (nodeId === undefined || voters.includes(nodeId) || learners.includes(nodeId)) continue
      if (leader.engine?.store.metadata.setting(`group.removed.${node.number}`) !== String(nodeId)) continue
      node.crash(false)
      node.wipe()
      node.start()
    }
  }

  /** All that is still to be consumed was, and all that was to come later has come; where clocks jump that may take hours. */
  isSettled (): boolean {
    const leader = this.#nodes.find(({ isLeading }) => isLeading)
    const engine = leader?.engine
    if (leader === undefined || engine === undefined) return false
    if (this.#world.parameters.clockStepEveryMs !== Infinity) return true
    if (engine.store.delays.pendingCount > 0) return false
    if (!this.#kinds.every((kind) => kind.isSettled(engine))) return false
    return engine.progress('workers').every(({ lag }) => lag === 0)
  }

  settle (leader: MemberNode): void {
    const { engine } = leader
    if (engine === undefined || this.#world.parameters.clockStepEveryMs !== Infinity) return
    for (const kind of this.#kinds) this.#run(() => kind.settle(engine), engine, leader)
    for (const topic of engine.progress('workers').filter(({ lag }) => lag > 0).map(({ topic }) => topic)) {
      this.#run(async () => {
        const deliveries = await engine.pop({ group: 'workers', topic, max: 200, invisibleMs: 2_000 })
        for (const delivery of deliveries) this.#delivered(engine, delivery)
        if (deliveries.length > 0) await this.#ackAll(engine, deliveries)
      }, engine, leader)
    }
  }

  makeRoom (leader: MemberNode): void {
    const { engine } = leader
    if (engine === undefined) return
    this.#run(async () => {
      const last = await engine.replica.log.entryContaining(engine.store.appliedPosition - 1)
      if (last !== undefined && last.physicalOffset > engine.store.floorPosition) await engine.raiseFloor(last.physicalOffset)
    }, engine, leader)
  }

  pending (): string {
    const engine = this.#nodes.find(({ isLeading }) => isLeading)?.engine
    return engine === undefined ? '' : JSON.stringify({ delayed: engine.store.delays.pendingCount, progress: engine.progress('workers') })
  }

  async verify (node: MemberNode): Promise<bigint | undefined> {
    const engine = node.engine!
    await this.#messages.verify(engine)
    await this.#timed.verify(engine)
    await this.#transactions.verify(engine)
    await this.#tx.verify(engine)
    for (const kind of this.#kinds) await kind.verify(engine, node)
    return await engine.store.stateHash()
  }

  // ---- messages ----

  readonly #send = async (engine: Engine, node: MemberNode): Promise<void> => {
    const { random, parameters: { payloadBytes } } = this.#world
    const { mustRefuse } = node
    const queueId = random.below(QUEUES)
    const sent = this.#messages.sends('sim', queueId, 1)
    const body = bodyFor(sent.ids[0]!, random.below(payloadBytes + 1))
    const result = await this.#messages.outcome(sent, new Promise<PutResult>((resolve, reject) => {
      engine.submit(new PutProposal(engine.topicToBe({ name: 'sim', queueCount: QUEUES, attributes: {} }), queueId, body, '', '', 0, '', resolve, reject))
    }))
    this.#messages.stored(sent, [result])
    node.answered(mustRefuse)
  }

  readonly #sendBatch = async (engine: Engine): Promise<void> => {
    const { random, parameters: { payloadBytes } } = this.#world
    const count = 1 + random.below(5)
    const sent = this.#messages.sends('bulk', 0, count)
    const topic = engine.topicToBe({ name: 'bulk', queueCount: QUEUES, attributes: {} })
    const extraBytes = Math.min(600, random.below(payloadBytes + 1))
    const results = await this.#messages.outcome(sent, new Promise<PutResult[]>((resolve, reject) => {
      engine.submit(new PutBatchProposal(sent.ids.map((id) => new PutProposal(topic, 0, bodyFor(id, extraBytes), '', '', 0, '', () => {}, () => {})), resolve, reject))
    }))
    this.#messages.stored(sent, results)
  }

  readonly #sendLater = async (engine: Engine): Promise<void> => {
    const { random } = this.#world
    const sent = this.#messages.sends(LATER, 0, 1)
    const put = new Put(engine, { ...wireMessage('', { delayMs: 1 + random.below(2_000) }), body: bodyFor(sent.ids[0]!, 0) }, topicConfig(LATER, 1))
    await this.#messages.outcome(sent, new Promise<void>((resolve, reject) => {
      put.done.then(() => { resolve() }, reject)
      engine.submit(put)
    }))
    this.#messages.scheduled(sent)
  }

  readonly #pop = async (engine: Engine): Promise<void> => { await this.#consume(engine, 1 + this.#world.random.below(3)) }
  readonly #popMany = async (engine: Engine): Promise<void> => { await this.#consume(engine, 40) }

  async #consume (engine: Engine, max: number): Promise<unknown> {
    const { random } = this.#world
    const topic = random.pick(['sim', 'sim', 'bulk', LATER])
    if (engine.store.metadata.topic(topic) === undefined) return
    const invisibleMs = 200 + random.below(2_000)
    const request = { group: 'workers', topic, max, invisibleMs, isOrdered: random.chance(0.2), waitMs: random.chance(0.3) ? random.below(500) : 0 }
    if (invisibleMs % 2 === 0) return await this.#consumeElsewhere(engine, request)
    const deliveries = await engine.pop(request)
    for (const delivery of deliveries) this.#delivered(engine, delivery)
    if (deliveries.length === 0) return
    switch (random.below(7)) {
      case 0: return
      case 1: return await engine.release(deliveries, random.chance(0.5))
      case 2: return await engine.retryLater(deliveries[0]!, random.below(800))
      case 3: return await engine.renew(deliveries, 500 + random.below(2_000))
      case 4: return await this.#giveUp(engine, deliveries[0]!)
      case 5: return await this.#sendBack(engine, deliveries[0]!)
      default: return await this.#ackAll(engine, deliveries)
    }
  }

  /** As a consumer at the other end of a connection does it, who has only handles, and brings them to whoever leads by then. */
  async #consumeElsewhere (engine: Engine, request: { readonly group: string, readonly topic: string, readonly max: number, readonly invisibleMs: number, readonly isOrdered: boolean, readonly waitMs: number }): Promise<void> {
    const { random } = this.#world
    const { remotePops } = engine
    const deliveries = await remotePops.pop({ ...request, maxBytes: 4096, maxAttempts: 16, attemptId: '', startsLast: false })
    for (const delivery of deliveries) this.#delivered(engine, delivery)
    if (deliveries.length === 0) return
    switch (random.below(6)) {
      case 0: {
        const kept = this.#kept.splice(0, this.#kept.length, ...deliveries)
        for (const delivery of kept) if (await remotePops.ack(heldOf(delivery))) this.#consumed(engine, delivery)
        return
      }
      case 1: return await remotePops.giveBack(deliveries)
      case 2: {
        const [delivery] = deliveries
        const changed = await remotePops.changeInvisible(heldOf(delivery!), random.below(800))
        if (changed === undefined || random.chance(0.5)) return
        if (await remotePops.ack({ ...heldOf(delivery!), ...changed })) this.#consumed(engine, delivery!)
        return
      }
      default:
        if (random.chance(0.5)) {
          if (await remotePops.ackAll(deliveries.map(heldOf)) === deliveries.length) for (const delivery of deliveries) this.#consumed(engine, delivery)
        } else {
          await Promise.all(deliveries.map(async (delivery) => { if (await remotePops.ack(heldOf(delivery))) this.#consumed(engine, delivery) }))
        }
    }
  }

  async #ackAll (engine: Engine, deliveries: readonly Delivery[]): Promise<void> {
    if (this.#world.random.chance(0.5)) {
      await engine.ackAll(deliveries)
      for (const delivery of deliveries) this.#consumed(engine, delivery)
    } else {
      await Promise.all(deliveries.map(async (delivery) => {
        await engine.ack(delivery)
        this.#consumed(engine, delivery)
      }))
    }
  }

  #delivered (engine: Engine, delivery: Delivery): void {
    this.#world.trace.note(this.#world.clock.nowMs(), 'delivered', numberOf(engine.status().nodeId), idOf(delivery.record.body), delivery.lease, delivery.attempts)
    this.#messages.delivered(delivery)
  }

  #consumed (engine: Engine, delivery: Delivery): void {
    this.#world.trace.note(this.#world.clock.nowMs(), 'consumed', numberOf(engine.status().nodeId), idOf(delivery.record.body), delivery.lease)
    this.#messages.consumed(delivery)
  }

  async #giveUp (engine: Engine, delivery: Delivery): Promise<void> {
    await engine.deadLetter(delivery, 'no use')
    this.#messages.gaveUp(delivery)
    this.#consumed(engine, delivery)
  }

  async #sendBack (engine: Engine, delivery: Delivery): Promise<void> {
    await engine.config.ensureGroup(groupConfig('workers'), topicConfig(RETRY_TOPIC, 1))
    await engine.sendBack({
      record: delivery.record,
      group: 'workers',
      delayLevel: this.#world.random.below(4) - 1,
      levels: RETRY_LEVELS,
      retryTopic: engine.topicPlanned(topicConfig(RETRY_TOPIC, 1)),
      deadLetterTopic: engine.topicPlanned(topicConfig(DEAD_LETTER_TOPIC, 1))
    })
  }

  readonly #read = async (engine: Engine): Promise<void> => {
    const { random } = this.#world
    const queueId = random.below(QUEUES)
    const queue = engine.store.consumeQueues.find('sim', queueId)
    if (queue === undefined) return
    const fromOffset = queue.minOffset + random.below(queue.nextOffset - queue.minOffset + 1)
    const records: StoredRecord[] = await engine.read({ topic: 'sim', queueId, fromOffset, maxMessages: 10 })
    records.forEach((record, i) => {
      if (record.queueOffset < fromOffset + i) throw new Violation('queue offsets', `a read from ${fromOffset} of queue ${queueId} gives offset ${record.queueOffset}`)
      this.#messages.seen('sim', record)
    })
  }

  // ---- groups and settings ----

  readonly #commitOffset = async (engine: Engine): Promise<void> => {
    const { random } = this.#world
    const queueId = random.below(QUEUES)
    const key = this.#offsets.get(queueId)!
    if (key.isBusy || engine.store.metadata.topic('sim') === undefined) return
    key.isBusy = true
    // up and down, and never the same twice
    const offset = random.below(1_000) * 10_000 + this.#messages.nextNumber()
    const written = key.register.write(offset)
    try {
      engine.offsets.commit({ group: 'readers', topic: 'sim', queueId }, offset)
      // nobody is told of a commit that could not even be submitted
      const isUnderWay = engine.offsets.query({ group: 'readers', topic: 'sim', queueId }) instanceof Promise
      await engine.offsets.settled()
      if (isUnderWay) written('applied')
    } finally {
      key.isBusy = false
    }
  }

  readonly #readOffset = async (engine: Engine): Promise<void> => {
    const queueId = this.#world.random.below(QUEUES)
    const read = this.#offsets.get(queueId)!.register.read()
    await engine.readBarrier()
    this.#world.ledger.reads++
    read(engine.store.consumerOffsets.offset('readers', 'sim', queueId))
  }

  readonly #writeSetting = async (engine: Engine): Promise<void> => {
    if (this.#isWritingSetting) return
    this.#isWritingSetting = true
    const value = `v${this.#messages.nextNumber()}`
    const written = this.#setting.write(value)
    try {
      await engine.config.putSettings({ setting: value })
      written('applied')
    } catch (error) {
      written((error as MqError).outcome === 'not-applied' ? 'not-applied' : 'unknown')
      throw error
    } finally {
      this.#isWritingSetting = false
    }
  }

  readonly #readSetting = async (engine: Engine): Promise<void> => {
    const read = this.#setting.read()
    await engine.readBarrier()
    this.#world.ledger.reads++
    read(engine.store.metadata.setting('setting'))
  }

  /** A queue has one owner at a time; where clocks do not jump, none of these locks ends by itself. */
  readonly #lock = async (engine: Engine): Promise<void> => {
    const { random, parameters: { clockStepEveryMs } } = this.#world
    if (engine.store.metadata.topic('sim') === undefined) return
    const client = random.pick(CLIENTS)
    const before = new Map(this.#held)
    const wasSure = this.#isSure(client)
    const held = await engine.locks.lock('readers', client, Array.from({ length: QUEUES }, (_, queueId) => ({ topic: 'sim', queueId })))
    for (const { queueId } of held) {
      const owner = this.#held.get(queueId)
      if (clockStepEveryMs === Infinity && owner !== undefined && owner !== client && before.get(queueId) === owner) throw new Violation('one owner', `queue ${queueId} is given to ${client}, ${owner} holds it`)
      if (wasSure && this.#isSure(client)) this.#held.set(queueId, client)
    }
  }

  readonly #unlock = async (engine: Engine): Promise<void> => {
    const { random } = this.#world
    const client = random.pick(CLIENTS)
    for (const [queueId, owner] of this.#held) if (owner === client) this.#held.delete(queueId)
    this.#lettingGo.set(client, (this.#lettingGo.get(client) ?? 0) + 1)
    try {
      if (random.chance(0.5)) await engine.locks.unregister(client)
      else await engine.locks.unlock('readers', client, Array.from({ length: QUEUES }, (_, queueId) => ({ topic: 'sim', queueId })))
    } catch (error) {
      if ((error as MqError).outcome === 'unknown') return
    }
    this.#lettingGo.set(client, this.#lettingGo.get(client)! - 1)
  }

  /** It does not let go at the moment, nor may something that it has asked for still come. */
  #isSure (client: string): boolean { return (this.#lettingGo.get(client) ?? 0) === 0 }

  readonly #changeConfig = async (engine: Engine): Promise<unknown> => {
    const { random } = this.#world
    const name = random.pick(['a', 'b'])
    switch (random.below(4)) {
      case 0: return await engine.config.putGroups([{ config: { ...groupConfig(`group-${name}`), retryMaxTimes: random.below(20) } }])
      case 1: return await engine.config.putTopics([{ config: topicConfig(`topic-${name}`, 1 + random.below(4)) }])
      case 2: return await engine.config.ensureGroup(groupConfig(`group-${name}`), topicConfig(`%RETRY%group-${name}`, 1))
      default: return await engine.config.deleteGroup(`group-${name}`, { removeOffsets: random.chance(0.5) })
    }
  }

  readonly #changeTopic = async (engine: Engine): Promise<unknown> => {
    const { random } = this.#world
    switch (random.below(5)) {
      case 0: return await engine.deleteTopic(TEMPORARY)
      case 1: return await engine.createTopic({ name: TEMPORARY, queueCount: QUEUES, attributes: {} })
      case 2: {
        const put = new Put(engine, { ...wireMessage('soon', { delayMs: random.below(600) }), queueId: random.below(QUEUES) }, topicConfig(TEMPORARY, QUEUES))
        engine.submit(put)
        return await put.done
      }
      case 3: return await engine.pop({ group: 'moved', topic: TEMPORARY, max: 5, invisibleMs: 300 })
      default: {
        engine.offsets.commit({ group: 'moved', topic: TEMPORARY, queueId: 0 }, random.below(10))
        return await engine.offsets.settled()
      }
    }
  }

  readonly #seek = async (engine: Engine): Promise<void> => {
    const { random } = this.#world
    if (engine.store.metadata.topic('sim') === undefined) return
    await engine.pop({ group: 'moved', topic: 'sim', max: 5, invisibleMs: 1_000 })
    await engine.seek({ group: 'moved', topic: 'sim', to: random.pick<Parameters<Engine['seek']>[0]['to']>(['first', 'last', { offset: random.below(20) }]) })
  }

  readonly #resetOffset = async (engine: Engine): Promise<void> => {
    if (engine.store.metadata.topic('sim') === undefined) return
    await engine.config.ensureGroup(groupConfig('moved'), topicConfig('%RETRY%moved', 1))
    if (this.#world.random.chance(0.5)) await engine.offsets.reset({ group: 'moved', topic: 'sim', timeMs: -1 })
    else engine.offsets.takeReset({ group: 'moved', topic: 'sim', queueId: 0 })
  }

  readonly #raiseFloor = async (engine: Engine): Promise<void> => {
    const { log } = engine.replica
    const { floorPosition } = engine.store
    const span = engine.store.appliedPosition - floorPosition
    const entry = span <= 0 ? undefined : await log.entryContaining(floorPosition + Math.floor(span * this.#world.random.next() * 0.8))
    if (entry !== undefined && entry.physicalOffset > floorPosition) await engine.raiseFloor(entry.physicalOffset)
  }

  // ----

  #run (operation: Operation, engine: Engine, node: MemberNode): void {
    const { trace, clock } = this.#world
    const name = this.#operations.indexOf(operation)
    trace.note(clock.nowMs(), 'ask', node.number, name)
    operation(engine, node).then(() => { trace.note(clock.nowMs(), 'done', node.number, name) }, (error: unknown) => {
      trace.note(clock.nowMs(), `failed ${(error as MqError).code}`, node.number, name)
      try {
        node.answered(false, error)
        if (isMqError(error, 'MQ_DISK_ROOM') && this.#mustGoOn.includes(operation)) throw new Violation('consumers go on without room', `what node ${node.number} is asked for is refused: ${error.message}`)
        // whatever has a code is an answer
        if (!isMqError(error) || error.code === 'MQ_INVARIANT') throw error
      } catch (violation) {
        this.#world.violated(violation)
      }
    })
  }

  #someNode (): MemberNode | undefined { return someNode(this.#world, this.#nodes, 0.85) }

  #repeat (everyMs: number, act: () => void): void { repeat(this.#world, everyMs, () => this.#isOver, act) }
}

/** What a handle of it says. */
function heldOf ({ group, topic, queueId, queueOffset, invisibleUntilMs }: Delivery): HeldMessage {
  return { group, topic, queueId, offset: queueOffset, invisibleUntilMs }
}
