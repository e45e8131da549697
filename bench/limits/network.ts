/**
 * A ceiling for one server: what is left when everything but durability is taken out of a send over loopback TCP. A length, a
 * number and the body to the server; a checksum, one copy, one write and one fdatasync per turn of its event loop; the number
 * back. No protocol to speak of, no index, no recovery. Client and server are processes of their own.
 */
import { fork } from 'node:child_process'
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

async function serve (file: string, sync: boolean): Promise<void> {
  const { h32Raw } = await xxhash()
  const ring = new Ring(file, sync)
  const slab = Buffer.alloc(SLAB_BYTES)
  let filled = 0
  const answers = new Map<Socket, number[]>()
  const commit = (): void => {
    ring.append(slab, filled)
    filled = 0
    for (const [socket, ids] of answers) {
      const out = Buffer.allocUnsafe(ids.length * HEAD_BYTES)
      for (let i = 0; i < ids.length; i++) {
        out.writeUInt32BE(HEAD_BYTES, i * HEAD_BYTES)
        out.writeUInt32BE(ids[i]!, i * HEAD_BYTES + 4)
      }
      socket.write(out)
    }
    answers.clear()
  }
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {}).on('data', splitter((chunk, from, to) => {
      if (filled === 0) setImmediate(commit)
      const body = chunk.subarray(from + HEAD_BYTES, to)
      slab.writeUInt32BE(body.length, filled)
      slab.writeUInt32BE(h32Raw(body), filled + 4)
      slab.set(body, filled + HEAD_BYTES)
      filled += HEAD_BYTES + body.length
      const ids = answers.get(socket)
      if (ids === undefined) answers.set(socket, [chunk.readUInt32BE(from + 4)])
      else ids.push(chunk.readUInt32BE(from + 4))
    }))
  })
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
  process.on('disconnect', () => process.exit())
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

const [role, file, sync] = process.argv.slice(2)
if (role === 'serve') {
  await serve(file!, sync === 'yes')
} else {
  const workload = workloadFromArgs()
  if (workload.nodes !== 1) throw new RangeError('this yardstick knows one node only')
  await inScratchFolder(workload.dir, async (folder) => {
    const server = fork(fileURLToPath(import.meta.url), ['serve', join(folder, 'ring'), workload.sync ? 'yes' : 'no'])
    const [port] = await once(server, 'message') as [number]
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const send = sender(socket, new Uint8Array(workload.size).fill(65))
    const driver = new Driver()
    for (let round = 0; round < workload.rounds; round++) await driver.round(workload.messages, workload.inflight, 1, send)
    socket.destroy()
    server.disconnect()
    await once(server, 'exit')
    console.log(JSON.stringify(driver.result('network', workload)))
  })
}
