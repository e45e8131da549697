import type { AppendEntries, RaftEntry } from '../../lib/raft/index.ts'
import { FrameReader } from '../../lib/transport/frame-reader.ts'
import { FrameWriter, HeadArena } from '../../lib/transport/frame-writer.ts'
import { codecsOf, PROTOCOL_MINOR } from '../../lib/transport/headers.ts'
import { payloadBytesOf, readRaftMessage, writeRaftMessage } from '../../lib/transport/raft-frames.ts'
import type { MicroSuite } from './suite.ts'

const CHUNK_BYTES = 64 * 1024
const NODE_ID = 123_456_789 * 65_536 + 1

function appendOf (count: number, sizeBytes: number): AppendEntries {
  const memory = new Uint8Array(count * sizeBytes).fill(7)
  const entries = Array.from({ length: count }, (_, i): RaftEntry => ({
    index: 1_000_001 + i, term: 12, prevTerm: 12, kind: 1, physicalOffset: 12_345_678_901 + i * sizeBytes, sizeBytes, bytes: memory.subarray(i * sizeBytes, (i + 1) * sizeBytes)
  }))
  return { type: 'appendEntries', from: NODE_ID, to: NODE_ID + 1, term: 12, prevIndex: 1_000_000, prevTerm: 12, entries, commitIndex: 999_990 }
}

/** Frames between nodes: what a leader spends per append, whatever its size, and a follower, who copies it once. */
export const transport: MicroSuite = async (add) => {
  const codecs = codecsOf(PROTOCOL_MINOR)
  const writer = new FrameWriter(new HeadArena())
  const write = (message: AppendEntries): readonly Uint8Array[] => {
    writeRaftMessage(writer, codecs, message, payloadBytesOf(message))
    return writer.take()
  }
  for (const [what, message] of [
    ['one entry of 1 MiB', appendOf(1, 1024 * 1024)],
    ['one entry of 64 KiB', appendOf(1, 64 * 1024)],
    ['one entry of 1 KiB', appendOf(1, 1024)],
    ['64 entries of 1 KiB', appendOf(64, 1024)]
  ] as const) {
    add(`encode an append of ${what}`, () => write(message))
    const bytes = Buffer.concat(write(message))
    const chunks = Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, i) => bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES))
    let received: unknown
    const reader = new FrameReader((type, header, payload) => { received = readRaftMessage(codecs, type, header, payload) })
    reader.isIntroduced = true
    add(`decode an append of ${what}`, () => {
      for (const chunk of chunks) reader.push(chunk, () => false)
      return received
    })
  }
  const reply = { type: 'appendEntriesReply', from: NODE_ID, to: NODE_ID + 1, term: 12, index: 1_000_001, rejected: false, hintIndex: 0, hintTerm: 0 } as const
  add('encode a reply', () => {
    writeRaftMessage(writer, codecs, reply, 0)
    return writer.take()
  })
  writeRaftMessage(writer, codecs, reply, 0)
  const replyBytes = Buffer.concat(writer.take())
  let received: unknown
  const reader = new FrameReader((type, header, payload) => { received = readRaftMessage(codecs, type, header, payload) })
  reader.isIntroduced = true
  add('decode a reply', () => {
    reader.push(replyBytes, () => false)
    return received
  })
}
