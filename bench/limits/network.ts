/**
 * A ceiling for one server, or three: what is left when everything but durability is taken out of a send over loopback TCP. A length, a
 * number and the body to the server; a checksum, one copy, one write and one fdatasync per turn of its event loop; the number
 * back. With --nodes 3 the server passes what came in a turn on to two followers before it writes, each checks, writes and syncs it,
 * and the number goes back when two of the three have it. No protocol to speak of, no index, no recovery. Client and servers are processes of their own.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import xxhash from 'xxhash-wasm'
import { Driver, workloadFromArgs } from '../harness/measure.ts'
import { Ring } from '../harness/ring.ts'
import { inScratchFolder } from '../harness/scratch.ts'

const SLAB_BYTES = 32 << 20
const OUT_BYTES = 4 << 20
/** Length of all of it, and a number. */
const HEAD_BYTES = 8
/** So many that were answered may stand in front of those that wait. */
const MOST_ANSWERED = 65_536

/** Hands on the whole frames of a stream: the chunk, where the frame begins and where it ends. */
function splitter (onFrame: (chunk: Buffer, from: number, to: number) => void): (chunk: Buffer) => void {
  let kept: Buffer | undefined
  return (fresh) => {
    const chunk = kept === undefined ? fresh : Buffer.concat([kept, fresh])
    let from = 0
    while (chunk.length - from >= HEAD_BYTES) {
      const to = from + chunk.readUInt32BE(from)
      if (to > chunk.length) break
      onFrame(chunk, from, to)
      from = to
    }
    kept = from < chunk.length ? chunk.subarray(from) : undefined
  }
}

