import { duplexPair } from 'node:stream'
import t from 'tap'
import { NodeClock } from '../../lib/adapters/index.ts'
import { isMqError } from '../../lib/base/index.ts'
import { FrameType, LinkKind } from '../../lib/transport/frame.ts'
import { FrameReader } from '../../lib/transport/frame-reader.ts'
import { FrameWriter, HeadArena } from '../../lib/transport/frame-writer.ts'
import { PROTOCOL_MINOR } from '../../lib/transport/headers.ts'
import { introduce, receive, type HandshakeContext, type MetNode } from '../../lib/transport/handshake.ts'
import { readRaftMessage } from '../../lib/transport/raft-frames.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { codecs, frameOf, messages, never } from './messages.ts'
import { member } from './peer-network-conformance.ts'

const FRAMES = 200_000
/** Another number tries other frames. */
const seed = Number(process.env.SEED ?? 1)
const random = new SeededRandom(seed)
t.comment(`SEED=${seed}`)

function headed (type: FrameType, header: object, body?: Uint8Array): Buffer {
  const writer = new FrameWriter(new HeadArena())
  writer.add(codecs, type, header, body, body?.length ?? 0)
  return Buffer.concat(writer.take())
}

const corpus: readonly Buffer[] = [
  ...messages().map((message) => frameOf(message)),
  headed(FrameType.ping, { sentUs: 123_456_789 }),
  headed(FrameType.call, { id: 5, method: 'broker.forward' }, new Uint8Array(300).fill(3)),
  headed(FrameType.answer, { id: 5 }, new Uint8Array(2000).fill(4)),
  headed(FrameType.failure, { id: 5, code: 'MQ_BUSY', message: 'full', outcome: 'not-applied', retryable: true, facts: '{"leaderId":3}' }),
  headed(FrameType.refused, { code: 'group-id', reason: 'apart' })
]

const oddBytes = [0, 1, 0x7f, 0x80, 0x81, 0xfe, 0xff]
const oddLengths = [0, 1, 3, 4, 8, 0xff, 0x100, 0xffff, 0x10_0000, 0x400_0000, 0x7fff_ffff, 0xffff_ffff]
const types = [...Object.values(FrameType), 0, 60, 255]

type Mutation = (bytes: Buffer) => Buffer
const mutations: readonly Mutation[] = [
  function flipBit (bytes) {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
    return bytes
  },
  function flipBitOfHead (bytes) {
    bytes[random.below(Math.min(80, bytes.length))]! ^= 1 << random.below(8)
    return bytes
  },
  function oddByte (bytes) {
    bytes[8 + random.below(Math.max(1, Math.min(80, bytes.length - 8)))] = random.pick(oddBytes)
    return bytes
  },
  function otherType (bytes) {
    bytes[4] = random.pick(types)
    return bytes
  },
  function lieAboutAll (bytes) {
    bytes.writeUInt32BE(random.chance(0.5) ? random.pick(oddLengths) : (bytes.readUInt32BE(0) + random.below(9) - 4) >>> 0, 0)
    return bytes
  },
  function lieAboutHeader (bytes) {
    const headerBytes = random.chance(0.5) ? random.pick(oddLengths) & 0xff_ffff : Math.max(0, (bytes.readUInt32BE(4) & 0xff_ffff) + random.below(9) - 4)
    bytes.writeUInt32BE((bytes[4]! * 0x100_0000) + (headerBytes & 0xff_ffff), 4)
    return bytes
  },
  /** A number of many bytes: counts and lengths inside the header are such numbers. */
  function longNumber (bytes) {
    const at = 8 + random.below(Math.max(1, Math.min(80, bytes.length - 8)))
    bytes.fill(0xff, at, Math.min(bytes.length, at + 1 + random.below(10)))
    return bytes
  },
  function lieInTable (bytes) {
    const headEnd = 8 + (bytes.readUInt32BE(4) & 0xff_ffff)
    if (headEnd >= 24 && headEnd <= bytes.length) bytes.writeUInt32BE(random.pick(oddLengths), headEnd - 4)
    return bytes
  },
  (bytes) => bytes.subarray(0, 1 + random.below(bytes.length)),
  (bytes) => Buffer.concat([bytes.subarray(0, random.below(bytes.length)), random.pick(corpus)]),
  function insert (bytes) {
    const at = random.below(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(8)), bytes.subarray(at)])
  }
]

