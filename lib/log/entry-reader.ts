import { MqError } from '../base/index.ts'
import type { ConfChange, RaftEntry } from '../raft/index.ts'
import { EntryKind } from '../raft/index.ts'
import { ENTRY_HEADER_BYTES, type EntryHeader } from './entry.ts'
import { walkEntries, type BadEntry } from './entry-walk.ts'
import type { OpenSegments } from './open-segments.ts'
import type { Segment } from './segment.ts'
import { nextHeader } from './tail-check.ts'

const LOCATE_CHUNK_BYTES = 64 * 1024
const READ_CHUNK_BYTES = 1024 * 1024

export type ConfigDecoder = (body: Uint8Array) => ConfChange

export interface EntryStart {
  readonly position: number
  readonly index: number
}

/** Reads entries back from segment files, by index or position, verified. */
export class EntryReader {
  readonly #openSegments: OpenSegments
  readonly #groupSeed: bigint
  readonly #decodeConfig: ConfigDecoder | undefined
  readonly #covering = new Map<Segment, Promise<void>>()

  constructor (openSegments: OpenSegments, groupSeed: bigint, decodeConfig?: ConfigDecoder) {
    this.#openSegments = openSegments
    this.#groupSeed = groupSeed
    this.#decodeConfig = decodeConfig
  }

  /** Where entry `index` of that segment starts. */
  async locateIndex (segment: Segment, index: number): Promise<EntryStart> {
    await this.#cover(segment, () => segment.index.nextIndex > index)
    return await this.#walkTo(segment, () => segment.index.beforeIndex(index), (start) => start.index === index)
  }

  /** Where the entry that contains the byte at `position` of that segment starts. */
  async locatePosition (segment: Segment, position: number): Promise<EntryStart> {
    await this.#cover(segment, () => segment.index.coveredTo > position)
    return await this.#walkTo(segment, () => segment.index.before(position), (start, sizeBytes) => position < start.position + sizeBytes)
  }

  /** Extends the segment's position index to `position`, the end of an entry. */
  async coverThrough (segment: Segment, position: number): Promise<void> {
    await this.#cover(segment, () => segment.index.coveredTo >= position)
  }

