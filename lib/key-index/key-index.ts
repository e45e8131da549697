import { join } from 'node:path'
import { isMqError, MqError, turn, wait, type Clock, type Disk, type Logger } from '../base/index.ts'
import { bodyOf, ENTRY_HEADER_BYTES, stampMsOf } from '../log/index.ts'
import { EntryBody } from '../message/index.ts'
import { EntryKind, type RaftEntry } from '../raft/index.ts'
import { blockFileName, findInFile, readBounds, writeBlockFile } from './block-file.ts'
import { KeyBlock, type BlockBounds } from './key-block.ts'
import { RecordKeys } from './record-keys.ts'

export interface IndexedLog {
  readonly firstIndex: number
  /** Where it begins. */
  readonly floor: { readonly physicalOffset: number }
  readonly lastIndex: number
  term (index: number): number | undefined
  entryContaining (physicalOffset: number): Promise<RaftEntry | undefined>
  scan (fromIndex: number, toIndex: number): AsyncIterable<RaftEntry>
}

export interface KeyIndexOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly logger: Logger
  /** The data directory; the files are in `index/`. */
  readonly directory: string
  readonly log: IndexedLog
  readonly groupSeed: bigint
  /** Where the last applied entry ends. */
  readonly appliedPosition: () => number
  /** What stands below is gone. */
  readonly floorPosition: () => number
  readonly settings?: Partial<KeyIndexSettings>
}

export interface KeyIndexSettings {
  /** A block is sealed when it has so many keys, or reaches over so much of the log. */
  readonly blockKeys: number
  readonly blockBytes: number
  /** What a crash, or a close, leaves out of files for good is at most so much: it is read from the log again at the next start. */
  readonly leastFileKeys: number
  readonly leastFileBytes: number
}

const MIB = 1024 * 1024
export const defaultKeyIndexSettings: KeyIndexSettings = { blockKeys: 512 * 1024, blockBytes: 128 * MIB, leastFileKeys: 4096, leastFileBytes: 16 * MIB }

/** Blocks that could not be written and are kept in memory. */
const MAX_UNWRITTEN = 4
/** After a start others come first. */
const REBUILD_AFTER_MS = 1000
const RETRY_MS = 60_000
/** So often a part of the log is looked for in a file, if those before were damaged. */
const MAX_ATTEMPTS = 3
/** Bytes of the log read again before others get a turn. */
const SLICE_BYTES = 256 * 1024

/** A block in a file. */
interface SealedBlock extends BlockBounds { readonly path: string }

/**
 * Where messages with a key stand in the log: by hash of topic and key, in blocks of consecutive entries, the newest one in memory,
 * the others in a file each. It follows from the log alone: every node makes its own from the entries it applies, and what
 * is missing or damaged is read from the log again. It may name messages that do not have the key: whoever asks looks at them.
 * @see RocketMQ IndexService. Divergence: no slots and links but buckets; files cover parts of the log, not so many keys
 */
export class KeyIndex {
  readonly #options: KeyIndexOptions
  readonly #settings: KeyIndexSettings
  readonly #directory: string
  readonly #keys: RecordKeys
  readonly #abort = new AbortController()
  #active: KeyBlock | undefined
  /** Full blocks that are not in files, the oldest first. */
  #unwritten: KeyBlock[] = []
  /** Too small for a file of their own. */
  #loose: KeyBlock[] = []
  #sealed: SealedBlock[] = []
  /** Their files are damaged, and nothing has taken their place yet: who asks waits for that. */
  #damaged: SealedBlock[] = []
  #floor = 0
  #hasWarned = false
  #hasDirectory = false
  #writing: Promise<void> | undefined
  #rebuilding: Promise<boolean> | undefined
  #isRetrying = false
  /** Damaged files are gone, whose names new ones will have. */
  #removed: Promise<void> = Promise.resolve()
  readonly #loaded: Promise<void>

  constructor (options: KeyIndexOptions) {
    this.#options = options
    this.#settings = { ...defaultKeyIndexSettings, ...options.settings }
    this.#directory = join(options.directory, 'index')
    this.#keys = new RecordKeys(Number(BigInt.asUintN(32, options.groupSeed)))
    this.#loaded = this.#load().catch((error: unknown) => { this.#warn('the files of the index of keys could not be read', error) })
    this.#loaded.then(() => wait(options.clock, REBUILD_AFTER_MS, this.#abort.signal)).then(() => this.#fill()).catch(() => {})
  }

