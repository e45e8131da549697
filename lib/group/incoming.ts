import { join } from 'node:path'
import { hash64, isMqError, MqError, replaceFile, viewOf, type Disk, type DiskFile } from '../base/index.ts'
import { ReceivedLog, seedOfGroup, writeAgain } from '../log/index.ts'
import { INCOMING, type Received } from '../replica/index.ts'
import { verifyBaseFile } from '../store/index.ts'
import { decodeManifest, encodeManifest, type Manifest } from './catch-up-messages.ts'

const CHECKSUM_SEED = 0x6D616E6966657374n

export interface IncomingOptions {
  readonly disk: Disk
  /** The node's data directory. */
  readonly directory: string
  readonly groupId: Uint8Array
  readonly segmentBytes: number
}

/**
 * What has come of another node's log and base dump, under `incoming/`: what was wanted (`manifest`), the log as far as
 * it has come, and the base dump. Survives any stop; what is found again is verified before more is added.
 */
export class Incoming {
  readonly #options: IncomingOptions
  #manifest: Manifest | undefined
  #log: ReceivedLog | undefined
  #base: { readonly file: DiskFile, sizeBytes: number } | undefined

  private constructor (options: IncomingOptions, manifest: Manifest | undefined, log: ReceivedLog | undefined) {
    this.#options = options
    this.#manifest = manifest
    this.#log = log
  }

  /** Finds what an earlier run has left. */
  static async open (options: IncomingOptions): Promise<Incoming> {
    const { disk, directory } = options
    const manifest = await readManifest(disk, join(directory, INCOMING, 'manifest'))
    if (manifest === undefined || Buffer.compare(manifest.groupId, options.groupId) !== 0) {
      await disk.removeTree(join(directory, INCOMING))
      return new Incoming(options, undefined, undefined)
    }
    return new Incoming(options, manifest, await openLog(options, manifest))
  }

