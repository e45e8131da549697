import type { RaftEntry } from '../../lib/raft/index.ts'
import { getInt64, viewOf } from '../../lib/base/index.ts'
import { ENTRY_HEADER_BYTES, ENTRY_MAGIC, readSyncedTo } from '../../lib/log/index.ts'
import { positionOfSegmentName } from '../../lib/log/segment.ts'
import type { PagedBytes } from '../../lib/adapters/paged-bytes.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { checksumOf } from './ledger.ts'
import type { NodeClock } from './node-clock.ts'
import { RoomWatch } from './room-watch.ts'
import type { World } from './world.ts'

export const DIRECTORY = '/data'
const LOG_PREFIX = `${DIRECTORY}/log/`
const FLOOR_FILE = `${LOG_PREFIX}floor`
const MARK_FILE = `${LOG_PREFIX}mark`
/** So long a disk is slow that fails more than once. */
const FAILING_MS = 1_000
/** What is asked of a disk while it is slow may be answered later than that. */
const LATE_MS = 1_000
/** A write that goes wrong damages what lies so near. */
const BESIDE_BYTES = 4096
/** Of a disk that never fills up. */
const ENOUGH_BYTES = 2 ** 50
export const VOTE_FILE = `${DIRECTORY}/vote`

/** What outlives a process: a disk and a database, each of which may be slow, stuck, damaged, cut off from power, or replaced. */
export class Machine {
  readonly #world: World
  disk: FaultyDisk
  kv: FaultyKv
  /** An error was planned that may not have come yet. */
  isFailing = false
  /** Something of it was damaged; cleared when it is replaced. */
  isDamaged = false
  /** See SimNode.isDark. */
  isDark = false
  wipes = 0
  /** Since when there is room on it, or none. */
  readonly room: RoomWatch
  /** The process that uses it: it learns of nothing while it is paused, nor after its end. */
  process: NodeClock | undefined
  /** Its disk was replaced: what it held then and confirmed is not to be looked for on it. */
  heldThrough = 0
  #stuckUntilMs = 0
  #slowUntilMs = 0

  constructor (world: World) {
    this.#world = world
    this.room = new RoomWatch(world.parameters.reserveBytes)
    const faults = new Faults()
    this.disk = this.#emptyDisk(faults)
    this.kv = this.#emptyKv(faults)
  }