  /** How far the newest keys reach: position in the log and time. */
  get end (): { readonly position: number, readonly stampMs: number } {
    const last = this.#active ?? this.#unwritten.at(-1) ?? this.#sealed.at(-1)
    return last === undefined ? { position: 0, stampMs: 0 } : { position: last.to, stampMs: Math.max(0, last.maxStampMs) }
  }

  /** An entry was applied; they come in order. Only its keys are noted: all else is done later. */
  note (entry: RaftEntry, body: EntryBody | undefined): void {
    if (this.#active?.to !== entry.physicalOffset) {
      this.#rotate()
      this.#active = new KeyBlock(entry.physicalOffset)
    }
    const active = this.#active
    this.#add(active, entry, body)
    if (active.keyCount >= this.#settings.blockKeys || active.rangeBytes >= this.#settings.blockBytes) this.#rotate()
    const floor = this.#options.floorPosition()
    if (floor !== this.#floor) this.#dropBelow(floor)
  }

  #add (block: KeyBlock, entry: RaftEntry, body: EntryBody | undefined): void {
    if (body !== undefined) this.#keys.addAll(block, bodyOf(entry), body, entry.physicalOffset + ENTRY_HEADER_BYTES)
    block.noteEntry(entry.index, entry.term, stampMsOf(entry), entry.physicalOffset + entry.sizeBytes)
  }

  /**
   * Positions of messages that may have the key, the latest first, as long as they are asked for. `time`: only messages stored (or
   * delivered) in [fromMs, toMs] matter. @throws MQ_CLOSED; MQ_UNAVAILABLE: a damaged part cannot be made anew now
   */
  async * find (topic: string, key: string, { fromMs, toMs }: { readonly fromMs: number, readonly toMs: number }): AsyncGenerator<number> {
    await this.#loaded
    this.#assertOpen()
    const hash = this.#keys.hashOf(topic, key)
    const mayHold = ({ minStampMs, maxStampMs, hasHidden }: BlockBounds): boolean => minStampMs <= toMs && (maxStampMs >= fromMs || hasHidden)
    const seen = new Set<number>()
    for (const block of [...this.#blocks(), ...this.#damaged].sort((a, b) => b.from - a.from)) {
      if (!mayHold(block)) continue
      for (const position of block instanceof KeyBlock ? block.find(hash) : await this.#findIn(block as SealedBlock, hash)) {
        if (seen.has(position)) continue
        seen.add(position)
        yield position
      }
    }
  }

  /** Makes anew what is missing. Whether nothing is, but what the log itself cannot tell. @throws MQ_CLOSED */
  async whole (): Promise<boolean> {
    await this.#loaded
    const isWhole = await this.#fill()
    this.#assertOpen()
    return isWhole
  }

  /** The log is about to close: nothing more is read from it. */
  stop (): void { this.#abort.abort() }

  /** Keeps what is worth it for the next start. Never rejects. */
  async close (): Promise<void> {
    this.stop()
    await this.#loaded
    await this.#rebuilding?.catch(() => {})
    if (this.#active !== undefined && this.#isWorthAFile(this.#active)) this.#rotate()
    await this.#writing
    await this.#removed
  }

  async #findIn (block: SealedBlock, hash: number, attempts = MAX_ATTEMPTS): Promise<number[]> {
    // else somebody else has met damage in it, or the floor is above it; the name may be that of a new file, of less
    if (this.#sealed.includes(block)) {
      try {
        return await this.#withFile(block.path, async (file) => await findInFile(file, this.#options.groupSeed, hash))
      } catch (error) {
        this.#noteDamage(block, error)
      }
    }
    await this.#rebuilding
    const isWhole = await this.#fill()
    this.#assertOpen()
    if (!isWhole || attempts === 1) throw new MqError('MQ_UNAVAILABLE', 'a part of the index of keys is damaged and cannot be made anew now')
    return await this.#findAgain(block, hash, attempts - 1)
  }

  #noteDamage (block: SealedBlock, error: unknown): void {
    if (!this.#sealed.includes(block) || this.#abort.signal.aborted) return
    this.#warn('a file of the index of keys is damaged, and made anew from the log', error)
    this.#sealed = this.#sealed.filter((other) => other !== block)
    this.#damaged = [...this.#damaged, block]
    this.#removed = this.#removed.then(() => this.#options.disk.unlink(block.path).catch(() => {}))
  }

  /** In what was made anew in the place of a block. */
  async #findAgain ({ from, to }: BlockBounds, hash: number, attempts: number): Promise<number[]> {
    const found: number[] = []
    for (const block of this.#blocks()) {
      if (block.to <= from || block.from >= to) continue
      found.push(...block instanceof KeyBlock ? block.find(hash) : await this.#findIn(block as SealedBlock, hash, attempts))
    }
    return found.sort((a, b) => b - a)
  }

  #blocks (): BlockBounds[] {
    return [...this.#sealed, ...this.#loose, ...this.#unwritten, ...this.#active === undefined ? [] : [this.#active]]
  }

  async #withFile<Result> (path: string, use: (file: Awaited<ReturnType<Disk['open']>>) => Promise<Result>): Promise<Result> {
    const file = await this.#options.disk.open(path, { readOnly: true })
    try {
      return await use(file)
    } finally {
      await file.close()
    }
  }

  /** The active block takes no more. */
  #rotate (): void {
    const full = this.#active
    this.#active = undefined
    if (full === undefined || full.rangeBytes === 0) return
    this.#keep(full)
  }

  #keep (block: KeyBlock): void {
    if (!this.#isWorthAFile(block)) {
      this.#loose.push(block)
      return
    }
    this.#unwritten.push(block)
    if (this.#unwritten.length > MAX_UNWRITTEN) {
      // the first one may be on its way
      const [{ from, to }] = this.#unwritten.splice(1, 1) as [KeyBlock]
      this.#options.logger.warn('messages cannot be found by key until they are read from the log again: the index cannot be written', { fromPosition: from, toPosition: to })
    }
    this.#startWriting()
  }

