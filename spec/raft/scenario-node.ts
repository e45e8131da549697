import { EntryKind, NO_DOUBT, Raft, type ConfState, type Doubt, type EntryRequest, type HardState, type LogReader, type RaftEntry, type RaftMessage, type RaftSnapshot, type Ready } from '../../lib/raft/index.ts'
import { formatConf, formatEntry, formatEntryIds, formatMessage, idOf } from './scenario-format.ts'

export interface NodeSettings {
  electionTicks: number
  heartbeatTicks: number
  preVote: boolean
  checkQuorum: boolean
  /** Disk jobs wait for the command `disk`. */
  async: boolean
  maxBytesPerAppend: number
  maxInflightAppends: number
  maxInflightBytes: number
  maxUncommittedBytes: number
  /** Written entries count; `sync` puts them on disk, and a power cut takes those that are not. */
  countsWritten?: boolean
}

const ENTRY_BYTES = 10

export function entryOf (request: EntryRequest, payload = '', sizeBytes = ENTRY_BYTES): RaftEntry {
  return { ...request, sizeBytes, bytes: new TextEncoder().encode(payload) }
}

/** What survives a crash. */
class DurableState implements LogReader {
  floor: { index: number, term: number }
  floorPosition: number
  kept: RaftEntry[] = []
  hardState: HardState
  /** The configuration as of each index that changed it, the oldest one as of the floor. */
  confs: Array<{ readonly index: number, readonly conf: ConfState }>
  appliedIndex: number
  syncedIndex: number
  doubt: Doubt = NO_DOUBT
  /** Entries below this one are not in memory. */
  coldBelow = 0
  snapshotsBlocked = false

  constructor (floor: { index: number, term: number }, conf: ConfState) {
    this.floor = floor
    this.floorPosition = floor.index * ENTRY_BYTES
    this.hardState = { term: floor.term, vote: 0 }
    this.confs = [{ index: floor.index, conf }]
    this.appliedIndex = floor.index
    this.syncedIndex = floor.index
  }

  get firstIndex (): number { return this.floor.index + 1 }
  get lastIndex (): number { return this.floor.index + this.kept.length }
  get endPosition (): number {
    const last = this.kept.at(-1)
    return last === undefined ? this.floorPosition : last.physicalOffset + last.sizeBytes
  }

  at (index: number): RaftEntry | undefined { return this.kept[index - this.firstIndex] }
  term (index: number): number | undefined { return index === this.floor.index ? this.floor.term : this.at(index)?.term }

  slice (from: number, to: number, maxBytes: number): RaftEntry[] {
    let bytes = 0
    const entries = this.kept.slice(from - this.firstIndex, to - this.firstIndex)
    const over = entries.findIndex((entry, i) => (bytes += entry.sizeBytes) > maxBytes && i > 0)
    return over === -1 ? entries : entries.slice(0, over)
  }

  entries (from: number, to: number, maxBytes: number): RaftEntry[] | undefined {
    return from < this.coldBelow ? undefined : this.slice(from, to, maxBytes)
  }

  /** Of the last entry applied. */
  snapshot (): RaftSnapshot | undefined {
    if (this.snapshotsBlocked) return undefined
    const index = this.appliedIndex
    this.syncedIndex = Math.max(this.syncedIndex, index)
    const entry = this.at(index)
    return {
      index,
      term: this.term(index)!,
      endPosition: entry === undefined ? this.floorPosition : entry.physicalOffset + entry.sizeBytes,
      confState: this.confState,
      manifest: new Uint8Array(0)
    }
  }

  get confState (): ConfState { return this.confs.at(-1)!.conf }

  /** Drops the entries through `index`, which were applied. */
  compact (index: number): void {
    const entry = this.at(index)!
    this.syncedIndex = Math.max(this.syncedIndex, index)
    this.kept = this.kept.slice(index - this.floor.index)
    this.floor = { index, term: entry.term }
    this.floorPosition = entry.physicalOffset + entry.sizeBytes
  }