  /** Entries of one segment from `start` on: at least one, then while below `toIndex` and within `maxBytes`. */
  async readFrom (segment: Segment, start: EntryStart, toIndex: number, maxBytes: number): Promise<RaftEntry[]> {
    const entries: RaftEntry[] = []
    let totalBytes = 0
    const { bad } = await this.#openSegments.use(segment, (file) => walkEntries({
      file,
      basePosition: segment.basePosition,
      from: { ...start, prevTerm: undefined },
      to: segment.endPosition,
      groupSeed: this.#groupSeed,
      verifyBodies: true,
      keepsBytes: true,
      chunkBytes: Math.min(Math.max(maxBytes, LOCATE_CHUNK_BYTES), READ_CHUNK_BYTES),
      onEntry: (header, bytes, _view, at) => {
        totalBytes += header.sizeBytes
        if (entries.length > 0 && totalBytes > maxBytes) return true
        entries.push(this.toEntry(header, bytes.subarray(at, at + header.sizeBytes)))
        return header.index + 1 >= toIndex
      }
    }))
    if (bad !== undefined && entries.length === 0) throw await this.damageAt(segment, bad)
    return entries
  }

  toEntry (header: EntryHeader, bytes: Uint8Array): RaftEntry {
    const { kind, index, term, prevTerm, physicalOffset, sizeBytes } = header
    const entry = { index, term, prevTerm, kind, physicalOffset, sizeBytes, bytes }
    if (kind !== EntryKind.config || this.#decodeConfig === undefined) return entry
    return { ...entry, config: this.#decodeConfig(bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + header.bodyBytes)) }
  }

  /** `nearest`: where to walk from, by what is known. */
  async #walkTo (segment: Segment, nearest: () => EntryStart, isIt: (start: EntryStart, sizeBytes: number) => boolean): Promise<EntryStart> {
    for (;;) {
      const from = nearest()
      if (isIt(from, 0)) return from
      let found: EntryStart | undefined
      const { bad } = await this.#openSegments.use(segment, (file) => walkEntries({
        file,
        basePosition: segment.basePosition,
        from: { ...from, prevTerm: undefined },
        to: segment.endPosition,
        groupSeed: this.#groupSeed,
        verifyBodies: false,
        chunkBytes: LOCATE_CHUNK_BYTES,
        onEntry: ({ physicalOffset, index, sizeBytes }) => {
          if (!isIt({ position: physicalOffset, index }, sizeBytes)) return false
          found = { position: physicalOffset, index }
          return true
        }
      }))
      if (found !== undefined) return found
      if (bad === undefined) throw new MqError('MQ_INVARIANT', `${segment.path} holds no entry that was looked up in it`)
      const damage = await this.damageAt(segment, bad)
      // else what is looked for stands behind what cannot be read
      if (nearest().position <= bad.position) throw damage
    }
  }

  /** Extends the segment's position index until `isEnough`; sealed segments of an earlier run begin with an empty one. */
  async #cover (segment: Segment, isEnough: () => boolean): Promise<void> {
    while (!isEnough()) {
      let covering = this.#covering.get(segment)
      if (covering === undefined) {
        covering = this.#extend(segment, isEnough).finally(() => this.#covering.delete(segment))
        this.#covering.set(segment, covering)
      }
      await covering
    }
  }

  async #extend (segment: Segment, isEnough: () => boolean): Promise<void> {
    const { index: positions } = segment
    const { cuts } = positions
    const { bad, next } = await this.#openSegments.use(segment, (file) => walkEntries({
      file,
      basePosition: segment.basePosition,
      from: { position: positions.coveredTo, index: positions.nextIndex, prevTerm: undefined },
      to: segment.endPosition,
      groupSeed: this.#groupSeed,
      verifyBodies: false,
      onEntry: ({ physicalOffset, sizeBytes }) => {
        if (positions.cuts !== cuts) return true
        // A cold read may have come past meanwhile and noted it.
        if (physicalOffset === positions.coveredTo) positions.note(sizeBytes)
        return isEnough()
      }
    }))
    if (isEnough() || positions.cuts !== cuts) return
    if (bad === undefined) throw new MqError('MQ_INVARIANT', `${segment.path} ends at position ${next.position}, before an entry that was looked up in it`)
    await this.#skipDamage(segment, bad)
  }

  /** Goes on behind a header that cannot be read, at the next one that can. */
  async #skipDamage (segment: Segment, bad: BadEntry): Promise<void> {
    const { basePosition, endPosition, index: positions } = segment
    const { cuts } = positions
    const resume = await this.#openSegments.use(segment, (file) => nextHeader(file, basePosition, bad, endPosition, this.#groupSeed))
    // of what a cut has left, or has been written since, that says nothing
    if (positions.cuts === cuts) positions.skipTo(resume?.position ?? endPosition, resume?.index ?? Infinity)
  }

  /** Where entries begin again behind a header that cannot be read: what was covered before it was damaged tells that not so closely. */
  async #noteEndOf (segment: Segment, bad: BadEntry): Promise<void> {
    const { basePosition, index: positions } = segment
    await this.#cover(segment, () => positions.coveredTo > bad.position)
    const { cuts } = positions
    const { position: to } = positions.after(bad.position)
    const next = await this.#openSegments.use(segment, (file) => nextHeader(file, basePosition, bad, to, this.#groupSeed))
    if (next !== undefined && positions.cuts === cuts) positions.noteStart(next.position, next.index)
  }

  /** The error for a damaged entry: names file and byte, and where the log can be read again. */
  async damageAt (segment: Segment, bad: BadEntry): Promise<MqError> {
    const { position, index, fileByte, reason, header } = bad
    if (header === undefined) await this.#noteEndOf(segment, bad)
    const resume = header === undefined ? segment.index.after(position) : { position: position + header.sizeBytes, index: index + 1 }
    return new MqError('MQ_CORRUPT', `${segment.path}: byte ${fileByte}: ${reason}`, {
      file: segment.path,
      position: fileByte,
      physicalOffset: position,
      index,
      resumePosition: resume.position,
      ...(resume.index !== Infinity && { resumeIndex: resume.index })
    })
  }
}