  #emptyDisk (faults: Faults): FaultyDisk {
    const { parameters: { alignBytes, capacityBytes } } = this.#world
    return new FaultyDisk({ faults, schedule: this.#schedule, alignBytes, capacityBytes: Math.min(capacityBytes, ENOUGH_BYTES), directories: ['/'], onRename: this.#noteRename })
  }

  #emptyKv (faults: Faults): FaultyKv {
    return new FaultyKv({ faults, schedule: this.#schedule, hasRoom: (sizeBytes) => sizeBytes <= this.disk.freeBytes })
  }

  /** How often a file of a dropped segment becomes the next one. */
  readonly #noteRename = (from: string, to: string): void => {
    if (from.includes('/spare.') && to.endsWith('.seg')) this.#world.faults.add('file used again', 1)
  }

  /** The process ends; with `cut` the machine does, and comes up with what was synced and some of what was not. */
  stop (cut: boolean): void {
    const { parameters, random } = this.#world
    const keep = random.pick(parameters.keeps)
    const next = { random: new SeededRandom(Math.floor(random.next() * 2 ** 32)), faults: new Faults(), schedule: this.#schedule }
    this.disk = cut ? this.disk.powerCut({ keep, ...next }) : this.disk.kill(next)
    this.kv = cut ? this.kv.powerCut({ keep, ...next }) : this.kv.kill(next)
    this.isFailing = false
  }

  /** An empty disk in the place of this one, which was stopped. */
  wipe (heldThrough: number): void {
    const faults = new Faults()
    this.disk = this.#emptyDisk(faults)
    this.kv = this.#emptyKv(faults)
    this.room.changed(this.#world.clock.nowMs())
    this.isDamaged = false
    this.heldThrough = heldThrough
    this.wipes++
  }

  /** Only the database is gone, which everything in the log makes anew. */
  loseDatabase (): void {
    this.kv = this.#emptyKv(this.disk.faults)
  }

  /** Nothing it is asked for is done before that. */
  stick (ms: number): void {
    this.#stuckUntilMs = Math.max(this.#stuckUntilMs, this.#world.clock.nowMs() + ms)
    this.room.changed(this.#stuckUntilMs)
  }

  slowDown (ms: number): void {
    this.#slowUntilMs = this.#world.clock.nowMs() + ms
    this.room.changed(this.#slowUntilMs)
  }

  mend (): void {
    this.#stuckUntilMs = this.#slowUntilMs = 0
    this.disk.takenBytes = 0
  }

  /** Sends may not touch what is left. */
  get isShort (): boolean { return this.disk.freeBytes < this.#world.parameters.reserveBytes }

  /** A larger disk, with all that is on this one. */
  enlarge (): void { this.disk.capacityBytes = ENOUGH_BYTES }

  /** A stranger's file takes all room but that; Infinity: it is gone. */
  fill (leaveBytes: number): void {
    const { disk } = this
    disk.takenBytes = Math.max(0, disk.capacityBytes - disk.usedBytes - leaveBytes)
  }

  /** Some write or sync soon, and perhaps the next ones: of anything, of the log, or of what is written twice, which is rare otherwise. */
  failNextWrite (): void {
    const { random, parameters: { diskErrorTimes: times } } = this.#world
    this.isFailing = true
    // it tries long before it gives up
    if (times > 1) this.slowDown(FAILING_MS)
    const of = random.pick(times === 1 ? ['', '', LOG_PREFIX, VOTE_FILE, MARK_FILE] : [LOG_PREFIX, VOTE_FILE, MARK_FILE, FLOOR_FILE])
    this.disk.faults.failAt(1 + random.below(of === '' || of === LOG_PREFIX ? 20 : 4), random.chance(0.5) ? 'EIO' : 'ENOSPC', { kinds: ['write', 'sync'], of, times })
  }

  /**
   * Rot in some byte of the log of which the log itself says that it was synced: nobody else can know. Returns whether there was one.
   * With `beside` near the end of what entries through that one say, that stay: what lies behind is about to be written over.
   */
  flipInLog (beside?: number): boolean {
    const { random } = this.#world
    const shown = new Set([...this.disk.images(LOG_PREFIX, false)].map(([path]) => path))
    const segments = [...this.disk.images(LOG_PREFIX)].flatMap(([path, bytes]) => {
      const base = positionOfSegmentName(path.slice(LOG_PREFIX.length))
      return base === undefined || !shown.has(path) ? [] : [{ path, base, bytes: bytes.toBytes() }]
    })
    const witness = segments.reduce((most, { base, bytes }) => Math.max(most, witnessIn(bytes, base, beside)), 0)
    const files = segments.filter(({ base, bytes }) => base < witness && bytes.length > 0)
    if (files.length === 0) return false
    const { path, base, bytes } = beside === undefined ? random.pick(files) : files.reduce((last, file) => file.base > last.base ? file : last)
    const toByte = Math.min(bytes.length, witness - base)
    const fromByte = beside === undefined ? 0 : Math.max(0, toByte - BESIDE_BYTES)
    this.disk.flip(path, fromByte + random.below(toByte - fromByte), 1 << random.below(8))
    this.isDamaged = true
    return true
  }

  /** The segment that a log of that length ends in takes no more entries. */
  isSegmentFull (endPosition: number): boolean {
    const bases = [...this.disk.images(LOG_PREFIX, false)].map(([path]) => positionOfSegmentName(path.slice(LOG_PREFIX.length)) ?? -1)
    return endPosition - Math.max(...bases) >= this.#world.parameters.segmentBytes
  }

  /** Whether that entry would be there after a power cut now (`durable` false: after the end of the process), or was until the disk was replaced or damaged. */
  holds (entry: RaftEntry, durable = true): boolean {
    if (entry.index <= this.heldThrough || this.isDamaged) return true
    let lowest = Infinity
    let best: PagedBytes | undefined
    let base = -1
    for (const [path, bytes] of this.disk.images(LOG_PREFIX, durable)) {
      const position = positionOfSegmentName(path.slice(LOG_PREFIX.length))
      if (position === undefined) continue
      lowest = Math.min(lowest, position)
      if (position <= entry.physicalOffset && position > base) [base, best] = [position, bytes]
    }
    // the head of a log goes only when what was in it is committed and applied
    if (best === undefined) return lowest !== Infinity
    const stored = new Uint8Array(entry.sizeBytes)
    return best.read(stored, entry.physicalOffset - base) === stored.length && viewOf(stored).getBigUint64(64) === checksumOf(entry) && isSame(stored, entry.bytes)
  }

  /** No power cut takes anything of the files of the log, nor their names. */
  get isLogDurable (): boolean {
    const durable = new Map(this.disk.images(LOG_PREFIX, true))
    for (const [path, bytes] of this.disk.images(LOG_PREFIX, false)) {
      if (positionOfSegmentName(path.slice(LOG_PREFIX.length)) === undefined) continue
      const kept = durable.get(path)
      if (kept === undefined || !isSame(kept.toBytes(), bytes.toBytes())) return false
    }
    return true
  }

  readonly #schedule = (fn: () => void): void => {
    const { parameters: { minDiskMs, maxDiskMs, slowDiskRate, slowDiskMs }, random, clock } = this.#world
    let delayMs = random.chance(slowDiskRate) ? slowDiskMs * random.next() : minDiskMs + random.next() * (maxDiskMs - minDiskMs)
    const nowMs = clock.nowMs()
    if (nowMs < this.#slowUntilMs) delayMs = 20 + delayMs * 20
    // how much room there is may be among it
    if (delayMs > LATE_MS) this.room.changed(nowMs + delayMs)
    const { process } = this
    clock.setTimer(Math.max(delayMs, this.#stuckUntilMs - nowMs), () => { process?.run(fn) })
  }
}

/** The highest position that any entry of the segment, through the one at `lastIndex`, says was synced before it was written. */
function witnessIn (bytes: Uint8Array, base: number, lastIndex = Infinity): number {
  const view = viewOf(bytes)
  let witness = 0
  for (let at = 0; at + ENTRY_HEADER_BYTES <= bytes.length; at++) {
    if (view.getUint32(at) !== ENTRY_MAGIC || getInt64(view, at + 40) !== base + at || getInt64(view, at + 16) > lastIndex) continue
    witness = Math.max(witness, readSyncedTo(bytes, view, at) ?? 0)
  }
  return witness
}

/** But for the local part of the header, which is each node's own. */
function isSame (a: Uint8Array, b: Uint8Array): boolean {
  for (let i = ENTRY_HEADER_BYTES; i < b.length; i++) if (a[i] !== b[i]) return false
  return true
}