  install (snapshot: RaftSnapshot): void {
    this.kept = []
    this.floor = { index: snapshot.index, term: snapshot.term }
    this.floorPosition = snapshot.endPosition
    this.confs = [{ index: snapshot.index, conf: snapshot.confState }]
    this.appliedIndex = snapshot.index
    this.syncedIndex = snapshot.index
  }

  /** What was only written is gone, and so is what was applied beyond: checkpoints hold what is on disk. */
  losePower (): void {
    this.kept.length = this.syncedIndex - this.floor.index
    this.appliedIndex = Math.min(this.appliedIndex, this.syncedIndex)
    this.confs = this.confs.filter(({ index }) => index <= this.appliedIndex)
    this.doubt = { life: this.doubt.life + 1, inDoubt: true }
  }
}

interface DiskJob {
  readonly hardState: HardState | undefined
  readonly snapshot: RaftSnapshot | undefined
  readonly entries: readonly RaftEntry[]
  readonly messages: readonly RaftMessage[]
}

/** What the runner hears of. */
export interface NodeEvents {
  note (line: string): void
  /** A message leaves. */
  send (message: RaftMessage): void
  applied (node: ScenarioNode, entry: RaftEntry): void
}

/** One node: raft, a disk with a queue of jobs, a state machine that applies at once, and an inbox. */
export class ScenarioNode {
  readonly id: number
  readonly settings: NodeSettings
  readonly events: NodeEvents
  readonly disk: DurableState
  raft: Raft
  jobs: DiskJob[] = []
  inbox: RaftMessage[] = []
  /** What the random source yields: the election timeout is electionTicks + floor(random * electionTicks). */
  random = 0

  constructor (id: number, settings: NodeSettings, events: NodeEvents, floor: { index: number, term: number }, conf: ConfState) {
    this.id = id
    this.settings = settings
    this.events = events
    this.disk = new DurableState(floor, conf)
    this.raft = this.#start()
  }

  /** A crash and a restart: what is not durable is gone. */
  restart (): void {
    this.jobs = []
    this.inbox = []
    this.disk.syncedIndex = this.disk.lastIndex
    this.raft = this.#start()
  }

  /** The same, of the whole machine. */
  losePower (): void {
    this.jobs = []
    if (this.settings.countsWritten === true) this.disk.losePower()
    this.restart()
  }

  /** All that is written is on disk now. */
  sync (): void {
    const { disk, raft } = this
    disk.syncedIndex = disk.lastIndex
    raft.synced()
    if (raft.endsDoubtAt === undefined) return
    disk.doubt = { ...disk.doubt, inDoubt: false }
    this.events.note(`${this.id} is not in doubt any more, through ${raft.endsDoubtAt}`)
    raft.doubtEnded()
  }

