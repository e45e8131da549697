import assert from 'node:assert/strict'
import { MqError } from '../../lib/base/index.ts'
import {
  AckProposal, ChangeInvisibleProposal, ExpireProposal, ForgetGroupProposal, OpenProposal, PopMachine, PopProposal, ReleaseOwnerProposal, ReturnProposal, SeekProposal,
  type LeasedRange, type PoppedRange, type PopResult
} from '../../lib/store/pop.ts'
import { deleteTopic } from '../../lib/message/index.ts'
import { encodeQueue } from '../../lib/store/pop-values.ts'
import type { PopDecision } from '../../lib/store/pop-decision.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { choose, cloneModel, consumerOffsetOf, explode, forgetBelow, forHeld, leasedOf, queuesOf, type Item, type Model, type ModelQueue, type Offset } from './pop-model.ts'

type Command = { type: number, payload: Uint8Array }
interface Step { readonly commands: Command[], readonly proposal: PopDecision<any> | undefined, readonly effect: (model: Model) => void, readonly handles: readonly PoppedRange[] }

const GROUPS = ['plain', 'ordered']
const TOPICS = ['orders', 'mails']
const OWNERS = ['', 'a:1', 'a:2', 'b:1']
const context = { index: 1, term: 1, storeTimestampMs: 0, physicalOffset: 0, recordPosition: 0 }
const key = ({ queue, lease, offset }: Offset): string => `${queue}/${lease}/${offset}`

/**
 * One random history, decided by a leader, applied by it and by a follower that takes over now and then, each compared
 * with the naive twin. Every decision is predicted by the twin before it is compared with what the machine decided.
 */
export class PopHistory {
  readonly random: SeededRandom
  #leader = new PopMachine()
  #follower = new PopMachine()
  /** What the leader's checkpoints have written. */
  #saved = new Map<string, Uint8Array>()
  #followerSaved = new Map<string, Uint8Array>()
  #applied: Model = new Map()
  #ahead: Model = new Map()
  #pending: Step[] = []
  #handles: PoppedRange[] = []
  #nowMs = 1_000_000
  readonly #sources = new Map(TOPICS.map((topic) => [topic, [0, 1, 2].map((queueId) => ({ queueId, minOffset: 0, proposedNextOffset: 0 }))]))
  readonly maxAttempts: number
  readonly maxOutstanding: number
  counts = { delivered: 0, redelivered: 0, exhausted: 0, lost: 0, terms: 0, reloads: 0 }

  constructor (seed: number) {
    this.random = new SeededRandom(seed)
    this.maxAttempts = this.random.pick([1, 2, 4, 16])
    this.maxOutstanding = this.random.pick([5, 20, 1000])
    for (let i = 0; i < 5; i++) this.#open()
  }

