import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { encodeRequest, HeaderType, OutboundBuffer, RemotingFrame, RequestCode, ResponseCode, SlabPool } from '../../lib/remoting/index.ts'
import type { Driver } from '../harness/measure.ts'
import { DEFAULT_PROPERTIES, FIRST_OPAQUE, frameOf, GROUP, pullRequest, SendRing, TOPIC } from './requests.ts'

const RESPONSE_CODE_AT = 8
const OPAQUE_AT = 13
const OPAQUE_LABEL = Buffer.from('"opaque":')
const CODE_ZERO = Buffer.from('{"code":0,')
/** One in this many sends is timed on its own; a power of two. */
const SAMPLE_EVERY = 16
const RECEIVE_BYTES = 256 * 1024
/** What is in flight is spread over so many, unless it is fewer. */
export const MOST_CONNECTIONS = 4

type OnResponse = (bytes: Buffer, from: number, to: number) => void

/** Writes the one-way request that follows the answer at [from, to), with that number. */
export type Next = (out: OutboundBuffer, answer: Buffer, from: number, to: number, opaque: number) => void

/** A connection whose responses are handed on where they lie in what was received, in memory that is used again. */
export class LoadConnection {
  readonly socket: Socket
  onResponse: OnResponse = () => {}
  /** Called when all that came together was handed on. */
  onBurst: () => void = () => {}
  #received = Buffer.allocUnsafeSlow(RECEIVE_BYTES)
  /** Bytes of a response that is not whole yet, at the beginning. */
  #kept = 0

  constructor (port: number) {
    this.socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: () => this.#received.subarray(this.#kept),
        callback: (sizeBytes) => {
          this.#receive(this.#kept + sizeBytes)
          return true
        }
      }
    })
  }

  #receive (end: number): void {
    const bytes = this.#received
    let from = 0
    let needed = 0
    while (end - from >= 4) {
      needed = 4 + bytes.readInt32BE(from)
      if (from + needed > end) break
      this.onResponse(bytes, from, from + needed)
      from += needed
    }
    if (needed > bytes.length) this.#received = Buffer.allocUnsafeSlow(needed)
    if (from < end && (from > 0 || bytes !== this.#received)) this.#received.set(bytes.subarray(from, end))
    this.#kept = end - from
    this.onBurst()
  }
}

/** A load on a broker over several connections. */
export class Load {
  readonly #connections: readonly LoadConnection[]
  readonly #type: HeaderType
  readonly #queues: number
  #opaque = FIRST_OPAQUE

  private constructor (connections: readonly LoadConnection[], type: HeaderType, queues: number) {
    this.#connections = connections
    this.#type = type
    this.#queues = queues
  }

  /** `queues` of the topic, which is made on the way. */
  static async connect (port: number, connections: number, type: HeaderType, queues: number): Promise<Load> {
    return new Load(await connectAll(port, connections), type, queues)
  }

