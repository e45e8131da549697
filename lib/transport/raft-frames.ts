import { getInt64, setInt64, viewOf } from '../base/index.ts'
import type { AppendEntries, InstallSnapshot, NodeId, RaftEntry, RaftMessage } from '../raft/index.ts'
import { badFrame, ENTRY_ITEM_BYTES, FrameType, LinkKind, MAX_ENTRIES_PER_APPEND } from './frame.ts'
import type { FrameWriter } from './frame-writer.ts'
import type { HeaderCodecs } from './headers.ts'

/**
 * Behind the header of an append a table, per entry 16 bytes: term i64 | kind u8, 3 zero | sizeBytes u32. Index, position and
 * the term before follow from those of the entry before. The payload is the entries' bytes.
 */
export function linkKindOf (type: RaftMessage['type']): LinkKind {
  return type === 'appendEntries' || type === 'appendEntriesReply' || type === 'installSnapshot' ? LinkKind.appends : LinkKind.votes
}

/** Bytes that a message adds to a link, heads apart. */
export function payloadBytesOf (message: RaftMessage): number {
  if (message.type === 'installSnapshot') return message.snapshot.manifest.length
  if (message.type !== 'appendEntries') return 0
  let sizeBytes = 0
  for (const { bytes } of message.entries) sizeBytes += bytes.length
  return sizeBytes
}

/** `payloadBytes` is that of `payloadBytesOf`. The bytes of entries are not copied. */
export function writeRaftMessage (writer: FrameWriter, codecs: HeaderCodecs, message: RaftMessage, payloadBytes: number): void {
  if (codecs.minor < 2 && cannotBeToldOf(message)) return
  if (message.type === 'appendEntries') writeAppend(writer, codecs, message, payloadBytes)
  else if (message.type === 'installSnapshot') writeSnapshot(writer, codecs, message)
  else writer.add(codecs, FrameType[message.type], message, undefined, 0)
}

/** Who does not know of nodes in doubt would count what must not count: to them such a node is silent. */
function cannotBeToldOf (message: RaftMessage): boolean {
  return ('inDoubt' in message && message.inDoubt === true) || ('unsynced' in message && message.unsynced! > 0)
}

function writeAppend (writer: FrameWriter, codecs: HeaderCodecs, message: AppendEntries, payloadBytes: number): void {
  const { from, to, term, prevIndex, prevTerm, commitIndex, entries } = message
  const firstPosition = entries[0]?.physicalOffset ?? 0
  const header = { from, to, term, prevIndex, prevTerm, commitIndex, firstPosition }
  if (entries.length === 0) {
    writer.add(codecs, FrameType.appendEntries, header, undefined, 0)
    return
  }
  if (entries.length > MAX_ENTRIES_PER_APPEND) throw badFrame(`${entries.length} entries in one append`)
  writer.add(codecs, FrameType.appendEntries, header, piecesOf(entries), payloadBytes, entries.length * ENTRY_ITEM_BYTES, (view, start) => {
    let at = start
    for (const entry of entries) {
      setInt64(view, at, entry.term)
      view.setUint32(at + 8, entry.kind << 24)
      view.setUint32(at + 12, entry.bytes.length)
      at += ENTRY_ITEM_BYTES
    }
  })
}

/** The entries' bytes in as few pieces as their memory allows: as a rule they lie behind each other in the sealer's. */
function piecesOf (entries: readonly RaftEntry[]): Uint8Array | readonly Uint8Array[] {
  if (entries.length === 1) return entries[0]!.bytes
  const pieces: Uint8Array[] = []
  let { buffer, byteOffset: from, byteLength } = entries[0]!.bytes
  let to = from + byteLength
  for (let i = 1; i < entries.length; i++) {
    const { bytes } = entries[i]!
    if (bytes.buffer !== buffer || bytes.byteOffset !== to) {
      pieces.push(new Uint8Array(buffer, from, to - from))
      buffer = bytes.buffer
      from = bytes.byteOffset
    }
    to = bytes.byteOffset + bytes.byteLength
  }
  pieces.push(new Uint8Array(buffer, from, to - from))
  return pieces
}

function writeSnapshot (writer: FrameWriter, codecs: HeaderCodecs, { from, to, term, snapshot }: InstallSnapshot): void {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = snapshot.confState
  writer.add(codecs, FrameType.installSnapshot, {
    from,
    to,
    term,
    index: snapshot.index,
    snapshotTerm: snapshot.term,
    endPosition: snapshot.endPosition,
    voters: idBytes(voters),
    votersOutgoing: idBytes(votersOutgoing),
    learners: idBytes(learners),
    learnersNext: idBytes(learnersNext),
    autoLeave
  }, snapshot.manifest, snapshot.manifest.length)
}

