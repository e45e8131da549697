import { FrameReader } from '../../lib/transport/frame-reader.ts'
import { FrameWriter, HeadArena } from '../../lib/transport/frame-writer.ts'
import { codecsOf, PROTOCOL_MINOR, type HeaderCodecs } from '../../lib/transport/headers.ts'
import { payloadBytesOf, readRaftMessage, writeRaftMessage } from '../../lib/transport/raft-frames.ts'
import type { NodeId, RaftEntry, RaftMessage } from '../../lib/raft/index.ts'

export const codecs = codecsOf(PROTOCOL_MINOR)
/** A node id with an incarnation: the largest there is. */
export const LARGE_ID: NodeId = 0xffff_ffff * 65_536 + 8
/** Avro's decoder takes no larger one. */
const MAX = Number.MAX_SAFE_INTEGER - 1

export function entries (firstIndex: number, firstPosition: number, prevTerm: number, ...items: Array<readonly [term: number, kind: RaftEntry['kind'], bytes: Uint8Array]>): RaftEntry[] {
  let position = firstPosition
  let termBefore = prevTerm
  return items.map(([term, kind, bytes], i) => {
    const entry = { index: firstIndex + i, term, prevTerm: termBefore, kind, physicalOffset: position, sizeBytes: bytes.length, bytes }
    position += bytes.length
    termBefore = term
    return entry
  })
}

/** One of each kind, with small and with extreme values. */
export function messages (): RaftMessage[] {
  const envelope = { from: LARGE_ID, to: 2, term: MAX }
  const conf = { voters: [1, LARGE_ID, 3], votersOutgoing: [1], learners: [], learnersNext: [LARGE_ID - 1], autoLeave: true }
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i * 31)
  return [
    { ...envelope, type: 'requestVote', lastIndex: MAX, lastTerm: 3, force: true, commitIndex: 0, commitTerm: 0 },
    { ...envelope, type: 'requestPreVote', lastIndex: 0, lastTerm: 0, force: false, commitIndex: 7, commitTerm: 2 },
    { ...envelope, type: 'requestVoteReply', granted: true, commitIndex: 1, commitTerm: 1, life: 3, inDoubt: true },
    { ...envelope, type: 'requestPreVoteReply', granted: false, commitIndex: MAX, commitTerm: MAX, life: 0, inDoubt: false },
    { ...envelope, type: 'heartbeat', commitIndex: 300, readSequence: 128, doubtLife: 2, lastIndex: MAX },
    { ...envelope, type: 'heartbeatReply', readSequence: MAX, life: 1, inDoubt: true, syncedIndex: MAX },
    { ...envelope, type: 'timeoutNow' },
    { ...envelope, type: 'readIndex', context: 64 },
    { ...envelope, type: 'readIndexReply', context: 64, index: 1 },
    { ...envelope, type: 'transferLeadership', target: LARGE_ID },
    { ...envelope, type: 'appendEntries', prevIndex: 0, prevTerm: 0, commitIndex: 0, entries: [] },
    { ...envelope, type: 'appendEntries', prevIndex: 41, prevTerm: 2, commitIndex: 40, entries: entries(42, 9_000_000_000, 2, [2, 1, bytes.subarray(0, 1000)], [3, 2, bytes.subarray(1000, 1088)], [MAX, 3, bytes.subarray(1088)]) },
    { ...envelope, type: 'appendEntriesReply', index: 5, rejected: true, hintIndex: -1, hintTerm: 0, life: MAX, inDoubt: false, unsynced: 0 },
    { ...envelope, type: 'appendEntriesReply', index: MAX, rejected: false, hintIndex: 0, hintTerm: 0, life: 1, inDoubt: true, unsynced: 300 },
    { ...envelope, type: 'installSnapshot', snapshot: { index: 10, term: 2, endPosition: 12_345, confState: conf, manifest: bytes.subarray(0, 300) } },
    { ...envelope, type: 'installSnapshot', snapshot: { index: 10, term: 2, endPosition: 12_345, confState: { ...conf, voters: [], autoLeave: false }, manifest: new Uint8Array(0) } }
  ]
}

export function piecesOf (message: RaftMessage, by: HeaderCodecs = codecs, arena = new HeadArena()): readonly Uint8Array[] {
  const writer = new FrameWriter(arena)
  writeRaftMessage(writer, by, message, payloadBytesOf(message))
  return writer.take()
}

export const frameOf = (message: RaftMessage, by?: HeaderCodecs): Buffer => Buffer.concat(piecesOf(message, by))

export function raftReader (onMessage: (message: RaftMessage | undefined) => void, by: HeaderCodecs = codecs): FrameReader {
  const reader = new FrameReader((type, header, payload) => onMessage(readRaftMessage(by, type, header, payload)))
  reader.isIntroduced = true
  return reader
}

export const never = (): boolean => false

/** The messages that a stream of these chunks carries. */
export function messagesOf (chunks: Iterable<Uint8Array>, by?: HeaderCodecs): RaftMessage[] {
  const received: RaftMessage[] = []
  const reader = raftReader((message) => received.push(message!), by)
  for (const chunk of chunks) reader.push(Buffer.from(chunk), never)
  return received
}
