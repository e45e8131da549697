import { invariant } from '../base/index.ts'
import { Lease, MAX_LEASE_SPAN, type LeasePositions } from './pop-lease.ts'
import { LeasePlaces } from './pop-lease-places.ts'
import { ReturnedOffsets } from './pop-returned.ts'

/** [first, first + count) of a queue's offsets. */
export interface OffsetRange {
  readonly first: number
  readonly count: number
}

/** What one pop takes from one queue. */
export interface QueueTake {
  /** Ranges that had come back, ascending. */
  readonly returned: readonly OffsetRange[]
  /** New offsets: [freshFirst, freshFirst + freshCount). */
  readonly freshFirst: number
  readonly freshCount: number
  /** Offsets below it are gone from the log, and are forgotten here. */
  readonly floor: number
  /** Id of the first lease made; the others follow. */
  readonly firstLeaseId: number
  /** False when the messages are taken for the dead letter queue, not for a consumer. */
  readonly countsAsDelivery: boolean
}

/** What all leases of one pop have in common. */
export interface LeaseTerms {
  readonly invisibleUntilMs: number
  readonly owner: string
  readonly attemptId: string
}

/** Offsets about to be leased. */
interface Piece {
  first: number
  count: number
  readonly attempts: number
}

/** So many leases are looked through; of more it is noted where they are. */
const FEW_LEASES = 32
/** More deliveries than this are not told apart. */
export const MAX_ATTEMPTS = 65535

/**
 * How far a consumer group is with one queue: below `nextOffset` every offset is done, leased or returned. Offsets from
 * `nextOffset` on cost nothing, whatever the backlog. All methods are deterministic and know no clock, so that replicas
 * agree, and so that the leader can run the same code ahead on its own copy.
 */
export class PopQueue {
  /** Stands for the queue in commands and handles; never given again, also when the group is deleted and comes back. */
  readonly number: number
  readonly group: string
  readonly topic: string
  readonly queueId: number
  nextOffset: number
  nextLeaseId = 1
  /** No lease ends and no put-off offset becomes visible before. Only the leader looks at it; not part of the state. */
  dueMs = Infinity
  #leases: Map<number, Lease> | undefined
  /** Made when it is first needed. */
  #places: LeasePlaces | undefined
  #returned: ReturnedOffsets | undefined
  #leasedCount = 0

  constructor (number: number, group: string, topic: string, queueId: number, nextOffset: number) {
    this.number = number
    this.group = group
    this.topic = topic
    this.queueId = queueId
    this.nextOffset = nextOffset
  }

