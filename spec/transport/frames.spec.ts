import t from 'tap'
import type { AppendEntries, RaftMessage } from '../../lib/raft/index.ts'
import { FrameType, MAX_ENTRIES_PER_APPEND } from '../../lib/transport/frame.ts'
import { FrameReader } from '../../lib/transport/frame-reader.ts'
import { FrameWriter, HeadArena } from '../../lib/transport/frame-writer.ts'
import { codecsOf, HeaderCodecs, type HeaderFields } from '../../lib/transport/headers.ts'
import { codecs, entries, frameOf, LARGE_ID, messages, messagesOf, never, piecesOf, raftReader } from './messages.ts'

t.test('every message of raft comes out as it went in', async (t) => {
  for (const message of messages()) {
    const [received] = messagesOf([frameOf(message)])
    t.same(JSON.parse(JSON.stringify(received)), JSON.parse(JSON.stringify(message)), message.type)
  }
})

t.test('a stream cut at any byte', async (t) => {
  const all = messages()
  const stream = Buffer.concat(all.map((message) => frameOf(message)))
  const expected = JSON.stringify(messagesOf([stream]))
  t.equal(JSON.parse(expected).length, all.length)
  for (let at = 0; at <= stream.length; at++) {
    if (JSON.stringify(messagesOf([stream.subarray(0, at), stream.subarray(at)])) !== expected) t.fail(`cut at ${at}`)
  }
  t.equal(JSON.stringify(messagesOf(Array.from(stream, (byte) => Uint8Array.of(byte)))), expected, 'byte by byte')
})

t.test('the bytes of entries are not copied when they are sent, to however many peers', async (t) => {
  const memory = new Uint8Array(3_000_000).fill(5)
  const elsewhere = new Uint8Array(1000)
  const append: AppendEntries = {
    type: 'appendEntries', from: 1, to: 2, term: 1, prevIndex: 4, prevTerm: 1, commitIndex: 4, entries: entries(5, 0, 1, [1, 1, memory.subarray(0, 1_000_000)], [1, 1, memory.subarray(1_000_000, 1_500_000)], [1, 1, elsewhere], [1, 1, memory.subarray(2_000_000)])
  }
  const arena = new HeadArena()
  for (const to of [2, 3]) {
    const [head, first, second, third, ...rest] = piecesOf({ ...append, to }, codecs, arena)
    t.same([head!.length < 200, rest.length], [true, 0])
    t.same([first!.buffer === memory.buffer, first!.byteOffset, first!.length], [true, 0, 1_500_000], 'neighbours in one piece')
    t.same([second!.buffer === elsewhere.buffer, third!.buffer === memory.buffer, third!.byteOffset], [true, true, 2_000_000])
  }
})

t.test('heads of frames that follow each other are one piece, whatever memory they began in', async (t) => {
  const arena = new HeadArena()
  const [one, two] = [new FrameWriter(arena), new FrameWriter(arena)]
  const reply = messages().find(({ type }) => type === 'appendEntriesReply')!
  const add = (writer: FrameWriter): void => writer.add(codecs, FrameType.appendEntriesReply, reply, undefined, 0)
  for (let i = 0; i < 100; i++) add(one)
  const [piece, ...rest] = one.take()
  t.same([messagesOf([piece!]).length, rest.length], [100, 0])
  for (let i = 0; i < 1000; i++) for (const writer of [one, two]) add(writer)
  for (const writer of [one, two]) {
    const sizeBytes = writer.sizeBytes
    const pieces = writer.take()
    t.equal(Buffer.concat(pieces).length, sizeBytes)
    t.equal(messagesOf([Buffer.concat(pieces)]).length, 1000)
  }
})