  #startWriting (): Promise<void> {
    return (this.#writing ??= this.#write().finally(() => { this.#writing = undefined }))
  }

  #isWorthAFile ({ keyCount, rangeBytes }: KeyBlock): boolean {
    return keyCount >= this.#settings.leastFileKeys || rangeBytes >= this.#settings.leastFileBytes
  }

  async #write (): Promise<void> {
    const { disk } = this.#options
    await this.#loaded
    for (let block; (block = this.#unwritten[0]) !== undefined;) {
      const path = join(this.#directory, blockFileName(block.from))
      try {
        if (!this.#hasDirectory) {
          await disk.makeDirectory(this.#directory)
          this.#hasDirectory = true
        }
        await this.#removed
        await writeBlockFile(this.#options, path, this.#options.groupSeed, block)
      } catch (error) {
        this.#warn('the index of keys could not be written', error)
        return
      }
      this.#hasWarned = false
      this.#unwritten = this.#unwritten.filter((other) => other !== block)
      const { from, to, lastIndex, lastTerm, minStampMs, maxStampMs, hasHidden, keyCount } = block
      this.#addSealed({ from, to, lastIndex, lastTerm, minStampMs, maxStampMs, hasHidden, keyCount, path })
    }
  }

  #addSealed (block: SealedBlock): void {
    this.#sealed = [...this.#sealed.filter(({ path }) => path !== block.path), block].sort((a, b) => a.from - b.from)
  }

  #dropBelow (floor: number): void {
    this.#floor = floor
    this.#loose = this.#loose.filter(({ to }) => to > floor)
    const gone = this.#sealed.filter(({ to }) => to <= floor)
    if (gone.length === 0) return
    this.#sealed = this.#sealed.filter(({ to }) => to > floor)
    for (const { path } of gone) this.#options.disk.unlink(path).catch((error: unknown) => { this.#warn('a file of the index of keys could not be removed', error) })
  }

  /** Takes the files that are of this log; those of a log whose end was lost, or damaged ones, go. */
  async #load (): Promise<void> {
    const { disk, log, groupSeed, floorPosition } = this.#options
    const names = (await disk.list(this.#directory) ?? []).map(({ name }) => name)
    for (const name of names) {
      if (this.#abort.signal.aborted) return
      const path = join(this.#directory, name)
      let bounds: BlockBounds | undefined
      try {
        if (/^\d{20}\.keys$/.test(name)) bounds = await this.#withFile(path, async (file) => await readBounds(file, groupSeed))
      } catch (error) {
        if (!isMqError(error, 'MQ_CORRUPT')) throw error
      }
      if (bounds === undefined || bounds.to <= floorPosition() || !isOf(log, bounds)) await disk.unlink(path)
      else if (!this.#sealed.some((other) => other.path === path)) this.#addSealed({ ...bounds, path })
    }
  }

  /** One at a time: reads from the log again what no block covers. False: something is missing that it may have another time. */
  #fill (): Promise<boolean> {
    return (this.#rebuilding ??= this.#fillGaps().finally(() => { this.#rebuilding = undefined }))
  }

  async #fillGaps (): Promise<boolean> {
    if (this.#abort.signal.aborted) return false
    let isWhole = true
    const damaged = this.#damaged
    // what waits for room takes the place of what is made anew; an attempt that is under way may have begun when there was none
    await this.#writing
    if (this.#unwritten.length > 0) await this.#startWriting()
    for (let doneTo = 0; ;) {
      if (this.#abort.signal.aborted) return false
      if (this.#lacksRoom) {
        this.#retryLater()
        isWhole = false
        break
      }
      const gap = this.#gaps().find(({ to }) => to > doneTo)
      if (gap === undefined) break
      const from = Math.max(gap.from, doneTo)
      try {
        await this.#rebuild(from, gap.to)
        doneTo = gap.to
      } catch (error) {
        if (this.#abort.signal.aborted) return false
        // its head has gone meanwhile, and what was in it
        if (this.#beginning > from) continue
        this.#warn('the index of keys could not be made anew from a part of the log', error)
        this.#retryLater()
        const behind = behindDamage(error, from)
        isWhole &&= behind !== undefined
        doneTo = behind ?? gap.to
      }
    }
    this.#damaged = this.#damaged.filter((block) => !damaged.includes(block))
    return isWhole
  }

  /** So much waits to be written that more in its place would be lost again. */
  get #lacksRoom (): boolean { return this.#unwritten.length >= MAX_UNWRITTEN }

  /** Once, however often it is asked for meanwhile. */
  #retryLater (): void {
    if (this.#isRetrying) return
    this.#isRetrying = true
    wait(this.#options.clock, RETRY_MS, this.#abort.signal).then(() => {
      this.#isRetrying = false
      return this.#fill()
    }).catch(() => {})
  }

  get #beginning (): number { return Math.max(this.#options.floorPosition(), this.#options.log.floor.physicalOffset) }

  /** What lies between the floor and the newest block and is in none, from the oldest on. */
  #gaps (): Array<{ readonly from: number, readonly to: number }> {
    const blocks = this.#blocks().sort((a, b) => a.from - b.from)
    const end = this.#options.appliedPosition()
    const gaps = []
    let covered = this.#beginning
    for (const { from, to } of blocks) {
      if (from > covered) gaps.push({ from: covered, to: from })
      covered = Math.max(covered, to)
    }
    if (end > covered) gaps.push({ from: covered, to: end })
    return gaps
  }

  /** What was read is kept also when the rest cannot be. */
  async #rebuild (from: number, to: number): Promise<void> {
    const { log, clock, logger } = this.#options
    const first = await log.entryContaining(from)
    if (first === undefined) return
    // damaged itself: the scan ends behind it
    const last = await log.entryContaining(to - 1).catch(() => undefined)
    let block = new KeyBlock(first.physicalOffset)
    let entries = 0
    let sliceBytes = 0
    try {
      for await (const entry of log.scan(first.index, (last?.index ?? log.lastIndex) + 1)) {
        if (this.#abort.signal.aborted) return
        if (entry.physicalOffset >= to) break
        this.#add(block, entry, entry.kind === EntryKind.normal ? new EntryBody(bodyOf(entry)) : undefined)
        entries++
        if (block.keyCount >= this.#settings.blockKeys || block.rangeBytes >= this.#settings.blockBytes) {
          this.#keep(block)
          block = new KeyBlock(block.to)
          await this.#writing
          if (this.#lacksRoom) break
        }
        sliceBytes += entry.sizeBytes
        if (sliceBytes < SLICE_BYTES) continue
        sliceBytes = 0
        await turn(clock)
      }
    } finally {
      if (block.rangeBytes > 0) this.#keep(block)
      if (entries > 0) logger.info('the index of keys was made anew from a part of the log', { fromPosition: from, toPosition: Math.min(block.to, to), entries })
    }
  }

  #assertOpen (): void {
    if (this.#abort.signal.aborted) throw new MqError('MQ_CLOSED', 'the index of keys is closed')
  }

  /** Once, until it goes well again. */
  #warn (message: string, error: unknown): void {
    if (this.#hasWarned || this.#abort.signal.aborted) return
    this.#hasWarned = true
    this.#options.logger.warn(`${message}: ${error instanceof Error ? error.message : String(error)}`, { error })
  }
}

/** Whether the log has the block's last entry, and so all of its entries; of an earlier one nobody knows, nor asks. */
function isOf (log: IndexedLog, { lastIndex, lastTerm }: BlockBounds): boolean {
  return lastIndex < log.firstIndex - 1 || (lastIndex <= log.lastIndex && log.term(lastIndex) === lastTerm)
}

/** Where the log can be read again, when an entry from `position` on is damaged. */
function behindDamage (error: unknown, position: number): number | undefined {
  if (!isMqError(error, 'MQ_CORRUPT') || typeof error.resumePosition !== 'number') return undefined
  return error.resumePosition > position ? error.resumePosition : undefined
}