  #start (): Raft {
    const { disk, settings } = this
    const raft = new Raft({
      id: this.id,
      ...settings,
      random: { next: () => this.random },
      log: disk,
      hardState: disk.hardState,
      confState: disk.confState,
      appliedIndex: disk.appliedIndex,
      doubt: disk.doubt,
      makeEntry: (request) => entryOf(request),
      unappliedConfigs: disk.kept.filter(({ index, kind }) => index > disk.appliedIndex && kind === EntryKind.config).map(({ index }) => index)
    })
    raft.countsWritten = settings.countsWritten ?? false
    return raft
  }

  propose (payload: string, sizeBytes?: number): string {
    const { raft } = this
    return raft.propose(entryOf({
      kind: EntryKind.normal,
      index: raft.lastIndex + 1,
      term: raft.term,
      prevTerm: raft.lastTerm,
      physicalOffset: raft.endPosition
    }, payload, sizeBytes))
  }

  /** Handles one Ready. */
  handleReady (): void {
    const ready = this.raft.ready()
    this.#tell(ready)
    for (const message of ready.messages) this.events.send(message)
    const job = {
      hardState: ready.hardState,
      snapshot: ready.snapshot,
      entries: ready.entries,
      messages: ready.messagesAfterPersist.map(({ message }) => message)
    }
    if (job.hardState !== undefined || job.snapshot !== undefined || job.entries.length > 0 || job.messages.length > 0) this.jobs.push(job)
    if (ready.committedTo !== undefined) this.#apply(ready.committedTo)
    if (!this.settings.async) while (this.jobs.length > 0) this.runDiskJob()
  }

  #tell ({ leadership, hardState, snapshot, entries, committedTo, readStates, loads }: Ready): void {
    const note = (line: string) => this.events.note(`${this.id} ${line}`)
    if (leadership !== undefined) {
      const { role, term, leaderId } = leadership
      note(`is ${role} in term ${term}${role === 'leader' ? '' : leaderId === 0 ? ', no leader' : `, leader ${leaderId}`}`)
    }
    if (hardState !== undefined) note(`saves term=${hardState.term} vote=${hardState.vote}`)
    if (snapshot !== undefined) note(`takes snapshot ${idOf(snapshot)}`)
    const first = entries[0]
    if (first !== undefined) {
      const cut = first.index <= this.#lastWritten ? `cuts from ${first.index}, ` : ''
      note(`${cut}appends ${entries.length > 4 ? formatEntryIds(entries) : entries.map(formatEntry).join(', ')}`)
    }
    if (committedTo !== undefined) note(`commits ${committedTo}`)
    for (const { context, index } of readStates) note(`may read ${context} at ${index}`)
    for (const { peer, from } of loads) note(`loads from ${from} for ${peer}`)
  }

  /** The last entry on disk or in its queue. */
  get #lastWritten (): number {
    let last = this.disk.lastIndex
    for (const { snapshot, entries } of this.jobs) last = entries.at(-1)?.index ?? snapshot?.index ?? last
    return last
  }

  runDiskJob (): void {
    const job = this.jobs.shift()
    if (job === undefined) return
    const { disk, raft } = this
    if (job.hardState !== undefined) disk.hardState = job.hardState
    if (job.snapshot !== undefined) {
      disk.install(job.snapshot)
      this.events.note(`${this.id} installs snapshot ${idOf(job.snapshot)} ${formatConf(job.snapshot.confState)}`)
    }
    const first = job.entries[0]
    if (first !== undefined) {
      disk.kept.length = first.index - disk.firstIndex
      disk.syncedIndex = Math.min(disk.syncedIndex, first.index - 1)
      disk.kept.push(...job.entries)
      if (this.settings.countsWritten !== true) disk.syncedIndex = disk.lastIndex
    }
    for (const message of job.messages) {
      this.#checkPromise(message)
      const isAck = message.type === 'appendEntriesReply' && !message.rejected
      this.events.send(isAck ? { ...message, unsynced: Math.max(0, message.index - disk.syncedIndex) } : message)
    }
    if (job.hardState !== undefined) raft.hardStatePersisted(job.hardState)
    if (job.snapshot !== undefined) raft.snapshotInstalled(job.snapshot.index)
    const last = job.entries.at(-1)
    if (last !== undefined) raft.persisted(last)
  }

  /** What a message promises must be on disk when it leaves. */
  #checkPromise (message: RaftMessage): void {
    const { disk } = this
    const broken = (message.type === 'appendEntriesReply' && !message.rejected && message.index > disk.lastIndex) ||
      (message.type === 'requestVoteReply' && message.granted && disk.hardState.term === message.term && disk.hardState.vote !== message.to) ||
      (message.type !== 'requestPreVoteReply' && message.term > disk.hardState.term)
    if (broken) throw new Error(`not durable: ${formatMessage(message)}`)
  }

  #apply (committedTo: number): void {
    const { disk, raft } = this
    for (let index = disk.appliedIndex + 1; index <= committedTo; index++) {
      const entry = disk.at(index)
      if (entry === undefined) throw new Error(`${this.id} applies ${index}, which is not on disk`)
      this.events.applied(this, entry)
      disk.appliedIndex = index
      if (entry.kind === EntryKind.config) {
        const conf = raft.applyConfChange(entry.config!)
        disk.confs.push({ index, conf })
        this.events.note(`${this.id} switches to ${formatConf(conf)}`)
      }
      raft.applied(index)
    }
  }
}