  step (): void {
    const { random } = this
    const actions: Array<[weight: number, action: () => void]> = [
      [10, () => this.#send()], [20, () => this.#pop()], [12, () => this.#ack()], [10, () => this.#giveBack()], [6, () => this.#change()],
      [8, () => { this.#nowMs += random.pick([1, 5, 50, 1000]) }], [8, () => this.#expire()], [1, () => this.#releaseOwner()],
      [4, () => this.#open()], [1, () => this.#seek()], [0.2, () => this.#forget()], [0.2, () => this.#deleteTopic()], [0.5, () => this.#retain()],
      [30, () => this.applyOne()], [1, () => this.#changeTerm()], [1.5, () => this.#checkpoint()], [1, () => this.#reload()]
    ]
    let at = random.next() * actions.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, action] of actions) {
      at -= weight
      if (at < 0) return action()
    }
  }

  /** Brings the history to its end: all that was not done is delivered once more, and acknowledged. */
  drain (): void {
    while (this.#pending.length > 0) this.applyOne()
    this.#nowMs += 1_000_000_000
    this.#expire()
    while (this.#pending.length > 0) this.applyOne()
    const open = new Set<string>()
    const delivered = new Set<string>()
    for (const queue of this.#applied.values()) {
      const { minOffset, proposedNextOffset } = this.#sourceOf(queue)
      for (const offset of queue.items.keys()) if (offset >= minOffset) open.add(`${queue.number}/${offset}`)
      for (let offset = Math.max(minOffset, queue.next); offset < proposedNextOffset; offset++) open.add(`${queue.number}/${offset}`)
    }
    for (const group of GROUPS) {
      for (const topic of TOPICS) {
        for (;;) {
          const proposal = new PopProposal(this.#leader, { group, topic, sources: this.#sources.get(topic)!, max: 7, invisibleMs: 1000, ordered: group === 'ordered', maxAttempts: Infinity })
          const { messages } = this.#decide(proposal) as PopResult
          if (messages.length === 0) break
          for (const { queue, offset } of explode(messages)) delivered.add(`${queue}/${offset}`)
          this.#decide(new AckProposal(this.#leader, messages))
        }
      }
    }
    assert.deepEqual([...delivered].sort(), [...open].sort(), 'what was not done is what is delivered')
    for (const queue of this.#leader.applied.queues) {
      assert.equal(queue.outstandingCount, 0)
      assert.equal(queue.consumerOffset, queue.nextOffset)
    }
    this.#compareReplicas()
  }

  applyOne (): void {
    const step = this.#pending.shift()
    if (step === undefined) return
    const before = new Map([...this.#applied.values()].map((queue) => [queue.number, consumerOffsetOf(queue)]))
    this.#applyCommands(step.commands)
    step.effect(this.#applied)
    step.proposal?.settle()
    this.#handles.push(...step.handles)
    this.#compareApplied(before, step.proposal instanceof SeekProposal)
  }

  #applyCommands (commands: readonly Command[]): void {
    for (const machine of [this.#leader, this.#follower]) {
      for (const { type, payload } of commands) {
        const handler = machine.handlers.find(({ command }) => command.type === type)!
        handler.apply(handler.command.decode(payload), context)
      }
    }
  }

  /** Decides and applies at once, away from the twin. */
  #decide (proposal: PopDecision<any>): any {
    const commands: Command[] = []
    proposal.decide(writerInto(commands, proposal.costBytes), this.#nowMs)
    this.#applyCommands(commands)
    return decisionOf(proposal)
  }

  /** `effect` is what the twin does; it has checked the decision already. */
  #propose (proposal: PopDecision<any>, effectOf: (result: any) => (model: Model) => void, handlesOf: (result: any) => readonly PoppedRange[] = () => []): void {
    proposal.done.catch(() => {})
    const commands: Command[] = []
    proposal.decide(writerInto(commands, proposal.costBytes), this.#nowMs)
    const result = decisionOf(proposal)
    this.#push({ commands, proposal, effect: effectOf(result), handles: handlesOf(result) })
  }

  #push (step: Step): void {
    step.effect(this.#ahead)
    this.#pending.push(step)
    this.#compareOverlay()
  }

  #sourceOf ({ topic, queueId }: ModelQueue) { return this.#sources.get(topic)![queueId]! }

  #send (): void {
    const source = this.random.pick(this.#sources.get(this.random.pick(TOPICS))!)
    source.proposedNextOffset += this.random.pick([1, 2, 7, 40])
  }

  #retain (): void {
    const source = this.random.pick(this.#sources.get(this.random.pick(TOPICS))!)
    source.minOffset = source.minOffset + this.random.below(source.proposedNextOffset - source.minOffset + 1)
  }

  #pop (): void {
    const { random, maxAttempts, maxOutstanding } = this
    const group = random.pick(GROUPS)
    const ordered = group === 'ordered'
    const topic = random.pick(TOPICS)
    const all = this.#sources.get(topic)!
    const sources = random.chance(0.5) ? all : [random.pick(all)]
    const max = random.pick([1, 2, 5, 32, 100])
    const invisibleMs = random.pick([10, 100, 1000])
    const owner = random.pick(OWNERS)
    const attemptId = random.pick(['', 'x', 'y'])
    const queues = queuesOf(this.#ahead, group, topic)
    const rules = { nowMs: this.#nowMs, ordered, maxAttempts, maxOutstanding }
    const request = { group, topic, sources, max, invisibleMs, ordered, owner, attemptId, maxAttempts, maxOutstanding }
    this.#propose(new PopProposal(this.#leader, request), (result: PopResult) => {
      const taken = explode(result.messages)
      const gone = explode(result.exhausted)
      const again = new Set<ModelQueue>()
      let most = 0
      for (const source of sources) {
        const queue = queues.get(source.queueId)
        if (queue === undefined) {
          assert.ok(result.unopened || result.count >= max)
          continue
        }
        const mine = taken.filter((delivery) => delivery.queue === queue.number)
        const held = leasedOf(queue)
        if (ordered && attemptId !== '' && held.length > 0 && held.every(([, item]) => item.attemptId === attemptId && item.owner === owner)) {
          most += held.length
          if (mine.length === 0) continue
          // an attempt that is repeated with a smaller maximum gets no more leases than that
          const leases = new Set(mine.map(({ lease }) => lease))
          if (again.size === 0 && max > held.length) assert.equal(leases.size, new Set(held.map(([, item]) => item.lease)).size)
          assert.deepEqual(mine.map(({ offset, lease, range }) => [offset, lease, range.attempts]), held.filter(([, item]) => leases.has(item.lease)).map(([offset, item]) => [offset, item.lease, item.attempts]))
          again.add(queue)
          continue
        }
        most += choose(queue, source, max, rules).deliver.length
        // which of the queues came first is the machine's choice; what it took of each is not
        const expected = choose(queue, source, Math.max(mine.length, 1), rules)
        assert.deepEqual(mine.map(({ offset, range }) => ({ offset, attempts: range.attempts })), expected.deliver.slice(0, mine.length), `queue ${queue.queueId}`)
        const myGone = gone.filter((delivery) => delivery.queue === queue.number).map(({ offset }) => offset)
        assert.deepEqual(choose(queue, source, max, rules).exhausted.slice(0, myGone.length), myGone)
        if (sources.length === 1) {
          assert.deepEqual(choose(queue, source, max, rules).exhausted, myGone)
          assert.equal(mine.length, choose(queue, source, max, rules).deliver.length)
        }
      }
      assert.equal(taken.length, result.count)
      if (again.size === 0) assert.equal(result.count, Math.min(max, most), 'a pop takes all it may')
      this.counts.delivered += taken.length
      this.counts.redelivered += taken.filter(({ range }) => range.attempts > 1).length
      this.counts.exhausted += gone.length
      const untilMs = this.#nowMs + invisibleMs
      const forgotten = [...queues.values()].filter(({ number, queueId }) => {
        const queue = this.#leader.overlay.state.queue(number)!
        const { minOffset } = all[queueId]!
        return queue.nextOffset >= minOffset && (queue.returned?.runs[0]?.first ?? minOffset) >= minOffset
      })
      for (const number of new Set([...taken, ...gone].map(({ queue }) => queue))) assert.ok([...again, ...forgotten].some((queue) => queue.number === number))
      const floors = new Map(all.map(({ queueId, minOffset }) => [queueId, minOffset]))
      return (model) => {
        const lease = (deliveries: typeof taken, attemptId: string): void => {
          for (const { queue: number, lease, offset, range } of deliveries) {
            const queue = model.get(number)!
            const before = queue.items.get(offset)
            if (![...again].some((other) => other.number === number)) assert.notEqual(before?.state, 'leased', 'two leases on one offset')
            queue.items.set(offset, { state: 'leased', lease, untilMs, attempts: range.attempts, owner, attemptId })
            queue.next = Math.max(queue.next, offset + 1)
          }
        }
        for (const { number, queueId } of forgotten) forgetBelow(model.get(number)!, floors.get(queueId)!)
        lease(taken, attemptId)
        lease(gone, '')
      }
    }, ({ messages, exhausted }) => [...messages, ...exhausted])
  }

  #someHandles (): LeasedRange[] {
    const { random } = this
    const ranges: LeasedRange[] = []
    for (let i = random.below(6); i >= 0 && this.#handles.length > 0; i--) {
      const recent = Math.max(0, this.#handles.length - 12)
      const range = this.#handles[random.chance(0.9) ? recent + random.below(this.#handles.length - recent) : random.below(this.#handles.length)]!
      if (random.chance(0.4)) {
        ranges.push(range)
        if (random.chance(0.8)) this.#handles = this.#handles.filter((other) => other !== range)
      } else {
        const first = range.first + random.below(range.count)
        ranges.push({ ...range, first, count: 1 + random.below(range.first + range.count - first) })
      }
    }
    return ranges
  }

  #ack (): void {
    const ranges = this.#someHandles()
    const lost = forHeld(cloneModel(this.#ahead), ranges, () => {})
    this.#propose(new AckProposal(this.#leader, ranges), ({ count, lost: actual }) => {
      assert.deepEqual(explode(actual).map(key), lost.map(key))
      assert.equal(count, explode(ranges).length - lost.length)
      this.counts.lost += lost.length
      return (model) => { forHeld(model, ranges, (queue, offset) => { queue.items.delete(offset) }) }
    })
  }

  #giveBack (): void {
    const ranges = this.#someHandles()
    const delayMs = this.random.pick([0, 0, 20, 300])
    const undelivered = this.random.chance(0.3)
    const visibleAtMs = delayMs === 0 ? 0 : this.#nowMs + delayMs
    const lost = forHeld(cloneModel(this.#ahead), ranges, () => {})
    this.#propose(new ReturnProposal(this.#leader, ranges, { delayMs, undelivered }), (result) => {
      assert.deepEqual(explode(result.lost).map(key), lost.map(key))
      return (model) => {
        forHeld(model, ranges, (queue, offset, { attempts }) => {
          queue.items.set(offset, { state: 'returned', attempts: undelivered ? Math.max(0, attempts - 1) : attempts, visibleAtMs })
        })
      }
    })
  }

  #change (): void {
    // one lease at a time: what becomes of it depends on whether all of it is named
    const range = this.#someHandles()[0]
    if (range === undefined) return
    const invisibleMs = this.random.pick([0, 10, 500])
    const wholeLease = this.random.chance(0.3)
    const untilMs = this.#nowMs + invisibleMs
    const named: number[] = []
    const lost = forHeld(cloneModel(this.#ahead), [range], (_, offset) => { named.push(offset) })
    const held = leasedOf(this.#ahead.get(range.queue) ?? { items: new Map() } as ModelQueue).filter(([, { lease }]) => lease === range.lease).map(([offset]) => offset)
    const isWhole = wholeLease || named.length === held.length
    this.#propose(new ChangeInvisibleProposal(this.#leader, [range], { invisibleMs, wholeLease }), (result: { ranges: PoppedRange[], lost: LeasedRange[] }) => {
      assert.deepEqual(explode(result.lost).map(key), lost.map(key))
      const changed = explode(result.ranges)
      assert.deepEqual(changed.map(({ offset }) => offset), named.length === 0 ? [] : isWhole ? held : named)
      if (isWhole) assert.ok(changed.every(({ lease }) => lease === range.lease))
      return (model) => {
        for (const { queue: number, lease, offset } of changed) {
          const item = model.get(number)!.items.get(offset)!
          assert.equal(item.state, 'leased')
          if (item.state === 'leased') model.get(number)!.items.set(offset, { ...item, lease, untilMs: wholeLease ? Math.max(untilMs, item.untilMs) : untilMs })
        }
      }
    }, ({ ranges }) => ranges)
  }

  #expire (): void {
    const nowMs = this.#nowMs
    const dueMs = Math.min(Infinity, ...[...this.#ahead.values()].flatMap((queue) => leasedOf(queue).map(([, item]) => item.untilMs)))
    assert.ok(this.#leader.nextExpiryMs <= dueMs, 'the leader wakes in time')
    this.#propose(new ExpireProposal(this.#leader), () => {
      assert.ok(this.#leader.nextExpiryMs > nowMs, 'the leader does not wake in vain again and again')
      return (model) => {
        for (const queue of model.values()) {
          for (const [offset, item] of leasedOf(queue)) {
            if (item.untilMs <= nowMs) queue.items.set(offset, { state: 'returned', attempts: item.attempts, visibleAtMs: 0 })
          }
        }
      }
    })
  }

  #releaseOwner (): void {
    const options = this.random.pick([{ owner: 'a:1' }, { owner: 'a:', isPrefix: true }, { owner: 'a:', isPrefix: true, except: 'a:2' }])
    this.#propose(new ReleaseOwnerProposal(this.#leader, options), () => (model) => {
      for (const queue of model.values()) {
        for (const [offset, item] of leasedOf(queue)) {
          if (options.isPrefix === true ? item.owner.startsWith(options.owner) && item.owner !== options.except : item.owner === options.owner) {
            queue.items.set(offset, { state: 'returned', attempts: item.attempts, visibleAtMs: 0 })
          }
        }
      }
    })
  }

  #open (): void {
    const group = this.random.pick(GROUPS)
    const topic = this.random.pick(TOPICS)
    const start = this.random.pick(['first', 'last'] as const)
    const sources = this.random.chance(0.8) ? this.#sources.get(topic)! : this.#sources.get(topic)!.slice(0, 2)
    const known = queuesOf(this.#ahead, group, topic)
    const starts = new Map(sources.filter(({ queueId }) => !known.has(queueId))
      .map(({ queueId, minOffset, proposedNextOffset }) => [queueId, start === 'first' || known.size > 0 ? minOffset : proposedNextOffset]))
    this.#propose(new OpenProposal(this.#leader, { group, topic, sources, start }), ({ opened }) => {
      assert.equal(opened, starts.size)
      const made = this.#leader.overlay.state.topic(group, topic)?.queues
      const numbers = new Map([...starts.keys()].map((queueId) => [queueId, made!.get(queueId)!.number]))
      return (model) => {
        for (const [queueId, next] of starts) {
          const number = numbers.get(queueId)!
          assert.ok(!model.has(number), 'a number is given twice')
          model.set(number, { number, group, topic, queueId, next, items: new Map() })
        }
      }
    })
  }

  #seek (): void {
    const group = this.random.pick(GROUPS)
    const topic = this.random.pick(TOPICS)
    const sources = this.#sources.get(topic)!
    const place = this.random.below(60)
    const to = this.random.pick<'first' | 'last' | Map<number, number>>(['first', 'last', new Map([[1, place], [2, 0]])])
    const goals = new Map(sources.map(({ queueId, minOffset, proposedNextOffset }) => {
      const offset = to === 'first' ? minOffset : to === 'last' ? proposedNextOffset : to.get(queueId)
      return [queueId, offset === undefined ? undefined : Math.max(minOffset, Math.min(offset, proposedNextOffset))]
    }))
    this.#propose(new SeekProposal(this.#leader, { group, topic, sources, to }), () => (model) => {
      for (const queue of queuesOf(model, group, topic).values()) {
        const offset = goals.get(queue.queueId)
        if (offset === undefined) continue
        queue.next = offset
        queue.items.clear()
      }
    })
  }

  #forget (): void {
    const group = this.random.pick(GROUPS)
    const topic = this.random.pick([...TOPICS, ''])
    this.#propose(new ForgetGroupProposal(this.#leader, { group, topic }), () => (model) => {
      for (const queue of [...model.values()]) if (queue.group === group && (topic === '' || queue.topic === topic)) model.delete(queue.number)
    })
  }

  /** A command of another machine that this one obeys too. */
  #deleteTopic (): void {
    const topic = this.random.pick(TOPICS)
    this.#leader.proposeDeleteTopic(topic)
    const commands = [{ type: deleteTopic.type, payload: deleteTopic.encode({ topic }) }]
    const effect = (model: Model): void => {
      for (const queue of [...model.values()]) if (queue.topic === topic) model.delete(queue.number)
    }
    this.#push({ commands, proposal: undefined, effect, handles: [] })
  }

  /** Leadership ends: some of what was proposed is committed all the same, the rest is not. The next leader may be either node. */
  #changeTerm (): void {
    this.counts.terms++
    this.#leader.resetOverlay()
    const committed = this.random.below(this.#pending.length + 1)
    const overwritten = this.#pending.splice(committed)
    for (const { proposal } of overwritten) proposal?.fail(new MqError('MQ_OVERWRITTEN', 'another leader'))
    while (this.#pending.length > 0) this.applyOne()
    this.#ahead = cloneModel(this.#applied)
    if (this.random.chance(0.5)) {
      [this.#leader, this.#follower] = [this.#follower, this.#leader];
      [this.#saved, this.#followerSaved] = [this.#followerSaved, this.#saved]
    }
    this.#leader.resetOverlay()
  }

  #checkpoint (): void {
    freezeInto(this.#leader, this.#saved)
    assert.deepEqual(this.#saved, valuesOf(this.#leader), 'what checkpoints wrote is the state')
    this.#compareReplicas()
  }

  /** The follower starts again from its last checkpoint of now. */
  #reload (): void {
    this.counts.reloads++
    freezeInto(this.#follower, this.#followerSaved)
    this.#follower = new PopMachine()
    for (const [key, value] of [...this.#followerSaved].sort(([a], [b]) => a < b ? -1 : 1)) this.#follower.load(key, value)
    assert.deepEqual(this.#follower.freeze(), [], 'what was loaded has not changed')
    this.#compareReplicas()
  }

  #compareReplicas (): void {
    assert.deepEqual(valuesOf(this.#follower), valuesOf(this.#leader), 'replicas agree')
  }

  #compareApplied (before: Map<number, number>, hasSought: boolean): void {
    compare([...this.#leader.applied.queues], this.#applied)
    for (const queue of this.#applied.values()) {
      const consumerOffset = consumerOffsetOf(queue)
      assert.equal(this.#leader.progressOf(queue.group, queue.topic, queue.queueId)!.consumerOffset, consumerOffset)
      if (!hasSought) assert.ok(consumerOffset >= (before.get(queue.number) ?? 0), 'progress went back')
    }
  }

  #compareOverlay (): void {
    const { overlay } = this.#leader
    compare([...overlay.state.queues], new Map([...this.#ahead].filter(([number]) => [...overlay.state.queues].some((queue) => queue.number === number))))
    if (overlay.pendingCount > 0) return
    for (const queue of overlay.state.queues) {
      assert.deepEqual(encodeQueue(queue), encodeQueue(this.#leader.applied.queue(queue.number)!), 'with nothing pending the overlay is the state')
    }
  }
}

/** All that the machine says of these queues is what the twin says. */
function compare (queues: Array<import('../../lib/store/pop-queue.ts').PopQueue>, model: Model): void {
  assert.deepEqual(queues.map(({ number }) => number).sort(), [...model.keys()].sort())
  for (const queue of queues) {
    const twin = model.get(queue.number)!
    assert.equal(queue.nextOffset, twin.next)
    const seen = new Set<number>()
    /** The twin says the same of [first, first + count). */
    const assertItems = (first: number, count: number, item: Item): void => {
      for (let offset = first; offset < first + count; offset++) {
        if (!isEqual(item, twin.items.get(offset))) assert.deepEqual([offset, item], [offset, twin.items.get(offset)])
        seen.add(offset)
      }
    }
    for (const lease of queue.leases) {
      const { id, invisibleUntilMs: untilMs, attempts, owner, attemptId } = lease
      const item = { state: 'leased', lease: id, untilMs, attempts, owner, attemptId } as const
      const before = seen.size
      lease.forEachHeld(null, (first, count) => {
        if (seen.size === before) assert.equal(lease.firstHeld, first)
        assertItems(first, count, item)
      })
      assert.ok(lease.heldCount > 0)
      assert.equal(lease.heldCount, seen.size - before)
    }
    assert.equal(queue.leasedCount, seen.size)
    let lastReturned = -1
    for (const { first, count, attempts, visibleAtMs } of queue.returned?.runs ?? []) {
      assert.ok(first > lastReturned)
      assertItems(first, count, { state: 'returned', attempts, visibleAtMs })
      lastReturned = first + count - 1
    }
    assert.equal(queue.leasedCount + queue.returnedCount, seen.size)
    assert.equal(seen.size, twin.items.size)
  }
}

function isEqual (a: Item, b: Item | undefined): boolean {
  return a.state === 'leased'
    ? b?.state === 'leased' && a.lease === b.lease && a.untilMs === b.untilMs && a.attempts === b.attempts && a.owner === b.owner && a.attemptId === b.attemptId
    : b?.state === 'returned' && a.attempts === b.attempts && a.visibleAtMs === b.visibleAtMs
}

function writerInto (commands: Command[], costBytes: number): any {
  let room = costBytes
  return {
    addCommand (type: number, payload: Uint8Array): void {
      room -= 10 + payload.length
      assert.ok(room >= 0, 'a command takes more than the proposal said')
      commands.push({ type, payload })
    }
  }
}

function decisionOf (proposal: PopDecision<any>): any {
  return (proposal as unknown as { result: unknown }).result
}

function freezeInto (machine: PopMachine, saved: Map<string, Uint8Array>): void {
  for (const { key, value } of machine.freeze()) {
    if (value === undefined) saved.delete(key)
    else saved.set(key, value)
  }
}

function valuesOf (machine: PopMachine): Map<string, Uint8Array> {
  return new Map([...machine.values()].map(({ key, value }) => [key, value]))
}
