import { silentLogger, viewOf, type Disk, type Logger } from '../../lib/base/index.ts'
import type { DatabaseOpener } from '../../lib/kv/index.ts'
import { ENTRY_HEADER_BYTES, sealEntry, seedOfGroup } from '../../lib/log/index.ts'
import { EntryBodyWriter, LOCAL_HOST, tagsCodeOf, type MessageFields } from '../../lib/message/index.ts'
import { EntryKind, type RaftEntry } from '../../lib/raft/index.ts'
import { Store, type CoreMachines, type Machine, type StoreSettings } from '../../lib/store/index.ts'

/** Entries are made in it and copied. */
const scratch = new Uint8Array(1 << 20)
const scratchView = viewOf(scratch)

export const GROUP_ID = Uint8Array.from({ length: 16 }, (_, i) => i + 1)

/** A log in memory, as far as the store reads one. */
export class MemoryLog {
  entries: RaftEntry[] = []
  firstIndex = 1
  get lastIndex (): number { return this.entries.at(-1)?.index ?? this.firstIndex - 1 }
  get endPosition (): number {
    const last = this.entries.at(-1)
    return last === undefined ? 0 : last.physicalOffset + last.sizeBytes
  }

  term (index: number): number | undefined { return this.entries.find((entry) => entry.index === index)?.term }

  async * scan (from: number, to: number): AsyncGenerator<RaftEntry> {
    for (const entry of this.entries) if (entry.index >= from && entry.index < to) yield entry
  }

  async entryContaining (position: number): Promise<RaftEntry | undefined> {
    return this.entries.find(({ physicalOffset, sizeBytes }) => position >= physicalOffset && position < physicalOffset + sizeBytes)
  }

  /** Retention: the entries before `index` are gone. */
  cutHead (index: number): void {
    this.entries = this.entries.filter((entry) => entry.index >= index)
    this.firstIndex = index
  }
}

export function message (body: Uint8Array | string = '', { keys = '', tags = '' } = {}): MessageFields {
  return {
    body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
    keys,
    tags,
    propertiesText: '',
    bodyCrc: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 0,
    bornHost: LOCAL_HOST,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0
  }
}

/** Begun and written, while nothing else happens. */
export async function writeBaseDump (store: Store): Promise<number | undefined> { return await (await store.beginBaseDump())(() => true) }

export interface LeaderOptions {
  readonly disk: Disk
  readonly database: DatabaseOpener
  readonly log?: MemoryLog
  readonly logger?: Logger
  readonly settings?: Partial<StoreSettings>
  readonly reserveBytes?: number
  readonly machines?: (core: CoreMachines) => readonly Machine[]
}

/** A store whose entries are sealed and applied at once, or later. */
export class Leader {
  readonly store: Store
  readonly log: MemoryLog
  readonly #writer = new EntryBodyWriter()

  private constructor (store: Store, log: MemoryLog) {
    this.store = store
    this.log = log
  }

  /** Opens the store and applies what the log has after its state. */
  static async open ({ disk, database, log = new MemoryLog(), logger = silentLogger, settings = {}, reserveBytes = 0, machines }: LeaderOptions): Promise<Leader> {
    await disk.makeDirectory('/data')
    const store = await Store.open({ disk, database, logger, directory: '/data', log, groupId: GROUP_ID, settings, reserveBytes, ...(machines && { machines }) })
    const leader = new Leader(store, log)
    leader.replay()
    store.startLeading()
    return leader
  }

  replay (): void {
    for (const entry of this.log.entries) if (entry.index > this.store.appliedIndex) this.store.apply(entry)
  }

  /** Seals one entry from what `write` puts into it, without applying it. */
  seal (write: (writer: EntryBodyWriter) => void, { stampMs = 1000, term = 1, kind = EntryKind.normal as EntryKind } = {}): RaftEntry {
    const { log } = this
    const physicalOffset = log.endPosition
    this.#writer.begin(scratch, scratchView, ENTRY_HEADER_BYTES, scratch.length - 1024, physicalOffset + ENTRY_HEADER_BYTES)
    write(this.#writer)
    const { messageCount } = this.#writer
    const bodyBytes = kind === EntryKind.normal ? this.#writer.finish() : 0
    const index = log.lastIndex + 1
    const prevTerm = log.entries.at(-1)?.term ?? 0
    const sizeBytes = sealEntry(scratch, scratchView, 0, { kind, messageCount, index, term, prevTerm, physicalOffset, storeTimestampMs: stampMs }, bodyBytes, seedOfGroup(GROUP_ID))
    const entry = { index, term, prevTerm, kind, physicalOffset, sizeBytes, bytes: scratch.slice(0, sizeBytes) }
    log.entries.push(entry)
    return entry
  }

  /** Seals and applies. */
  commit (write: (writer: EntryBodyWriter) => void, options: { readonly stampMs?: number, readonly term?: number, readonly kind?: EntryKind } = {}): RaftEntry {
    const entry = this.seal(write, options)
    this.store.apply(entry)
    return entry
  }

  /** Sends one message in an entry of its own. */
  send (topic: string, queueId = 0, { body = 'x', tags = '', stampMs = 1000 }: { readonly body?: string | Uint8Array, readonly tags?: string, readonly stampMs?: number } = {}): number {
    let offset = -1
    this.commit((writer) => { offset = this.append(writer, topic, queueId, { body, tags, stampMs }) }, { stampMs })
    return offset
  }

  append (writer: EntryBodyWriter, topic: string, queueId = 0, { body = 'x', tags = '', stampMs = 1000 }: { readonly body?: string | Uint8Array, readonly tags?: string, readonly stampMs?: number } = {}): number {
    return this.store.consumeQueues.proposed(topic, queueId).append(writer, message(body, { tags }), tagsCodeOf(tags), stampMs)
  }

  /** All units of a queue from its first on: physicalOffset, sizeBytes, tagsCode, stamp each. */
  async units (topic: string, queueId = 0): Promise<number[][]> {
    const { consumeQueues } = this.store
    const queue = consumeQueues.find(topic, queueId)
    const all: number[][] = []
    if (queue === undefined) return all
    for (let offset = queue.minOffset; offset < queue.nextOffset;) {
      const { page, from, to } = await consumeQueues.units(queue, offset, 700)
      for (let unit = from; unit < to; unit++) all.push([page.physicalOffsetOf(unit), page.sizeBytesOf(unit), page.tagsCodeOf(unit), page.storeTimestampMsOf(unit)])
      offset += to - from
    }
    return all
  }
}
