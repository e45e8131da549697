import { hash64, MqError, viewOf, type Disk, type DiskFile } from '../base/index.ts'

/**
 * A file of keys and values with checksums, read and written from one end to the other, big-endian:
 *
 *     magic u32 | version u32
 *     blocks: lengthBytes u32 | payload | checksum u64;  payload: keys and values, each  keyBytes u32 | key | valueBytes u32 | value
 *     end: a block without payload
 *
 * A block's checksum is xxHash64 of length and payload, seeded with the checksum of the block before, the first one's
 * with the group's seed: a block that is missing, moved or of another file does not fit.
 */
const MAGIC = 0x4C4D5142
const VERSION = 1
const BLOCK_BYTES = 256 * 1024
/** Bound of a length read from the file before anything is allocated. */
const MAX_BLOCK_BYTES = 256 * 1024 * 1024
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export type Pair = readonly [key: string, value: Uint8Array]

/** Writes the file and syncs it. */
export async function writeBaseFile (disk: Disk, path: string, groupSeed: bigint, pairs: AsyncIterable<Pair>): Promise<void> {
  const file = await disk.open(path, { create: true })
  try {
    await file.truncate(0)
    const header = new Uint8Array(8)
    viewOf(header).setUint32(0, MAGIC)
    viewOf(header).setUint32(4, VERSION)
    await file.write(header, 0)
    const blocks = new BlockWriter(file, groupSeed)
    for await (const [key, value] of pairs) await blocks.add(encoder.encode(key), value)
    await blocks.end()
    await file.sync()
  } finally {
    await file.close()
  }
}

class BlockWriter {
  readonly #file: DiskFile
  #at = 8
  #seed: bigint
  #parts: Uint8Array[] = []
  #bytes = 0

  constructor (file: DiskFile, seed: bigint) {
    this.#file = file
    this.#seed = seed
  }

  async add (key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#parts.push(lengthOf(key), key, lengthOf(value), value)
    this.#bytes += 8 + key.length + value.length
    if (this.#bytes >= BLOCK_BYTES) await this.#write()
  }

  async end (): Promise<void> {
    if (this.#bytes > 0) await this.#write()
    await this.#write()
  }

  async #write (): Promise<void> {
    const block = new Uint8Array(4 + this.#bytes + 8)
    const view = viewOf(block)
    view.setUint32(0, this.#bytes)
    let at = 4
    for (const part of this.#parts) {
      block.set(part, at)
      at += part.length
    }
    this.#seed = hash64(block.subarray(0, at), this.#seed)
    view.setBigUint64(at, this.#seed)
    await this.#file.write(block, this.#at)
    this.#at += block.length
    this.#parts = []
    this.#bytes = 0
  }
}

/**
 * Keys and values in the order they were written. Only when the iteration ends is it certain that the file is whole.
 * @throws MQ_CORRUPT the message names file and byte; MQ_FORMAT_TOO_NEW
 */
export async function * readBaseFile (disk: Disk, path: string, groupSeed: bigint): AsyncGenerator<Pair> {
  const corrupt = (at: number) => new MqError('MQ_CORRUPT', `base dump ${path} is damaged at byte ${at}`, { file: path, position: at })
  const file = await disk.open(path, { readOnly: true })
  try {
    const header = await readExactly(file, 0, 8)
    if (header === undefined || viewOf(header).getUint32(0) !== MAGIC) throw corrupt(0)
    const version = viewOf(header).getUint32(4)
    if (version !== VERSION) throw new MqError('MQ_FORMAT_TOO_NEW', `base dump ${path} has format ${version}, this code reads ${VERSION}`, { file: path })
    const sizeBytes = await file.sizeBytes()
    let seed = groupSeed
    for (let at = 8; ;) {
      const length = await readExactly(file, at, 4)
      const bytes = length === undefined ? -1 : viewOf(length).getUint32(0)
      if (bytes < 0 || bytes > MAX_BLOCK_BYTES || at + 12 + bytes > sizeBytes) throw corrupt(at)
      const block = (await readExactly(file, at, 12 + bytes))!
      seed = hash64(block.subarray(0, 4 + bytes), seed)
      if (viewOf(block).getBigUint64(4 + bytes) !== seed) throw corrupt(at)
      if (bytes === 0) return
      yield * pairsIn(block.subarray(4, 4 + bytes))
      at += block.length
    }
  } finally {
    await file.close()
  }
}

function * pairsIn (payload: Uint8Array): Generator<Pair> {
  const view = viewOf(payload)
  for (let at = 0; at < payload.length;) {
    const keyEnd = at + 4 + view.getUint32(at)
    const valueEnd = keyEnd + 4 + view.getUint32(keyEnd)
    yield [decoder.decode(payload.subarray(at + 4, keyEnd)), payload.subarray(keyEnd + 4, valueEnd)]
    at = valueEnd
  }
}

function lengthOf (bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4)
  viewOf(length).setUint32(0, bytes.length)
  return length
}

async function readExactly (file: DiskFile, at: number, length: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(length)
  return await file.read(bytes, at) === length ? bytes : undefined
}