  get leaseCount (): number { return this.#leases?.size ?? 0 }
  /** Offsets under a lease. */
  get leasedCount (): number { return this.#leasedCount }
  /** Offsets that came back and wait to be delivered again. */
  get returnedCount (): number { return this.#returned?.count ?? 0 }
  get outstandingCount (): number { return this.#leasedCount + this.returnedCount }
  get returned (): ReturnedOffsets | undefined { return this.#returned }
  get leases (): Iterable<Lease> { return this.#leases?.values() ?? [] }

  lease (id: number): Lease | undefined { return this.#leases?.get(id) }

  /** The group's progress: the smallest offset that is not done. Never falls but by `seek`. */
  get consumerOffset (): number {
    let offset = this.#returned?.runs[0]?.first ?? this.nextOffset
    for (const lease of this.leases) {
      if (lease.firstOffset < offset) offset = Math.min(offset, lease.firstHeld)
    }
    return offset
  }

  /** Handed out before, and neither leased nor returned. */
  isDone (offset: number): boolean {
    if (offset < 0 || offset >= this.nextOffset) return false
    return this.#returned?.find(offset) === undefined && this.leaseAt(offset) === undefined
  }

  /** The lease that holds the offset. */
  leaseAt (offset: number): Lease | undefined {
    if (this.#leases === undefined) return undefined
    if (this.#places === undefined && this.#leases.size > FEW_LEASES) this.#places = new LeasePlaces(this.leases)
    for (const lease of this.#places?.near(offset) ?? this.leases) if (lease.holds(offset)) return lease
    return undefined
  }

  /** Leases what `take` names: one lease for all offsets of equal delivery count that lie close together. */
  checkOut (take: QueueTake, terms: LeaseTerms): Lease[] {
    if (take.floor > 0) this.#forgetBelow(take.floor)
    const made: Lease[] = []
    const pieces: Piece[] = []
    for (const { first, count } of take.returned) {
      invariant(this.#returned !== undefined, `offset ${first} is taken but was not returned`)
      this.#returned.remove(first, count, (first, count, attempts) => pieces.push({ first, count, attempts }))
    }
    if (this.#returned?.count === 0) this.#returned = undefined
    if (take.freshCount > 0) {
      invariant(take.freshFirst >= this.nextOffset, `offset ${take.freshFirst} is taken twice`)
      this.nextOffset = take.freshFirst + take.freshCount
      pieces.push({ first: take.freshFirst, count: take.freshCount, attempts: 0 })
    }
    invariant(take.firstLeaseId >= this.nextLeaseId, 'a lease id is given twice')
    this.nextLeaseId = take.firstLeaseId
    for (let i = 0; i < pieces.length; i++) {
      while (pieces[i]!.count > 0) made.push(this.#leaseFrom(pieces, i, take.countsAsDelivery, terms))
    }
    if (made.length > 0 && terms.invisibleUntilMs < this.dueMs) this.dueMs = terms.invisibleUntilMs
    return made
  }

  /** Moves what fits of piece `i` and of later ones like it into one new lease. */
  #leaseFrom (pieces: Piece[], i: number, countsAsDelivery: boolean, terms: LeaseTerms): Lease {
    const { first, attempts } = pieces[i]!
    const limit = first + MAX_LEASE_SPAN
    const held: OffsetRange[] = []
    let end = first
    for (let j = i; j < pieces.length && pieces[j]!.first < limit; j++) {
      const piece = pieces[j]!
      if (piece.count === 0 || piece.attempts !== attempts) continue
      end = Math.min(limit, piece.first + piece.count)
      held.push({ first: piece.first, count: end - piece.first })
      piece.count -= end - piece.first
      piece.first = end
    }
    const lease = new Lease({
      id: this.nextLeaseId++,
      firstOffset: first,
      span: end - first,
      attempts: countsAsDelivery ? Math.min(MAX_ATTEMPTS, attempts + 1) : attempts,
      invisibleUntilMs: terms.invisibleUntilMs,
      owner: terms.owner,
      attemptId: terms.attemptId
    })
    for (const range of held) lease.hold(range.first, range.count)
    this.#addLease(lease)
    return lease
  }

  /** The named offsets are done. Returns how many of them were held. */
  ack (leaseId: number, positions: LeasePositions): number {
    return this.#release(leaseId, positions)
  }

  /**
   * Gives the named offsets another end of their lease. With `newLeaseId` 0 the lease itself changes (then `positions`
   * is not looked at), otherwise they move to a lease of that id.
   */
  changeInvisible (leaseId: number, positions: LeasePositions, newLeaseId: number, invisibleUntilMs: number): number {
    const lease = this.lease(leaseId)
    if (lease === undefined) return 0
    if (invisibleUntilMs < this.dueMs) this.dueMs = invisibleUntilMs
    if (newLeaseId === 0) {
      lease.invisibleUntilMs = invisibleUntilMs
      return lease.heldCount
    }
    invariant(newLeaseId >= this.nextLeaseId, 'a lease id is given twice')
    const held: OffsetRange[] = []
    lease.forEachHeld(positions, (first, count) => held.push({ first, count }))
    if (held.length === 0) return 0
    const { first } = held[0]!
    const last = held.at(-1)!
    const moved = new Lease({ ...fieldsOf(lease), id: newLeaseId, firstOffset: first, span: last.first + last.count - first, invisibleUntilMs })
    for (const range of held) moved.hold(range.first, range.count)
    this.#release(leaseId, positions)
    this.nextLeaseId = newLeaseId + 1
    this.#addLease(moved)
    return moved.heldCount
  }

  /**
   * The named offsets may be delivered again from `visibleAtMs` on (0 = at once). `undelivered`: the delivery that ends
   * here is not counted, because no consumer saw it.
   */
  giveBack (leaseId: number, positions: LeasePositions, visibleAtMs: number, undelivered: boolean): number {
    const lease = this.lease(leaseId)
    if (lease === undefined) return 0
    const attempts = undelivered ? Math.max(0, lease.attempts - 1) : lease.attempts
    lease.forEachHeld(positions, (first, count) => {
      this.#returned ??= new ReturnedOffsets()
      this.#returned.insert({ first, count, attempts, visibleAtMs })
    })
    if (visibleAtMs > 0 && visibleAtMs < this.dueMs) this.dueMs = visibleAtMs
    return this.#release(leaseId, positions)
  }

  /** Starts again at `offset`: every lease ends, nothing is returned any more. */
  seek (offset: number): void {
    this.nextOffset = offset
    this.#leases = undefined
    this.#places = undefined
    this.#returned = undefined
    this.#leasedCount = 0
    this.dueMs = Infinity
  }

  /** Takes in a lease or returned offsets as they were saved. */
  restore (leases: Iterable<Lease>, returned: ReturnedOffsets): void {
    for (const lease of leases) this.#addLease(lease)
    if (returned.count > 0) this.#returned = returned
    this.refreshDue(0)
  }

  /**
   * Computes `dueMs` anew, taking offsets visible at `nowMs` for known. A queue with thousands of leases is not looked
   * at every millisecond: its leases may end a few ms late.
   */
  refreshDue (nowMs: number): void {
    let dueMs = Infinity
    for (const lease of this.leases) if (lease.invisibleUntilMs < dueMs) dueMs = lease.invisibleUntilMs
    for (const run of this.#returned?.runs ?? []) {
      if (run.visibleAtMs > nowMs && run.visibleAtMs < dueMs) dueMs = run.visibleAtMs
    }
    this.dueMs = Math.max(dueMs, nowMs + (this.leaseCount >>> 10))
  }

  copy (): PopQueue {
    const queue = new PopQueue(this.number, this.group, this.topic, this.queueId, this.nextOffset)
    queue.nextLeaseId = this.nextLeaseId
    queue.#returned = this.#returned?.copy()
    if (this.#leases !== undefined) {
      queue.#leases = new Map()
      for (const [id, lease] of this.#leases) queue.#leases.set(id, lease.copy())
    }
    queue.#leasedCount = this.#leasedCount
    queue.dueMs = this.dueMs
    return queue
  }

  #addLease (lease: Lease): void {
    this.#leases ??= new Map()
    this.#leases.set(lease.id, lease)
    this.#places?.add(lease)
    this.#leasedCount += lease.heldCount
  }

  #release (leaseId: number, positions: LeasePositions): number {
    const lease = this.lease(leaseId)
    if (lease === undefined) return 0
    const released = lease.clear(positions)
    this.#leasedCount -= released
    if (lease.heldCount === 0) {
      this.#leases!.delete(leaseId)
      this.#places?.remove(lease)
    }
    return released
  }

  #forgetBelow (floor: number): void {
    if (this.nextOffset < floor) this.nextOffset = floor
    this.#returned?.dropBelow(floor)
    if (this.#returned?.count === 0) this.#returned = undefined
  }
}

function fieldsOf ({ id, firstOffset, span, attempts, invisibleUntilMs, owner, attemptId }: Lease) {
  return { id, firstOffset, span, attempts, invisibleUntilMs, owner, attemptId }
}
