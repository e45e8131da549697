import t from 'tap'
import { viewOf, type DirectoryItem, type Disk, type DiskFile } from '../../lib/base/index.ts'
import { isMqError, silentLogger } from '../../lib/base/index.ts'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import { VoteFile, type RaftLog } from '../../lib/log/index.ts'
import type { RaftEntry } from '../../lib/raft/index.ts'
import { contentOf, EntryMaker, openLog } from './support.ts'

const DIRECTORY = '/data/log'
const SEGMENT = `${DIRECTORY}/00000000000000000000.seg`
const SEGMENT_BYTES = 256 * 1024

/** A fixed set of files, one of them with one bit flipped; what is written to it is thrown away by `flip`. */
class FlipDisk implements Disk {
  readonly #pristine: ReadonlyMap<string, Uint8Array>
  readonly #image: Uint8Array
  readonly #path: string
  #files = new Map<string, Uint8Array>()
  #dirty = false
  #flipped = 0

  constructor (files: ReadonlyMap<string, Uint8Array>, path: string) {
    this.#pristine = files
    this.#path = path
    this.#image = Uint8Array.from(files.get(path)!)
  }

  /** Restores everything, then flips one bit of that byte. */
  flip (at: number, mask: number): void {
    const pristine = this.#pristine.get(this.#path)!
    if (this.#dirty) this.#image.set(pristine)
    else this.#image[this.#flipped] = pristine[this.#flipped]!
    this.#dirty = false
    this.#flipped = at
    this.#image[at]! ^= mask
    this.#files = new Map(this.#pristine).set(this.#path, this.#image)
  }

  async open (path: string, { create = false } = {}): Promise<DiskFile> {
    if (!this.#files.has(path)) {
      if (!create) throw Object.assign(new Error(path), { code: 'ENOENT' })
      this.#files.set(path, new Uint8Array(0))
    }
    const write = (bytes: Uint8Array, position: number): void => {
      const old = this.#files.get(path)!
      if (path === this.#path) this.#dirty = true
      else this.#files.set(path, new Uint8Array(Math.max(old.length, position + bytes.length)))
      const target = this.#files.get(path)!
      if (target !== old) target.set(old)
      target.set(bytes.subarray(0, Math.max(0, target.length - position)), position)
    }
    const read = (into: Uint8Array, position: number): number => {
      const bytes = this.#files.get(path)!.subarray(position, position + into.length)
      into.set(bytes)
      return bytes.length
    }
    return {
      path,
      sizeBytes: async () => this.#files.get(path)!.length,
      write: async (bytes, position) => { write(bytes, position) },
      writeNow: write,
      sync: async () => {},
      syncNow: () => {},
      read: async (into, position) => read(into, position),
      readNow: read,
      truncate: async () => {},
      close: async () => {}
    }
  }

  async readFile (path: string): Promise<Uint8Array | undefined> { return this.#files.get(path) }
  async list (): Promise<DirectoryItem[]> { return [...this.#files.keys()].map((path) => ({ name: path.slice(path.lastIndexOf('/') + 1), isDirectory: false })) }
  async makeDirectory (): Promise<void> {}
  async rename (): Promise<void> {}
  async unlink (path: string): Promise<void> { this.#files.delete(path) }
  async removeTree (): Promise<void> {}
  async syncDirectory (): Promise<void> {}
  async room (): Promise<{ freeBytes: number, totalBytes: number }> { return { freeBytes: 1, totalBytes: 1 } }
  async bootId (): Promise<undefined> {}
}

/** A log whose last segment is 256 KiB of entries, a few small ones among large ones, then some zeros. */
async function makeLog ({ close }: { readonly close: boolean }): Promise<{ files: Map<string, Uint8Array>, entries: RaftEntry[] }> {
  const disk = new MemoryDisk()
  const { log } = await openLog(disk, { segmentBytes: SEGMENT_BYTES })
  const maker = new EntryMaker()
  const entries: RaftEntry[] = []
  for (const sizes of [[60_000], [10, 70_000], [200, 5, 66_000], [54_000, 1000], [10_000]]) {
    const batch = maker.batch(sizes)
    entries.push(...batch)
    log.append(batch)
    await log.syncThrough(log.lastIndex)
  }
  if (close) await log.close()
  const files = new Map<string, Uint8Array>()
  for (const { name } of (await disk.list(DIRECTORY))!) files.set(`${DIRECTORY}/${name}`, (await disk.readFile(`${DIRECTORY}/${name}`))!)
  return { files, entries }
}

/** What may become of a flip: what the log then holds is a part of what was written, whole. */
function servesOnlyWhatWasWritten (log: RaftLog, served: readonly RaftEntry[], entries: readonly RaftEntry[]): boolean {
  return served.length === log.lastIndex && served.every((entry, i) => Buffer.compare(contentOf(entry), contentOf(entries[i]!)) === 0)
}

for (const close of [true, false]) {
  t.test(`a bit flip at every byte of a 256 KiB last segment, ${close ? 'closed cleanly' : 'killed'}: refusal naming file and byte, or a reported cut; never served wrong`, async (t) => {
    t.setTimeout(600_000)
    const { files, entries } = await makeLog({ close })
    const image = files.get(SEGMENT)!
    t.equal(image.length, SEGMENT_BYTES + (image.length - SEGMENT_BYTES))
    const end = entries.at(-1)!.physicalOffset + entries.at(-1)!.sizeBytes
    const lastFlush = viewOf(image).getUint32(entries.at(-1)!.physicalOffset + 76)
    const disk = new FlipDisk(files, SEGMENT)
    const outcomes = { refused: 0, cut: 0, harmless: 0 }
    for (let at = 0; at < image.length; at++) {
      disk.flip(at, 1 << (at % 8))
      try {
        const { log } = await openLog(disk, { segmentBytes: SEGMENT_BYTES, clock: stoppedClock })
        const [cut] = log.recovery.cuts
        if (cut !== undefined) {
          outcomes.cut++
          if (cut.file !== SEGMENT || cut.fileByte > at || (close && at < end) || at < lastFlush) t.fail(`byte ${at}: cut at ${cut.fileByte}`)
        } else {
          outcomes.harmless++
          // Only a node's own part of a header may change unseen: it is no content.
          const owner = entries.findLast(({ physicalOffset }) => physicalOffset <= at)!
          const within = at - owner.physicalOffset
          if (log.lastIndex !== entries.length || within < 72 || within >= 88) t.fail(`byte ${at}: nobody noticed`)
        }
        if (at % 16 === 0 || at < 1000) {
          const served = await log.readEntries({ from: 1, to: log.lastIndex + 1, maxBytes: Infinity })
          if (!servesOnlyWhatWasWritten(log, served, entries)) t.fail(`byte ${at}: served ${served.length} entries, not all as written`)
        }
      } catch (error) {
        outcomes.refused++
        const place = isMqError(error, 'MQ_CORRUPT') ? [error['file'], error['position']] : [error]
        if (place[0] !== SEGMENT || !(Number(place[1]) <= at && at < Number(place[1]) + 70_000 + 88)) t.fail(`byte ${at}: ${String(error)}`)
      }
    }
    t.comment(outcomes)
    t.equal(outcomes.harmless, entries.length * 16)
  })
}

t.test('a bit flip at every byte of the vote file: the vote is known, whichever slot is hit', async (t) => {
  const memory = new MemoryDisk()
  await memory.makeDirectory('/data')
  const vote = await VoteFile.open(memory, '/data/vote', silentLogger)
  await vote.save({ term: 7, vote: 2 })
  await vote.save({ term: 9, vote: 3 })
  await vote.close()
  const bytes = (await memory.readFile('/data/vote'))!
  const disk = new FlipDisk(new Map([['/data/vote', bytes]]), '/data/vote')
  let wrong = 0
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      disk.flip(at, 1 << bit)
      const { hardState } = await VoteFile.open(disk, '/data/vote', silentLogger)
      if (hardState.term !== 9 || hardState.vote !== 3) wrong++
    }
  }
  t.equal(wrong, 0)
})

const stoppedClock = { wallMs: () => 0, nowMs: () => 0, setTimer: () => ({ cancel: () => {} }), defer: () => {} }