function tamper (original: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(original)
  for (let times = 1 + random.below(3); times > 0 && bytes.length > 8; times--) bytes = random.pick(mutations)(bytes)
  return bytes
}

t.test('frames that were tampered with are read or refused, never anything else, and nothing is held on their word', async (t) => {
  const outcomes = { read: 0, refused: 0, incomplete: 0 }
  let slowestMs = 0
  for (let i = 0; i < FRAMES; i++) {
    const bytes = tamper(random.pick(corpus))
    let frames = 0
    const reader = new FrameReader((type, header, payload) => {
      frames++
      if (readRaftMessage(codecs, type, header, payload) === undefined) codecs.decode(type, header)
    })
    reader.isIntroduced = random.chance(0.9)
    const startMs = performance.now()
    try {
      for (let at = 0; at < bytes.length;) {
        const to = random.chance(0.5) ? bytes.length : Math.min(bytes.length, at + 1 + random.below(200))
        reader.push(bytes.subarray(at, to), never)
        at = to
        if (reader.heldBytes > 1024 * 1024 + 2 * bytes.length + 256) throw new Error(`${reader.heldBytes} bytes held`)
      }
      outcomes[frames > 0 ? 'read' : 'incomplete']++
    } catch (error) {
      if (!isMqError(error, 'MQ_BAD_FRAME')) {
        t.fail(`SEED=${seed}, frame ${i}: ${(error as Error).stack}`, { bytes: bytes.toString('hex').slice(0, 2000) })
        return
      }
      outcomes.refused++
    }
    slowestMs = Math.max(slowestMs, performance.now() - startMs)
  }
  t.comment(outcomes, `slowest ${slowestMs.toFixed(1)} ms`)
  for (const [outcome, count] of Object.entries(outcomes)) t.ok(count > FRAMES / 50, `${outcome} ${count}`)
  t.ok(slowestMs < 5000, `slowest ${slowestMs} ms`)
})

t.test('introductions that were tampered with lead to nothing or to an acquaintance, and always end', async (t) => {
  const clock = new NodeClock()
  const context: HandshakeContext = { clock, arena: new HeadArena(), self: () => member(2), secret: undefined, handshakeTimeoutMs: 60_000, protocolMinor: PROTOCOL_MINOR }
  const outcomes = { met: 0, failed: 0 }
  for (let i = 0; i < 3000; i++) {
    const [near, far] = duplexPair({ allowHalfOpen: false })
    for (const [one, other] of [[near, far], [far, near]] as const) one.once('close', () => other.destroy()).on('error', () => {})
    const victim = random.below(12)
    let chunks = 0
    // what passes is tampered with at one place, either way
    for (const side of [near, far]) {
      const write = side._write.bind(side)
      side._write = (chunk: Buffer, encoding, written) => { write(chunks++ === victim % 6 ? tamper(chunk) : chunk, encoding, written) }
    }
    await new Promise<void>((resolve) => {
      let left = 2
      const over = (outcome: keyof typeof outcomes) => {
        outcomes[outcome]++
        if (--left === 0) resolve()
        // whoever still waits would do so until its time is over
        else setImmediate(() => setImmediate(() => setImmediate(() => far.destroy())))
      }
      const result: MetNode = { onMet: ({ connection }) => { connection.owner = { onFrame () {}, onClose () {} }; over('met') }, onFailed: () => over('failed') }
      const peer = { address: { host: '127.0.0.1', port: 1 } }
      const accepting = receive({ stream: far, peer: peer.address, isEncrypted: false }, context, result)
      const connecting = introduce({ stream: near, peer: peer.address, isEncrypted: false }, { ...context, self: () => member(1) }, LinkKind.calls, 2, result)
      let turns = 0
      const giveUp = (): void => {
        if (left === 0) return
        if (++turns < 30) setImmediate(giveUp)
        else for (const connection of [accepting, connecting]) connection.close('nothing more comes')
      }
      giveUp()
    })
    near.destroy()
  }
  t.comment(outcomes)
  t.ok(outcomes.met > 100, `met ${outcomes.met}`)
  t.ok(outcomes.failed > 100, `failed ${outcomes.failed}`)
})
