import { HeaderType, RemotingFrame } from '../../lib/remoting/index.ts'
import { connectAll, isStored, MOST_CONNECTIONS, opaqueOf, spread, type LoadConnection } from './load.ts'
import { FIRST_OPAQUE, SendRing } from './requests.ts'

const TICK_MS = 2
/** Time without sending that is made up for. */
const MOST_DEBT_MS = 100
/** Apart from what else is sent to the same broker. */
const FIRST_FLOW_OPAQUE = FIRST_OPAQUE + 500_000_000

export interface FlowOptions {
  readonly port: number
  readonly queues: number
  readonly body: Uint8Array
  /** Messages a second. */
  readonly rate: number
  /** Under way at most. */
  readonly inflight: number
}

/** One connection and what is under way on it. */
interface Lane {
  readonly connection: LoadConnection
  readonly ring: SendRing
  readonly most: number
  underWay: number
}

/**
 * Sends at a steady rate until it is stopped, as producers do whose work does not wait for the broker. What the broker
 * does not take in time is not sent: a slower broker shows as a lower rate of confirmed messages.
 */
export class Flow {
  /** Messages that were confirmed. */
  confirmed = 0
  /** Other answers, by code and remark. */
  readonly refusals = new Map<string, number>()
  readonly #rate: number
  readonly #lanes: Lane[]
  readonly #sentAtMs = new Map<number, number>()
  readonly #timer: NodeJS.Timeout
  #latenciesMs: number[] = []
  #opaque = FIRST_FLOW_OPAQUE
  #dueSinceMs = performance.now()
  #lost: Error | undefined

  static async start (options: FlowOptions): Promise<Flow> {
    return new Flow(options, await connectAll(options.port, MOST_CONNECTIONS))
  }

  private constructor ({ queues, body, rate, inflight }: FlowOptions, connections: readonly LoadConnection[]) {
    this.#rate = rate
    const shares = spread(inflight, connections.length)
    this.#lanes = connections.map((connection, i) => {
      const lane: Lane = { connection, ring: new SendRing(HeaderType.binary, queues, body, 2 * shares[i]!), most: shares[i]!, underWay: 0 }
      connection.onResponse = (bytes, from, to) => { this.#answered(lane, bytes, from, to) }
      connection.socket.once('error', (error) => { this.#lost = error }).once('close', () => { this.#lost ??= new Error('the broker has closed a connection') })
      return lane
    })
    this.#timer = setInterval(() => { this.#tick() }, TICK_MS)
  }

  /** Times from request to answer since the last call, some of them, ascending. */
  takeLatenciesMs (): Float64Array {
    const taken = Float64Array.from(this.#latenciesMs).sort()
    this.#latenciesMs = []
    return taken
  }

  /** @throws Error the broker is gone */
  assertConnected (): void { if (this.#lost !== undefined) throw this.#lost }

  stop (): void {
    clearInterval(this.#timer)
    for (const { connection: { socket } } of this.#lanes) socket.destroy()
  }

  #tick (): void {
    const now = performance.now()
    this.#dueSinceMs = Math.max(this.#dueSinceMs, now - MOST_DEBT_MS)
    const due = Math.floor((now - this.#dueSinceMs) * this.#rate / 1000)
    this.#dueSinceMs += due * 1000 / this.#rate
    for (const [i, share] of spread(due, this.#lanes.length).entries()) this.#send(this.#lanes[i]!, share)
  }

  #send (lane: Lane, wanted: number): void {
    for (let left = Math.min(wanted, lane.most - lane.underWay); left > 0; left -= lane.ring.count) {
      const first = this.#opaque + 1
      const frames = lane.ring.next(left, first)
      this.#opaque += lane.ring.count
      lane.underWay += lane.ring.count
      this.#sentAtMs.set(first, performance.now())
      lane.connection.socket.write(frames)
    }
  }

  #answered (lane: Lane, bytes: Buffer, from: number, to: number): void {
    lane.underWay--
    const opaque = opaqueOf(bytes, from, false)
    const sentMs = this.#sentAtMs.get(opaque)
    if (sentMs !== undefined) {
      this.#sentAtMs.delete(opaque)
      this.#latenciesMs.push(performance.now() - sentMs)
    }
    if (isStored(bytes, from, false)) {
      this.confirmed++
      return
    }
    const { code, remark } = new RemotingFrame(bytes, from, to)
    const answer = `${code} ${remark}`
    this.refusals.set(answer, (this.refusals.get(answer) ?? 0) + 1)
  }
}