t.test('entries of appends that follow each other lie back to back in memory of their own', async (t) => {
  const bytes = new Uint8Array(3000).fill(1)
  const append = (prevIndex: number): RaftMessage => ({ type: 'appendEntries', from: 1, to: 2, term: 1, prevIndex, prevTerm: 1, commitIndex: 0, entries: entries(prevIndex + 1, prevIndex * 1000, 1, [1, 1, bytes.subarray(0, 1000)], [1, 1, bytes.subarray(1000)]) })
  const stream = Buffer.concat([frameOf(append(4)), frameOf(append(6)), frameOf(append(8))])
  const received = messagesOf([stream.subarray(0, 4000), stream.subarray(4000)]) as AppendEntries[]
  const all = received.flatMap(({ entries }) => entries)
  t.equal(all.length, 6)
  for (const [i, { bytes }] of all.entries()) {
    t.not(bytes.buffer, stream.buffer)
    if (i > 0) t.same([bytes.buffer === all[i - 1]!.bytes.buffer, bytes.byteOffset], [true, all[i - 1]!.bytes.byteOffset + all[i - 1]!.bytes.length])
  }
})

t.test('lengths are checked before anything is held for them', async (t) => {
  const prefix = (followingBytes: number, type: number, headerBytes: number): Buffer => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32BE(followingBytes, 0)
    bytes.writeUInt32BE(type * 0x1000000 + headerBytes, 4)
    return bytes
  }
  const refused = (bytes: Buffer, isIntroduced = true): void => {
    for (const chunks of [[bytes], [bytes.subarray(0, 3), bytes.subarray(3)]]) {
      const reader = new FrameReader(() => t.fail('no frame'))
      reader.isIntroduced = isIntroduced
      t.throws(() => { for (const chunk of chunks) reader.push(chunk, never) }, { code: 'MQ_BAD_FRAME' })
      t.ok(reader.heldBytes < 100)
    }
  }
  refused(prefix(0xffff_ffff, FrameType.appendEntries, 20))
  refused(prefix(200 * 1024 * 1024, FrameType.appendEntries, 20))
  refused(prefix(65 * 1024 * 1024, FrameType.call, 20))
  refused(prefix(24, FrameType.heartbeat, 21))
  refused(prefix(25, FrameType.heartbeat, 20), true)
  refused(prefix(20_000, FrameType.heartbeat, 19_996))
  refused(prefix(3, FrameType.heartbeat, 0))
  refused(prefix(24, 99, 20))
  refused(prefix(24, FrameType.description, 20))
  refused(prefix(5004, FrameType.hello, 5000))
  refused(prefix(24, FrameType.heartbeat, 20), false)
  refused(prefix(1_000_000, FrameType.appendEntries, 20), false)

  // a length that is allowed is not believed either: memory comes with the bytes
  const reader = raftReader(() => t.fail('no frame'))
  reader.push(prefix(60 * 1024 * 1024, FrameType.appendEntries, 20), never)
  reader.push(Buffer.alloc(20), never)
  t.ok(reader.heldBytes <= 1024 * 1024 + 100)
  for (let i = 0; i < 40; i++) reader.push(Buffer.alloc(64 * 1024), never)
  t.ok(reader.heldBytes <= 2 * 41 * 64 * 1024)
})

t.test('what the fields of an append and its bytes contradict each other in', async (t) => {
  const append: RaftMessage = { type: 'appendEntries', from: 1, to: 2, term: 1, prevIndex: 4, prevTerm: 1, commitIndex: 4, entries: entries(5, 0, 1, [1, 1, new Uint8Array(100)]) }
  const good = frameOf(append)
  const table = good.length - 100 - 16
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(good)
    change(bytes)
    return bytes
  }
  t.equal(messagesOf([good]).length, 1)
  const bad = [
    changed((bytes) => { bytes[table + 15]! += 1 }),
    changed((bytes) => { bytes[table + 15]! -= 1 }),
    changed((bytes) => { bytes[table + 8] = 0 }),
    changed((bytes) => { bytes[table + 8] = 4 }),
    changed((bytes) => { bytes[table] = 0x80 }),
    changed((bytes) => { bytes[table] = 0x7f }),
    changed((bytes) => bytes.writeUInt32BE(0xffff_ffff, table + 12))
  ]
  for (const bytes of bad) t.throws(() => messagesOf([bytes]), { code: 'MQ_BAD_FRAME' })
  for (const message of [{ ...append, prevIndex: -1 }, { ...append, term: -1 }, { ...append, commitIndex: -5 }]) {
    t.throws(() => messagesOf([frameOf(message)]), { code: 'MQ_BAD_FRAME' })
  }
  t.throws(() => frameOf({ ...append, entries: Array(MAX_ENTRIES_PER_APPEND + 1).fill(append.entries[0]) }), { code: 'MQ_BAD_FRAME' })
})