function listen (onConnection: (socket: Socket) => void): void {
  const server = createServer({ noDelay: true }, (socket) => onConnection(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
  process.on('disconnect', () => process.exit())
}

/** What is appended in a turn of the event loop, until it is on disk. */
class Batch {
  readonly bytes = Buffer.alloc(SLAB_BYTES)
  readonly #ring: Ring
  readonly #onEnd: () => void
  filled = HEAD_BYTES

  /** `onEnd` is told at the end of a turn in which something was added. */
  constructor (ring: Ring, onEnd: () => void) {
    this.#ring = ring
    this.#onEnd = onEnd
  }

  /** Room for that many bytes more; where they go. */
  grow (sizeBytes: number): number {
    if (this.filled === HEAD_BYTES) setImmediate(this.#onEnd)
    this.filled += sizeBytes
    return this.filled - sizeBytes
  }

  write (): void {
    this.#ring.append(this.bytes.subarray(HEAD_BYTES), this.filled - HEAD_BYTES)
    this.filled = HEAD_BYTES
  }
}

async function serve (file: string, sync: boolean, followers: readonly number[]): Promise<void> {
  const { h32Raw } = await xxhash()
  let appended = 0
  let committed = 0
  /** How much this node has on disk, and each follower. */
  const kept = new Array<number>(followers.length + 1).fill(0)
  let waiting: Array<{ readonly socket: Socket, readonly id: number }> = []
  let answered = 0
  const answer = (): void => {
    const majority = [...kept].sort((a, b) => b - a)[kept.length >> 1]!
    if (majority <= committed) return
    // what follows each other on one socket leaves together
    while (committed < majority) {
      const { socket } = waiting[answered]!
      const out = Buffer.allocUnsafe((majority - committed) * HEAD_BYTES)
      let at = 0
      for (; committed < majority && waiting[answered]!.socket === socket; committed++, at += HEAD_BYTES) {
        out.writeUInt32BE(HEAD_BYTES, at)
        out.writeUInt32BE(waiting[answered++]!.id, at + 4)
      }
      socket.write(out.subarray(0, at))
    }
    if (answered > MOST_ANSWERED) {
      waiting = waiting.slice(answered)
      answered = 0
    }
  }
  const peers = await Promise.all(followers.map(async (port, i) => {
    const peer = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(peer, 'connect')
    return peer.on('error', () => {}).on('data', splitter((chunk, from) => {
      kept[i + 1] = chunk.readUInt32BE(from + 4)
      answer()
    }))
  }))
  const batch = new Batch(new Ring(file, sync), () => {
    if (peers.length > 0) {
      const { bytes, filled } = batch
      bytes.writeUInt32BE(filled, 0)
      bytes.writeUInt32BE(appended, 4)
      const copy = Buffer.from(bytes.subarray(0, filled))
      for (const peer of peers) peer.write(copy)
    }
    batch.write()
    kept[0] = appended
    answer()
  })
  listen((socket) => {
    socket.on('data', splitter((chunk, from, to) => {
      const body = chunk.subarray(from + HEAD_BYTES, to)
      const at = batch.grow(HEAD_BYTES + body.length)
      batch.bytes.writeUInt32BE(body.length, at)
      batch.bytes.writeUInt32BE(h32Raw(body), at + 4)
      batch.bytes.set(body, at + HEAD_BYTES)
      appended++
      waiting.push({ socket, id: chunk.readUInt32BE(from + 4) })
    }))
  })
}

/** Batches of records come with the number of the last one, which goes back when all are on disk. */
async function follow (file: string, sync: boolean): Promise<void> {
  const { h32Raw } = await xxhash()
  let last = 0
  let leader: Socket
  const batch = new Batch(new Ring(file, sync), () => {
    batch.write()
    const out = Buffer.allocUnsafe(HEAD_BYTES)
    out.writeUInt32BE(HEAD_BYTES, 0)
    out.writeUInt32BE(last, 4)
    leader.write(out)
  })
  listen((socket) => {
    leader = socket.on('data', splitter((chunk, from, to) => {
      for (let at = from + HEAD_BYTES, end; at < to; at = end) {
        end = at + HEAD_BYTES + chunk.readUInt32BE(at)
        if (h32Raw(chunk.subarray(at + HEAD_BYTES, end)) !== chunk.readUInt32BE(at + 4)) throw new Error('a record was damaged on its way')
      }
      last = chunk.readUInt32BE(from + 4)
      batch.bytes.set(chunk.subarray(from + HEAD_BYTES, to), batch.grow(to - from - HEAD_BYTES))
    }))
  })
}

/** Sends over one connection: what is sent in one turn leaves with one write. */
function sender (socket: Socket, body: Uint8Array): () => Promise<void> {
  const waiting = new Map<number, () => void>()
  socket.on('data', splitter((chunk, from) => {
    const id = chunk.readUInt32BE(from + 4)
    const resolve = waiting.get(id)!
    waiting.delete(id)
    resolve()
  }))
  let out = Buffer.allocUnsafe(OUT_BYTES)
  let filled = 0
  let nextId = 0
  const flush = (): void => {
    socket.write(out.subarray(0, filled))
    out = Buffer.allocUnsafe(OUT_BYTES)
    filled = 0
  }
  return () => new Promise((resolve) => {
    if (filled + HEAD_BYTES + body.length > OUT_BYTES) flush()
    if (filled === 0) process.nextTick(() => { if (filled > 0) flush() })
    nextId = (nextId + 1) >>> 0
    waiting.set(nextId, resolve)
    out.writeUInt32BE(HEAD_BYTES + body.length, filled)
    out.writeUInt32BE(nextId, filled + 4)
    out.set(body, filled + HEAD_BYTES)
    filled += HEAD_BYTES + body.length
  })
}

const [role, file, sync, ...followers] = process.argv.slice(2)
if (role === 'serve') {
  await serve(file!, sync === 'yes', followers.map(Number))
} else if (role === 'follow') {
  await follow(file!, sync === 'yes')
} else {
  const workload = workloadFromArgs()
  await inScratchFolder(workload.dir, async (folder) => {
    const servers: ChildProcess[] = []
    const start = async (role: string, ...ports: number[]): Promise<number> => {
      const server = fork(fileURLToPath(import.meta.url), [role, join(folder, `ring${servers.length}`), workload.sync ? 'yes' : 'no', ...ports.map(String)])
      servers.push(server)
      const [port] = await once(server, 'message') as [number]
      return port
    }
    const ports: number[] = []
    for (let i = 1; i < workload.nodes; i++) ports.push(await start('follow'))
    const socket = connect({ port: await start('serve', ...ports), host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const send = sender(socket, new Uint8Array(workload.size).fill(65))
    const driver = new Driver()
    for (let round = 0; round < workload.rounds; round++) await driver.round(workload.messages, workload.inflight, 1, send)
    socket.destroy()
    for (const server of servers.reverse()) {
      server.disconnect()
      await once(server, 'exit')
    }
    console.log(JSON.stringify(driver.result('network', workload)))
  })
}