  /** The log's entries are here through this one; 0: none. */
  get lastIndex (): number { return this.#log?.end.index ?? 0 }
  /** Where the next bytes of the log belong. */
  get logPosition (): number { return this.#log!.position }
  get baseBytes (): number { return this.#base!.sizeBytes }
  get manifest (): Manifest { return this.#manifest! }
  /** Bytes that are still to come. */
  get missingBytes (): number { return this.manifest.endPosition - this.logPosition + this.manifest.baseBytes - this.baseBytes }

  /** From now on this is wanted. What is here already of the log stays where it can, whichever node it came from. */
  async begin (manifest: Manifest): Promise<void> {
    const { disk, directory } = this.#options
    const incoming = join(directory, INCOMING)
    const before = this.#manifest
    const isOfUse = this.#log !== undefined && before !== undefined && before.floor.physicalOffset <= manifest.floor.physicalOffset &&
      this.#log.end.position >= manifest.floor.physicalOffset && this.#log.position <= manifest.endPosition
    const isSameBase = before !== undefined && before.index === manifest.index && before.baseBytes === manifest.baseBytes && Buffer.compare(before.baseChecksum, manifest.baseChecksum) === 0
    await this.#closeFiles({ withLog: !isOfUse })
    if (!isOfUse) await disk.removeTree(join(incoming, 'log'))
    if (!isSameBase) await disk.removeTree(join(incoming, 'base'))
    const wanted = isOfUse ? { ...manifest, floor: before!.floor } : manifest
    await disk.makeDirectory(join(incoming, 'base'))
    await disk.syncDirectory(directory)
    await disk.syncDirectory(incoming)
    await writeManifest(disk, join(incoming, 'manifest'), wanted)
    this.#manifest = wanted
    this.#log ??= await openLog(this.#options, wanted)
    this.#base = await openBase(disk, join(incoming, 'base', baseName(wanted)), wanted.baseBytes)
  }

  /** @throws MQ_CORRUPT these are not the next entries: nothing more is taken before the next `open` */
  async addLog (bytes: Uint8Array): Promise<void> { await this.#log!.append(bytes) }

  async addBase (bytes: Uint8Array): Promise<void> {
    const base = this.#base!
    await base.file.write(bytes, base.sizeBytes)
    base.sizeBytes += bytes.length
  }

  /**
   * All has come: verifies what was not verified yet and makes everything durable.
   * @throws MQ_CORRUPT the base dump is not whole; it was removed
   */
  async finish (): Promise<Received> {
    const { disk, directory, groupId } = this.#options
    const { index, term, endPosition } = this.manifest
    const incoming = join(directory, INCOMING)
    await this.#log!.finish({ index, term, position: endPosition })
    await this.#base!.file.sync()
    await this.#closeFiles({ withLog: true })
    const basePath = join(incoming, 'base', baseName(this.manifest))
    try {
      const meta = await verifyBaseFile(disk, basePath, seedOfGroup(groupId))
      if (meta.index !== index || meta.term !== term || meta.position !== endPosition) throw new MqError('MQ_CORRUPT', `${basePath} is the state at entry ${meta.index} of term ${meta.term}, not at ${index} of term ${term}`, { file: basePath })
    } catch (error) {
      if (isMqError(error, 'MQ_CORRUPT')) await disk.unlink(basePath)
      throw error
    }
    await disk.syncDirectory(join(incoming, 'base'))
    await disk.syncDirectory(incoming)
    const logFiles = (await disk.list(join(incoming, 'log')) ?? []).map(({ name }) => name)
    return { index, term, logFiles, baseFiles: [baseName(this.manifest)] }
  }

  /** Lets go of the files; what has come stays. */
  async close (): Promise<void> { await this.#closeFiles({ withLog: true }) }

  async #closeFiles ({ withLog }: { readonly withLog: boolean }): Promise<void> {
    const { file } = this.#base ?? {}
    const log = withLog ? this.#log : undefined
    this.#base = undefined
    if (withLog) this.#log = undefined
    await file?.close()
    await log?.close()
  }
}

/** What is under `incoming/` is of no use any more. */
export async function dropIncoming (disk: Disk, directory: string): Promise<void> {
  await disk.removeTree(join(directory, INCOMING))
}

const baseName = ({ index }: Manifest) => `${String(index).padStart(20, '0')}.base`

async function openLog ({ disk, directory, groupId, segmentBytes }: IncomingOptions, { floor }: Manifest): Promise<ReceivedLog> {
  await disk.makeDirectory(join(directory, INCOMING))
  return await ReceivedLog.open({ disk, directory: join(directory, INCOMING, 'log'), groupId, floor, segmentBytes })
}

/** What a killed process wrote may be in the system's cache only: it is written once more, to be covered by the sync at the end. */
async function openBase (disk: Disk, path: string, wantedBytes: number): Promise<{ readonly file: DiskFile, sizeBytes: number }> {
  const file = await disk.open(path, { create: true })
  const sizeBytes = Math.min(await file.sizeBytes(), wantedBytes)
  await file.truncate(sizeBytes)
  await writeAgain(file, 0, sizeBytes)
  return { file, sizeBytes }
}

async function writeManifest (disk: Disk, path: string, manifest: Manifest): Promise<void> {
  const encoded = encodeManifest(manifest)
  const bytes = new Uint8Array(encoded.length + 8)
  bytes.set(encoded)
  viewOf(bytes).setBigUint64(encoded.length, hash64(encoded, CHECKSUM_SEED))
  await replaceFile(disk, path, bytes)
}

/** Undefined when there is none that can be used: then all is fetched anew. */
async function readManifest (disk: Disk, path: string): Promise<Manifest | undefined> {
  const bytes = await disk.readFile(path)
  if (bytes === undefined || bytes.length < 9) return undefined
  const encoded = bytes.subarray(0, -8)
  if (viewOf(bytes).getBigUint64(encoded.length) !== hash64(encoded, CHECKSUM_SEED)) return undefined
  try {
    return decodeManifest(encoded)
  } catch {
    return undefined
  }
}