t.test('the next minor version talks to this one, both ways', async (t) => {
  const { [FrameType.heartbeat]: before, [FrameType.appendEntries]: appendBefore } = HeaderCodecs.fieldsOf(0)
  const now = HeaderCodecs.fieldsOf(0)
  const next: HeaderFields = {
    ...now,
    [FrameType.heartbeat]: [['load', 'natural', 17], ...before!, ['health', 'string', 'well']],
    [FrameType.appendEntries]: [['leaseMs', 'int', 0], ...appendBefore!]
  }
  const [older, newer, newest] = [new HeaderCodecs(0, [now]), new HeaderCodecs(0, [now, next]), new HeaderCodecs(1, [now, next])]
  const heartbeat: RaftMessage = { type: 'heartbeat', from: LARGE_ID, to: 2, term: 9, commitIndex: 3, readSequence: 1 }
  t.match(messagesOf([frameOf(heartbeat, older)], newer), [{ ...heartbeat, load: 17, health: 'well' }])
  t.same(messagesOf([frameOf({ ...heartbeat, load: 5, health: 'ill' } as RaftMessage, newer)], older).map((message) => ({ ...message })), [heartbeat])
  t.match(messagesOf([frameOf({ ...heartbeat, load: 5, health: 'ill' } as RaftMessage, newest)], newest), [{ ...heartbeat, load: 5, health: 'ill' }])
  const append: RaftMessage = { type: 'appendEntries', from: 1, to: 2, term: 1, prevIndex: 4, prevTerm: 1, commitIndex: 4, entries: entries(5, 0, 1, [1, 1, new Uint8Array(100)], [1, 2, new Uint8Array(88)]) }
  for (const [writes, reads] of [[older, newer], [newer, older]] as const) {
    t.same(JSON.parse(JSON.stringify(messagesOf([frameOf(append, writes)], reads))), JSON.parse(JSON.stringify([append])))
  }
  const { [FrameType.transferLeadership]: _, ...without } = now
  const oldest = new HeaderCodecs(0, [without, now])
  const transfer = messages().find(({ type }) => type === 'transferLeadership')!
  t.throws(() => frameOf(transfer, oldest), { code: 'MQ_BAD_FRAME' }, 'a frame that the older one does not know')
  t.throws(() => messagesOf([frameOf(transfer)], oldest), { code: 'MQ_BAD_FRAME' })
})

t.test('who does not know of nodes in doubt hears nothing of one, nor of what is only written', async (t) => {
  const [older, own] = [codecsOf(1), codecs]
  const reply = messages().find(({ type }) => type === 'appendEntriesReply')!
  const vote = messages().find(({ type }) => type === 'requestVoteReply')!
  const counts = (message: object): number[] => [older, own].map((by) => messagesOf([frameOf(message as RaftMessage, by)], by).length)
  t.same(counts({ ...reply, life: 0, inDoubt: false, unsynced: 0 }), [1, 1])
  t.same(counts({ ...vote, life: 2, inDoubt: false }), [1, 1])
  for (const news of [{ life: 1, inDoubt: true, unsynced: 0 }, { life: 0, inDoubt: false, unsynced: 1 }]) t.same(counts({ ...reply, ...news }), [0, 1])
  t.same(counts({ ...vote, life: 1, inDoubt: true }), [0, 1])
})
