import { join } from 'node:path'
import avro from 'avsc'
import { hash64, invariant, loadChecksum, MqError, replaceFile, viewOf, type Disk, type Logger } from '../base/index.ts'
import { VoteFile } from '../log/index.ts'

/** Where a catch-up collects another node's log and base dump, in the same two directories as they have beside it. */
export const INCOMING = 'incoming'
const INTENT = 'install'
const PARTS = ['log', 'base'] as const
const CHECKSUM_SEED = 0x696E7374616C6Cn
const VERSION = 1

/** Log and state as of entry `index` that lie under `incoming/`, whole, verified and durable. */
export interface Received {
  readonly index: number
  readonly term: number
  /** File names below `incoming/log` and `incoming/base`: all that these directories hold afterwards. */
  readonly logFiles: readonly string[]
  readonly baseFiles: readonly string[]
}

const names = { type: 'array', items: 'string' } as const
const receivedType = avro.Type.forSchema({
  type: 'record',
  name: 'Received',
  fields: [
    { name: 'index', type: 'long' },
    { name: 'term', type: 'long' },
    { name: 'logFiles', type: names },
    { name: 'baseFiles', type: names }
  ]
})

/**
 * Puts what was received in the place of log and base dumps, which the caller has made sure are behind it; nothing of the
 * node is open. Not to be stopped by a crash: once the intent is durable every later start goes on with it. The state
 * store finds at its next opening what the log and the base dump say. Term and vote stay, raised to the log's last term.
 */
export async function installReceived ({ disk, directory, logger }: { readonly disk: Disk, readonly directory: string, readonly logger: Logger }, received: Received): Promise<void> {
  await loadChecksum()
  const voteFile = await VoteFile.open(disk, join(directory, 'vote'), logger, { mustExist: true })
  try {
    if (voteFile.hardState.term < received.term) await voteFile.save({ term: received.term, vote: 0 })
  } finally {
    await voteFile.close()
  }
  await replaceFile(disk, join(directory, INCOMING, INTENT), encode(received))
  await finishInstall(disk, directory)
}

/**
 * Goes on with an installation that was begun; to be called before anything of the directory is opened. Returns whether
 * there was one. Doing any part of it again changes nothing.
 */
export async function finishInstall (disk: Disk, directory: string): Promise<boolean> {
  const incoming = join(directory, INCOMING)
  const intent = join(incoming, INTENT)
  const bytes = await disk.readFile(intent)
  if (bytes === undefined) return false
  await loadChecksum()
  const received = decode(bytes, intent)
  const filesOf = { log: received.logFiles, base: received.baseFiles }
  for (const part of PARTS) await moveIn(disk, join(incoming, part), join(directory, part), filesOf[part])
  await disk.syncDirectory(directory)
  // All that is new is in its place, durably: what else is there was the old log's.
  for (const part of PARTS) await removeOthers(disk, join(directory, part), filesOf[part])
  await disk.unlink(intent)
  await disk.syncDirectory(incoming)
  await disk.removeTree(incoming)
  return true
}

async function moveIn (disk: Disk, from: string, to: string, files: readonly string[]): Promise<void> {
  await disk.makeDirectory(to)
  const waiting = (await disk.list(from) ?? []).map(({ name }) => name)
  const there = (await disk.list(to) ?? []).map(({ name }) => name)
  for (const name of files) {
    if (waiting.includes(name)) await disk.rename(join(from, name), join(to, name))
    else invariant(there.includes(name), `${name} is neither in ${from} nor in ${to}`)
  }
  await disk.syncDirectory(to)
  if (waiting.length > 0) await disk.syncDirectory(from)
}

/** What was once cut from a torn tail stays, for whoever looks for it. */
async function removeOthers (disk: Disk, directory: string, files: readonly string[]): Promise<void> {
  for (const { name, isDirectory } of await disk.list(directory) ?? []) {
    if (!isDirectory && !files.includes(name) && !name.endsWith('.torn')) await disk.unlink(join(directory, name))
  }
  await disk.syncDirectory(directory)
}

function encode (received: Received): Uint8Array {
  const body = receivedType.toBuffer(received)
  const bytes = new Uint8Array(1 + body.length + 8)
  bytes[0] = VERSION
  bytes.set(body, 1)
  viewOf(bytes).setBigUint64(1 + body.length, hash64(bytes.subarray(0, -8), CHECKSUM_SEED))
  return bytes
}

function decode (bytes: Uint8Array, file: string): Received {
  const isWhole = bytes.length > 9 && viewOf(bytes).getBigUint64(bytes.length - 8) === hash64(bytes.subarray(0, -8), CHECKSUM_SEED)
  if (!isWhole) throw new MqError('MQ_CORRUPT', `${file} is damaged, and with it the installation of another node's log; remove the directory's contents and let the node join again`, { file, position: 0 })
  if (bytes[0] !== VERSION) throw new MqError('MQ_FORMAT_TOO_NEW', `${file} has format ${bytes[0]}, newer than ${VERSION}`, { file })
  return receivedType.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 9)) as Received
}
