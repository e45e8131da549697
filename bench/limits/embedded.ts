/**
 * A ceiling for one process: what is left when everything but durability is taken out of an append. A length and a
 * checksum per message, one copy into a slab, one positional write and one fdatasync per turn of the event loop into
 * blocks written before, a promise per message. No index, no recovery, nothing that could be read back with comfort.
 */
import { join } from 'node:path'
import xxhash from 'xxhash-wasm'
import { Driver, workloadFromArgs } from '../harness/measure.ts'
import { Ring } from '../harness/ring.ts'
import { inScratchFolder } from '../harness/scratch.ts'

const SLAB_BYTES = 16 << 20
const FRAME_BYTES = 8

type Resolve = () => void

function makeAppend (ring: Ring, hash: (bytes: Uint8Array) => number): (body: Uint8Array) => Promise<void> {
  const slab = new Uint8Array(SLAB_BYTES)
  const frame = new DataView(slab.buffer)
  let filled = 0
  let waiting: Resolve[] = []

  function commit (): void {
    const settled = waiting
    ring.append(slab, filled)
    filled = 0
    waiting = []
    for (let i = 0; i < settled.length; i++) settled[i]!()
  }

  return (body) => {
    const end = filled + FRAME_BYTES + body.length
    if (end > SLAB_BYTES) throw new RangeError('what is in flight at a time must fit into one slab')
    frame.setUint32(filled, body.length)
    frame.setUint32(filled + 4, hash(body))
    slab.set(body, filled + FRAME_BYTES)
    if (filled === 0) setImmediate(commit)
    filled = end
    return new Promise((resolve) => { waiting.push(resolve) })
  }
}

const workload = workloadFromArgs()
const { h32Raw } = await xxhash()
await inScratchFolder(workload.dir, async (folder) => {
  const ring = new Ring(join(folder, 'ring'), workload.sync)
  const body = new Uint8Array(workload.size).fill(65)
  const driver = new Driver()
  for (let round = 0; round < workload.rounds; round++) {
    const append = makeAppend(ring, h32Raw)
    await driver.round(workload.messages, workload.inflight, 1, () => append(body))
  }
  console.log(JSON.stringify(driver.result('embedded', workload)))
})