  /** A request on its own. @throws Error its answer is not SUCCESS */
  async ask (request: Parameters<typeof frameOf>[1]): Promise<RemotingFrame> {
    const [connection] = this.#connections
    connection!.socket.write(frameOf(this.#type, request, this.#nextOpaque()))
    const answer = await new Promise<RemotingFrame>((resolve) => {
      connection!.onResponse = (bytes, from, to) => resolve(new RemotingFrame(Uint8Array.from(bytes.subarray(from, to)), 0, to - from))
    })
    if (answer.code !== ResponseCode.SUCCESS) throw new Error(`the broker answered ${answer.code}: ${answer.remark}`)
    return answer
  }

  /**
   * Sends messages, `inflight` of them under way at any time, one request and one answer each; upon each answer what `next` makes of it
   * follows.
   */
  async send (messages: number, inflight: number, body: Uint8Array, driver?: Driver, properties = DEFAULT_PROPERTIES, next?: Next): Promise<void> {
    const isJson = this.#type === HeaderType.json
    const startedMs = new Map<number, number>()
    const slabs = new SlabPool()
    let begun = 0
    let done = 0
    const startMs = performance.now()
    await new Promise<void>((resolve, reject) => {
      const sendOn = (connection: LoadConnection, ring: SendRing, wanted: number): void => {
        for (let left = Math.min(wanted, messages - begun); left > 0;) {
          const first = this.#opaque + 1
          const frames = ring.next(left, first)
          for (let opaque = first; opaque < first + ring.count; opaque++) {
            if (begun++ % SAMPLE_EVERY === 0) startedMs.set(opaque, performance.now())
          }
          this.#opaque += ring.count
          left -= ring.count
          connection.socket.write(frames)
        }
      }
      const sampleRemainder = (this.#opaque + 1) % SAMPLE_EVERY
      const noteLatency = (opaque: number): void => {
        const began = startedMs.get(opaque)
        startedMs.delete(opaque)
        if (began !== undefined) driver?.addLatency(performance.now() - began)
      }
      const shares = spread(inflight, this.#connections.length)
      const starts = this.#connections.map((connection, i) => {
        const ring = new SendRing(this.#type, this.#queues, body, 2 * shares[i]!, properties)
        let answered = 0
        const out = new OutboundBuffer(slabs)
        connection.onResponse = (bytes, from, to) => {
          if (!isStored(bytes, from, isJson)) {
            const { code, remark } = new RemotingFrame(bytes, from, to)
            reject(new Error(`the broker answered ${code}: ${remark}`))
            return
          }
          answered++
          next?.(out, bytes, from, to, this.#nextOpaque())
          const opaque = opaqueOf(bytes, from, isJson)
          if (opaque % SAMPLE_EVERY === sampleRemainder) noteLatency(opaque)
        }
        connection.onBurst = () => {
          done += answered
          if (next !== undefined) {
            connection.socket.cork()
            for (const piece of out.take()) connection.socket.write(piece, () => { out.release([piece]) })
          }
          sendOn(connection, ring, answered)
          if (next !== undefined) connection.socket.uncork()
          answered = 0
          if (done === messages) resolve()
        }
        return () => { sendOn(connection, ring, shares[i]!) }
      })
      for (const start of starts) start()
    })
    driver?.addRate(messages, performance.now() - startMs)
  }

  /**
   * Consumes `messages` of all queues from `offsets` on, which it moves, by pulls of at most `max`, one under way per queue; each pull
   * commits what was taken by the one before.
   */
  async pull (messages: number, offsets: number[], max: number, driver: Driver): Promise<void> {
    let taken = 0
    const laneOfOpaque = new Map<number, { readonly queueId: number, readonly startMs: number }>()
    const slabs = new SlabPool()
    const startMs = performance.now()
    await new Promise<void>((resolve, reject) => {
      const pull = (out: OutboundBuffer, queueId: number): void => {
        const opaque = this.#nextOpaque()
        laneOfOpaque.set(opaque, { queueId, startMs: performance.now() })
        encodeRequest(out, this.#type, pullRequest(queueId, offsets[queueId]!, max), opaque, false)
      }
      const flush = (connection: LoadConnection, out: OutboundBuffer): void => {
        for (const piece of out.take()) connection.socket.write(piece, () => { out.release([piece]) })
      }
      for (const [i, connection] of this.#connections.entries()) {
        const out = new OutboundBuffer(slabs)
        connection.onBurst = () => { flush(connection, out) }
        connection.onResponse = (bytes, from, to) => {
          const answer = new RemotingFrame(bytes, from, to)
          const { queueId, startMs: pulledMs } = laneOfOpaque.get(answer.opaque)!
          laneOfOpaque.delete(answer.opaque)
          if (answer.code === ResponseCode.PULL_NOT_FOUND) {
            // the queue is at its end
            if (laneOfOpaque.size === 0) resolve()
            return
          }
          if (answer.code !== ResponseCode.SUCCESS) {
            reject(new Error(`the broker answered ${answer.code}: ${answer.remark}`))
            return
          }
          const records = countRecords(bytes, answer.bodyStart, to)
          driver.addLatency(performance.now() - pulledMs)
          offsets[queueId]! += records
          taken += records
          if (taken === messages) driver.addRate(messages, performance.now() - startMs)
          pull(out, queueId)
        }
        for (let queueId = i; queueId < offsets.length; queueId += this.#connections.length) pull(out, queueId)
        flush(connection, out)
      }
    })
    if (taken !== messages) throw new Error(`${taken} messages came for ${messages}`)
  }

  /** Commits where the group is, and makes sure that the broker says the same. */
  async commit (offsets: readonly number[]): Promise<void> {
    for (const [queueId, offset] of offsets.entries()) {
      const key = { consumerGroup: GROUP, topic: TOPIC, queueId }
      await this.ask({ code: RequestCode.UPDATE_CONSUMER_OFFSET, extFields: { ...key, commitOffset: offset } })
      const told = (await this.ask({ code: RequestCode.QUERY_CONSUMER_OFFSET, extFields: key })).extFields().get('offset')
      if (Number(told) !== offset) throw new Error(`queue ${queueId} was consumed up to ${offset}, the broker says ${told}`)
    }
  }

  /** Messages that consumers can see, in all queues. */
  async visible (): Promise<number> {
    let count = 0
    for (let queueId = 0; queueId < this.#queues; queueId++) {
      const answer = await this.ask({ code: RequestCode.GET_MAX_OFFSET, extFields: { topic: TOPIC, queueId } })
      count += Number(answer.extFields().get('offset'))
    }
    return count
  }

  close (): void {
    for (const { socket } of this.#connections) socket.destroy()
  }

  #nextOpaque (): number { return ++this.#opaque }
}

export async function connectAll (port: number, connections: number): Promise<LoadConnection[]> {
  return await Promise.all(Array.from({ length: connections }, async () => {
    const connection = new LoadConnection(port)
    await once(connection.socket, 'connect')
    return connection
  }))
}

export function isStored (chunk: Buffer, from: number, isJson: boolean): boolean {
  if (!isJson) return chunk.readInt16BE(from + RESPONSE_CODE_AT) === ResponseCode.SUCCESS
  return chunk.compare(CODE_ZERO, 0, CODE_ZERO.length, from + RESPONSE_CODE_AT, from + RESPONSE_CODE_AT + CODE_ZERO.length) === 0
}

export function opaqueOf (chunk: Buffer, from: number, isJson: boolean): number {
  if (!isJson) return chunk.readInt32BE(from + OPAQUE_AT)
  let opaque = 0
  for (let at = chunk.indexOf(OPAQUE_LABEL, from) + OPAQUE_LABEL.length, digit; (digit = chunk[at]! - 48) >= 0 && digit <= 9; at++) opaque = opaque * 10 + digit
  return opaque
}

/** Stored records, back to back: length of each first. */
function countRecords (chunk: Buffer, from: number, to: number): number {
  let count = 0
  let at = from
  for (; at < to; at += chunk.readInt32BE(at)) count++
  if (at !== to) throw new Error('the answer to a pull is not whole')
  return count
}

/** `total` in whole parts, as equal as can be. */
export function spread (total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, i) => Math.floor((total + i) / parts))
}
