import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { NodeDisk } from '../../lib/adapters/index.ts'
import { TailCache } from '../../lib/log/tail-cache.ts'
import { EntryKind, type RaftEntry } from '../../lib/raft/index.ts'
import { repositoryRoot } from '../harness/child.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { formatTable } from '../harness/table.ts'

const usage = `npm run bench -- mapping [options]

What a file mapped into memory would save and cost: the ways in which the log reads and writes, and, where there is a JDK,
mapped files beside reads and writes in Java. Node.js has no mapped files.

  --dir DIR    where the files lie while it runs (the system's temporary folder)
`

const MIB = 1024 * 1024
const PIECE_BYTES = 256 * 1024
const MESSAGE_BYTES = 1024
const FILE_BYTES = 256 * MIB

interface Row {
  readonly by: 'LedgerMQ' | 'Node.js' | 'Java'
  readonly what: string
  readonly bytes: number
  readonly ns: number
}

/** Why the log is not mapped into memory. */
export async function mappingSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { dir: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } } })
  if (values.help) { console.log(usage); return }
  printMachine(describeMachine())
  const rows = await inScratchFolder(values.dir, async (folder) => [...await reads(folder), ...await writes(folder), ...memory(), ...await inJava(folder)])
  console.log('\n' + formatTable(['by', 'what', 'bytes', 'us each', 'MB/s'], rows.map(({ by, what, bytes, ns }) => [by, what, bytes, (ns / 1000).toFixed(ns < 10_000 ? 2 : 0), Math.round(bytes * 1000 / ns)])))
}

/** A file of which nothing is in the page cache, as the log leaves it. */
async function coldFile (path: string): Promise<string> {
  const disk = new NodeDisk()
  const file = await disk.open(path, { create: true })
  const bytes = disk.alignedMemory(4 * MIB).fill(7)
  for (let at = 0; at < FILE_BYTES; at += bytes.length) await file.writeThrough(bytes, at)
  await file.close()
  return path
}

async function reads (folder: string): Promise<Row[]> {
  const file = await new NodeDisk().open(await coldFile(join(folder, 'cold')))
  const into = Buffer.allocUnsafeSlow(PIECE_BYTES).fill(0)
  const pieces = FILE_BYTES / PIECE_BYTES
  const readAll = async (what: string): Promise<Row> => {
    const startMs = performance.now()
    for (let i = 0; i < pieces; i++) await file.read(into, i * 7919 % pieces * PIECE_BYTES)
    return { by: 'LedgerMQ', what, bytes: PIECE_BYTES, ns: (performance.now() - startMs) * 1e6 / pieces }
  }
  const rows = [await readAll('read a piece from the disk'), await readAll('read a piece from the page cache')]
  await file.close()
  const source = new Uint8Array(FILE_BYTES).fill(7)
  rows.push({ by: 'Node.js', what: 'copy a piece in memory, which a mapping saves', bytes: PIECE_BYTES, ns: timed(4 * pieces, (i) => { into.set(source.subarray(i % pieces * PIECE_BYTES, (i % pieces + 1) * PIECE_BYTES)) }) })
  return rows
}

async function writes (folder: string): Promise<Row[]> {
  const disk = new NodeDisk()
  const rows: Row[] = []
  for (const bytes of [4096, PIECE_BYTES]) {
    const record = disk.alignedMemory(bytes)
    const count = bytes === PIECE_BYTES ? 200 : 1000
    const through = await disk.open(join(folder, `through${bytes}`), { create: true })
    rows.push({ by: 'LedgerMQ', what: 'write through to the device', bytes, ns: timed(count, (i) => { through.writeThroughNow(record, i * bytes) }) })
    await through.close()
    const cached = await disk.open(join(folder, `cached${bytes}`), { create: true })
    rows.push({ by: 'Node.js', what: 'write and fdatasync', bytes, ns: timed(count, (i) => { cached.writeNow(record, i * bytes); cached.syncNow() }) })
    await cached.close()
  }
  return rows
}

function memory (): Row[] {
  const tail = new TailCache(32 * MIB)
  const entryBytes = 256 * MESSAGE_BYTES
  for (let index = 1; index <= 100; index++) {
    const entry: RaftEntry = { index, term: 1, prevTerm: 1, kind: EntryKind.normal, physicalOffset: (index - 1) * entryBytes, sizeBytes: entryBytes, bytes: new Uint8Array(entryBytes) }
    tail.push(entry)
  }
  let seen = 0
  const tailNs = timed(2_000_000, (i) => { seen += tail.read(i * 7919 % 25_600 * MESSAGE_BYTES, MESSAGE_BYTES)!.length })
  const fresh = new Uint8Array(FILE_BYTES)
  const pageNs = timed(FILE_BYTES / 4096, (i) => { fresh[i * 4096] = 1 })
  if (seen === 0) throw new Error('nothing was read')
  return [
    { by: 'LedgerMQ', what: 'read a message at the tail, as a view', bytes: MESSAGE_BYTES, ns: tailNs },
    { by: 'Node.js', what: 'touch a page of memory for the first time', bytes: 4096, ns: pageNs }
  ]
}

function timed (count: number, step: (i: number) => void): number {
  const startMs = performance.now()
  for (let i = 0; i < count; i++) step(i)
  return (performance.now() - startMs) * 1e6 / count
}

async function inJava (folder: string): Promise<Row[]> {
  const source = join(repositoryRoot, 'bench', 'mapping', 'Mapping.java')
  const { status, stdout, stderr } = spawnSync('java', [source, await coldFile(join(folder, 'one')), await coldFile(join(folder, 'other')), folder], { encoding: 'utf8' })
  if (status === null) return []
  if (status !== 0) throw new Error(stderr)
  return stdout.trim().split('\n').map((line) => {
    const [what = '', bytes, ns] = line.split('\t')
    return { by: 'Java', what, bytes: Number(bytes), ns: Number(ns) }
  })
}