interface AppendHeader { from: NodeId, to: NodeId, term: number, prevIndex: number, prevTerm: number, commitIndex: number, firstPosition: number }
interface SnapshotHeader {
  from: NodeId
  to: NodeId
  term: number
  index: number
  snapshotTerm: number
  endPosition: number
  voters: Uint8Array
  votersOutgoing: Uint8Array
  learners: Uint8Array
  learnersNext: Uint8Array
  autoLeave: boolean
}

/** By frame type, those that a header alone makes. */
const plainTypes = new Map<FrameType, Exclude<RaftMessage['type'], 'appendEntries' | 'installSnapshot'>>([
  'requestVote', 'requestPreVote', 'requestVoteReply', 'requestPreVoteReply', 'heartbeat', 'heartbeatReply', 'timeoutNow', 'readIndex', 'readIndexReply', 'transferLeadership', 'appendEntriesReply'
].map((type) => [FrameType[type as 'heartbeat'], type as 'heartbeat']))

/** The message that a frame carries; undefined when it carries none. Its bytes are the payload's. @throws MQ_BAD_FRAME */
export function readRaftMessage (codecs: HeaderCodecs, type: FrameType, header: Buffer, payload: Uint8Array): RaftMessage | undefined {
  if (type === FrameType.appendEntries) return readAppend(codecs, header, payload)
  if (type === FrameType.installSnapshot) return readSnapshot(codecs, header, payload)
  const name = plainTypes.get(type)
  if (name === undefined) return undefined
  const message = codecs.decode<{ type: RaftMessage['type'] }>(type, header)
  message.type = name
  return message as RaftMessage
}

function readAppend (codecs: HeaderCodecs, bytes: Buffer, payload: Uint8Array): AppendEntries {
  const { from, to, term, prevIndex, prevTerm, commitIndex, firstPosition } = codecs.decode<AppendHeader>(FrameType.appendEntries, bytes)
  let at = codecs.readTo
  const count = (bytes.length - at) / ENTRY_ITEM_BYTES
  if (!Number.isInteger(count) || !Number.isSafeInteger(prevIndex + count) || !Number.isSafeInteger(firstPosition + payload.length)) throw badFrame('a table of entries is cut off or out of range')
  const entries: RaftEntry[] = []
  const view = viewOf(bytes)
  let payloadAt = 0
  let termBefore = prevTerm
  for (let i = 1; i <= count; i++, at += ENTRY_ITEM_BYTES) {
    const entryTerm = getInt64(view, at)
    const kind = bytes[at + 8]!
    const sizeBytes = view.getUint32(at + 12)
    if (kind < 1 || kind > 3 || payloadAt + sizeBytes > payload.length || entryTerm < 0 || !Number.isSafeInteger(entryTerm)) throw badFrame('an entry is not what the table of its append can hold')
    entries.push({
      index: prevIndex + i,
      term: entryTerm,
      prevTerm: termBefore,
      kind: kind as RaftEntry['kind'],
      physicalOffset: firstPosition + payloadAt,
      sizeBytes,
      bytes: payload.subarray(payloadAt, payloadAt + sizeBytes)
    })
    payloadAt += sizeBytes
    termBefore = entryTerm
  }
  if (payloadAt !== payload.length) throw badFrame('an append holds more bytes than its entries')
  return { type: 'appendEntries', from, to, term, prevIndex, prevTerm, entries, commitIndex }
}

function readSnapshot (codecs: HeaderCodecs, bytes: Buffer, payload: Uint8Array): InstallSnapshot {
  const header = codecs.decode<SnapshotHeader>(FrameType.installSnapshot, bytes)
  const { from, to, term, index, snapshotTerm, endPosition, autoLeave } = header
  const confState = {
    voters: idsOf(header.voters),
    votersOutgoing: idsOf(header.votersOutgoing),
    learners: idsOf(header.learners),
    learnersNext: idsOf(header.learnersNext),
    autoLeave
  }
  return { type: 'installSnapshot', from, to, term, snapshot: { index, term: snapshotTerm, endPosition, confState, manifest: payload } }
}

function idBytes (ids: readonly NodeId[]): Buffer {
  const bytes = Buffer.alloc(8 * ids.length)
  const view = viewOf(bytes)
  ids.forEach((id, i) => setInt64(view, 8 * i, id))
  return bytes
}

function idsOf (bytes: Uint8Array): NodeId[] {
  if (bytes.length % 8 !== 0) throw badFrame('a list of node ids is cut off')
  const view = viewOf(bytes)
  return Array.from({ length: bytes.length / 8 }, (_, i) => getInt64(view, 8 * i))
}
