import { isMqError, viewOf } from '../../lib/base/index.ts'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import type { RaftLog } from '../../lib/log/index.ts'
import type { RaftEntry } from '../../lib/raft/index.ts'
import { FlipDisk } from './flip-disk.ts'
import { contentOf, EntryMaker, openLog } from './support.ts'

/** Half a million openings of a log: in a process of its own, where tap's promise hooks do not double their price. */
const DIRECTORY = '/data/log'
const SEGMENT = `${DIRECTORY}/00000000000000000000.seg`
const SEGMENT_BYTES = 256 * 1024
/** Nobody looks at the stacks of half a million refusals. */
Error.stackTraceLimit = 0
const stoppedClock = { wallMs: () => 0, nowMs: () => 0, setTimer: () => ({ cancel: () => {} }), defer: () => {} }

export interface FlipOutcomes {
  bytes: number
  refused: number
  cut: number
  /** Nobody noticed, and rightly: a node's own part of a header. */
  local: number
  /** The first twenty. */
  readonly wrong: string[]
}

/** Gives the n-th large buffer that an opening takes the memory of the n-th one before: what FlipDisk has read into it is still there. */
class SameMemory {
  readonly #pieces: ArrayBuffer[] = []
  #used = 0

  constructor () {
    const allocate = Buffer.allocUnsafeSlow
    Buffer.allocUnsafeSlow = (sizeBytes) => {
      if (sizeBytes < 4096 || sizeBytes > SEGMENT_BYTES) return allocate(sizeBytes)
      const piece = this.#pieces[this.#used++] ??= new ArrayBuffer(SEGMENT_BYTES)
      return Buffer.from(piece, 0, sizeBytes)
    }
  }

  /** All that was given may be given again. */
  takeBack (): void { this.#used = 0 }
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

async function flipEveryByte (close: boolean): Promise<FlipOutcomes> {
  const { files, entries } = await makeLog({ close })
  const image = files.get(SEGMENT)!
  const last = entries.at(-1)!
  const end = last.physicalOffset + last.sizeBytes
  const syncedTo = viewOf(image).getUint32(last.physicalOffset + 76)
  const disk = new FlipDisk(files, SEGMENT)
  const memory = new SameMemory()
  const outcomes: FlipOutcomes = { bytes: image.length, refused: 0, cut: 0, local: 0, wrong: [] }
  for (let at = 0; at < image.length; at++) {
    disk.flip(at, 1 << (at % 8))
    memory.takeBack()
    try {
      const { log } = await openLog(disk, { segmentBytes: SEGMENT_BYTES, clock: stoppedClock })
      const [cut] = log.recovery.cuts
      if (cut !== undefined) {
        outcomes.cut++
        if (cut.file !== SEGMENT || cut.fileByte > at || (close ? at < end : at < syncedTo)) outcomes.wrong.push(`byte ${at}: cut at ${cut.fileByte}`)
      } else {
        outcomes.local++
        const owner = entries.findLast(({ physicalOffset }) => physicalOffset <= at)!
        const within = at - owner.physicalOffset
        if (log.lastIndex !== entries.length || within < 72 || within >= 88) outcomes.wrong.push(`byte ${at}: nobody noticed`)
      }
      const served = await log.readEntries({ from: 1, to: log.lastIndex + 1, maxBytes: Infinity })
      if (!servesOnlyWhatWasWritten(log, served, entries)) outcomes.wrong.push(`byte ${at}: served ${served.length} entries, not all as written`)
    } catch (error) {
      outcomes.refused++
      const [file, position] = isMqError(error, 'MQ_CORRUPT') ? [error['file'], Number(error['position'])] : []
      if (file !== SEGMENT || !(position! <= at && at < position! + 70_000 + 88)) outcomes.wrong.push(`byte ${at}: ${String(error)}`)
    }
  }
  return outcomes
}

const { wrong, ...counts } = await flipEveryByte(process.argv[2] === 'closed')
console.log(JSON.stringify({ ...counts, wrong: wrong.slice(0, 20) } satisfies FlipOutcomes))
