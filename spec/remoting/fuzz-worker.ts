import { isMqError } from '../../lib/base/index.ts'
import * as remoting from '../../lib/remoting/index.ts'
import { FrameDecoder, HeaderType, PullMessageHeader, pullMessage, SendMessageHeader, sendMessage, sendMessageV2, type HeaderCodec, type RemotingFrame } from '../../lib/remoting/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { mutatedFrame } from './frame-mutations.ts'

/** Decodes mutated frames: `node --expose-gc --import tsx fuzz-worker.ts COUNT SEED`. Prints what became of them as JSON. */
export interface FuzzOutcomes {
  readonly frames: number
  readonly decoded: number
  readonly headersRead: number
  readonly refused: number
  readonly incomplete: number
  readonly twins: number
  readonly slowestMs: number
  readonly grownMiB: number
  readonly wrong: readonly string[]
}

const [count = 1000, seed = 1] = process.argv.slice(2).map(Number)
const random = new SeededRandom(seed)
const codecs = [
  sendMessage, sendMessageV2, pullMessage,
  ...Object.values(remoting as unknown as Record<string, Partial<remoting.RequestDefinition<unknown, unknown>>>).flatMap(({ request, response }) => request?.decode === undefined ? [] : [request, response!])
] as Array<HeaderCodec<unknown>>
const sendHeader = new SendMessageHeader()
const pullHeader = new PullMessageHeader()
const outcomes = { frames: count, decoded: 0, headersRead: 0, refused: 0, incomplete: 0, twins: 0, slowestMs: 0, grownMiB: 0, wrong: [] as string[] }

function decode (bytes: Uint8Array, cut: number): RemotingFrame[] {
  const decoder = new FrameDecoder()
  const frames: RemotingFrame[] = []
  for (const chunk of cut === 0 ? [bytes] : [bytes.subarray(0, cut), bytes.subarray(cut)]) {
    decoder.push(chunk)
    for (let frame; (frame = decoder.next()) !== undefined;) frames.push(frame)
  }
  if (decoder.heldBytes > Math.max(1024, 2 * bytes.length)) throw new Error(`${decoder.heldBytes} bytes held for ${bytes.length}`)
  if (decoder.isInsideFrame) outcomes.incomplete++
  return frames
}

function read (action: () => unknown): void {
  try {
    action()
    outcomes.headersRead++
  } catch (error) {
    if (!isMqError(error, 'MQ_BAD_FIELD')) throw error
  }
}

/** Where the platform's reader takes the header too, both must have found the same fields. */
function compareWithTwin (frame: RemotingFrame): void {
  let twin: { extFields?: Record<string, unknown> | null }
  try {
    twin = JSON.parse(Buffer.from(frame.bytes.subarray(frame.headerStart, frame.bodyStart)).toString())
  } catch {
    return
  }
  outcomes.twins++
  // -0, 1e3 and nested values keep their text here, which JSON.parse has lost
  const expected = Object.entries(twin.extFields ?? {}).filter(([name, value]) => name !== '__proto__' && (typeof value === 'string' || typeof value === 'boolean'))
  const fields = frame.extFields()
  for (const [name, value] of expected) {
    const known = fields.get(Buffer.from(name).toString())
    if (known !== Buffer.from(String(value)).toString()) throw new Error(`field ${JSON.stringify(name)} is ${JSON.stringify(known)}, not ${JSON.stringify(value)}`)
  }
}

function one (bytes: Uint8Array): void {
  let frames: RemotingFrame[]
  try {
    frames = decode(bytes, random.chance(0.2) ? 1 + random.below(bytes.length) : 0)
  } catch (error) {
    if (!isMqError(error, 'MQ_BAD_FRAME')) throw error
    outcomes.refused++
    return
  }
  for (const frame of frames) {
    outcomes.decoded++
    if (frame.bodyBytes + frame.headerStart > bytes.length + 8) throw new Error('the frame is larger than what came')
    read(() => sendHeader.read(frame))
    read(() => pullHeader.read(frame))
    read(() => random.pick(codecs).decode(frame))
    if (random.chance(0.1)) {
      if ((frame.remark?.length ?? 0) > bytes.length) throw new Error('the remark is longer than the frame')
      if (frame.headerType === HeaderType.json) compareWithTwin(frame)
    }
  }
}

const memoryMiB = (): number => {
  globalThis.gc!()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 1024 / 1024
}

for (let i = 0; i < 5000; i++) mutatedFrame(random)
const beforeMiB = memoryMiB()
for (let i = 0; i < count && outcomes.wrong.length < 5; i++) {
  const bytes = mutatedFrame(random)
  const startMs = performance.now()
  try {
    if (bytes.length > 0) one(bytes)
  } catch (error) {
    outcomes.wrong.push(`frame ${i} of seed ${seed}: ${(error as Error).stack}\n${bytes.toString('hex')}`)
  }
  outcomes.slowestMs = Math.max(outcomes.slowestMs, performance.now() - startMs)
}
outcomes.grownMiB = Math.round((memoryMiB() - beforeMiB) * 10) / 10
console.log(JSON.stringify(outcomes satisfies FuzzOutcomes))
