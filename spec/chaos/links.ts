import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Random } from '../../lib/base/index.ts'

/** What is wrong with what one node sends to another. */
export interface LinkFault {
  /** Nothing arrives; what was sent waits, as TCP would send it again. */
  readonly isCut?: boolean
  readonly delayMs?: number
  /** Of every piece, that it is lost once: it and all behind it come later; one in ten of those ends the connection. */
  readonly lossShare?: number
  readonly bytesPerSecond?: number
}

const RESEND_MS = 200
/** Held for a direction; then the sender is not read, as a full window does it. */
const MAX_HELD_BYTES = 4 * 1024 * 1024

/** The links between the nodes of a group, each direction by itself: every node knows the others by the address of a proxy here. */
export class Links {
  readonly #random: Random
  readonly #servers: Server[] = []
  readonly #pipes = new Set<Pipe>()
  readonly #faults = new Map<string, LinkFault>()
  readonly #ports = new Map<string, number>()
  /** Pieces that a fault has held, delayed or lost. */
  touched = 0

  constructor (random: Random) {
    this.#random = random
  }

  /** Peers ID-HOST:PORT as node number `own` is to see them. */
  seenBy (own: number, peers: readonly string[]): string[] {
    return peers.map((peer, to) => to === own ? peer : peer.replace(/\d+$/, String(this.#ports.get(`${own} ${to}`))))
  }

  /** Makes a proxy for every direction. */
  async listen (ports: readonly number[]): Promise<void> {
    for (const from of ports.keys()) {
      for (const [to, port] of ports.entries()) {
        if (from === to) continue
        const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => { this.#pipe(socket, from, to, port) })
        await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
        this.#servers.push(server)
        this.#ports.set(`${from} ${to}`, (server.address() as AddressInfo).port)
      }
    }
  }

  fault (from: number, to: number): LinkFault { return this.#faults.get(`${from} ${to}`) ?? {} }

  set (from: number, to: number, fault: LinkFault): void {
    this.#faults.set(`${from} ${to}`, fault)
    for (const pipe of this.#pipes) pipe.changed()
  }

  heal (): void {
    this.#faults.clear()
    for (const pipe of this.#pipes) pipe.changed()
  }

  async close (): Promise<void> {
    for (const pipe of this.#pipes) pipe.end()
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }

  #pipe (socket: Socket, from: number, to: number, port: number): void {
    const pipe: Pipe = new Pipe({
      socket,
      port,
      random: this.#random,
      there: () => this.fault(from, to),
      back: () => this.fault(to, from),
      onTouched: () => { this.touched++ },
      onEnd: () => { this.#pipes.delete(pipe) }
    })
    this.#pipes.add(pipe)
  }
}

interface PipeOptions {
  readonly socket: Socket
  readonly port: number
  readonly random: Random
  readonly there: () => LinkFault
  readonly back: () => LinkFault
  readonly onTouched: () => void
  readonly onEnd: () => void
}

/** One connection. It is made when both directions work; its end is told when the direction works. */
class Pipe {
  readonly #options: PipeOptions
  #target: Socket | undefined
  #flows: Flow[] = []
  #isEnded = false

  constructor (options: PipeOptions) {
    this.#options = options
    options.socket.once('close', () => { if (this.#target === undefined) this.end() }).on('error', () => {})
    this.changed()
  }

  changed (): void {
    const { socket, port, random, there, back, onTouched } = this.#options
    if (this.#isEnded) return
    if (this.#target === undefined) {
      if (there().isCut === true || back().isCut === true) return onTouched()
      const target = this.#target = connect({ port, host: '127.0.0.1', noDelay: true })
      const end = (): void => { this.end() }
      this.#flows = [new Flow(socket, target, { fault: there, random, onTouched, onEnd: end }), new Flow(target, socket, { fault: back, random, onTouched, onEnd: end })]
    }
    for (const flow of this.#flows) flow.go()
  }

  end (): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const flow of this.#flows) flow.stop()
    this.#options.socket.destroy()
    this.#target?.destroy()
    this.#options.onEnd()
  }
}

interface FlowOptions {
  readonly fault: () => LinkFault
  readonly random: Random
  readonly onTouched: () => void
  readonly onEnd: () => void
}

/** Bytes in one direction of a connection. */
class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #options: FlowOptions
  readonly #waiting: Array<{ readonly bytes: Buffer, readonly dueMs: number }> = []
  #waitingBytes = 0
  #freeAtMs = 0
  #timer: NodeJS.Timeout | undefined
  #hasEnded = false
  #isStopped = false

  constructor (from: Socket, to: Socket, options: FlowOptions) {
    this.#from = from
    this.#to = to
    this.#options = options
    from.on('data', (bytes) => { this.#take(bytes) }).on('error', () => {}).once('close', () => {
      this.#hasEnded = true
      this.go()
    })
    from.resume()
  }

  #take (bytes: Buffer): void {
    const { fault, random, onTouched } = this.#options
    const { delayMs = 0, lossShare = 0 } = fault()
    const isLost = lossShare > 0 && random.next() < lossShare
    if (isLost && random.next() < 0.1) return this.#options.onEnd()
    if (isLost || delayMs > 0) onTouched()
    this.#waiting.push({ bytes, dueMs: performance.now() + delayMs + (isLost ? RESEND_MS : 0) })
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes > MAX_HELD_BYTES) this.#from.pause()
    this.go()
  }

  /** Passes on all that may be. */
  go (): void {
    if (this.#isStopped) return
    const { isCut = false, bytesPerSecond = Infinity } = this.#options.fault()
    if (isCut) return this.#options.onTouched()
    clearTimeout(this.#timer)
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const nowMs = performance.now()
      const atMs = Math.max(next.dueMs, bytesPerSecond === Infinity ? 0 : this.#freeAtMs)
      if (atMs > nowMs) {
        if (next.dueMs <= nowMs) this.#options.onTouched()
        this.#timer = setTimeout(() => { this.go() }, atMs - nowMs)
        return
      }
      this.#waiting.shift()
      this.#waitingBytes -= next.bytes.length
      this.#freeAtMs = nowMs + next.bytes.length * 1000 / bytesPerSecond
      this.#to.write(next.bytes)
      if (this.#waitingBytes <= MAX_HELD_BYTES) this.#from.resume()
    }
    if (this.#hasEnded) this.#options.onEnd()
  }

  stop (): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }
}
