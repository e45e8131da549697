import { seedOfGroup, SlotFile, SlotKind, type SlotFileFormat } from '../log/index.ts'
import { checksumOf, type Change, type Kv, type KvSnapshot } from '../kv/index.ts'
import { isMqError, type Disk } from '../base/index.ts'
import { checkpointMetaValue, Digest, type CheckpointMeta } from './checkpoint-meta.ts'
import type { KeyChange, Machine } from './machine.ts'

/** The machines' values stand under `m/<machine>/<key>`, pages under `page/` (unit-reader.ts), the checkpoint's meta under `checkpoint`. */
export const MACHINE_RANGE = { gte: 'm/', lt: 'm0' } as const
const META_KEY = 'checkpoint'

export function machineKey (machine: Machine, key: string): string { return `m/${machine.name}/${key}` }

/** The machine and its key that a key in the kv belongs to. */
export function machineOf (kvKey: string, machines: readonly Machine[]): { readonly machine: Machine, readonly key: string } | undefined {
  const end = kvKey.indexOf('/', 2)
  const machine = machines.find(({ name }) => name === kvKey.slice(2, end))
  return machine === undefined ? undefined : { machine, key: kvKey.slice(end + 1) }
}

/** All changes of the machines since the last time, as of now. */
export function freezeMachines (machines: readonly Machine[]): KeyChange[] {
  return machines.flatMap((machine) => machine.freeze().map(({ key, value }) => ({ key: machineKey(machine, key), value })))
}

export type FrozenMeta = Omit<CheckpointMeta, 'digest' | 'previousIndex'>

/** Writes a checkpoint's last batch: machines' changes, pieces of pages, and what index all this is the state of. */
export async function commitCheckpoint (kv: Kv, frozen: FrozenMeta, machineChanges: readonly KeyChange[], pieces: readonly Change[], previous: CheckpointMeta | undefined): Promise<CheckpointMeta> {
  const digest = previous === undefined ? new Digest() : Digest.parse(previous.digest)
  const before = await kv.getMany(machineChanges.map(({ key }) => key))
  machineChanges.forEach(({ key, value }, i) => {
    const old = before[i]
    if (old !== undefined) digest.remove(checksumOf(key, old))
    if (value !== undefined) digest.add(checksumOf(key, value))
  })
  const meta = { ...frozen, previousIndex: previous?.index ?? 0, digest: digest.toString() }
  await kv.batch([...pieces, ...machineChanges, { key: META_KEY, value: checkpointMetaValue.encode(meta) }])
  return meta
}

export async function readMeta (kv: Kv | KvSnapshot): Promise<CheckpointMeta | undefined> {
  const value = await kv.get(META_KEY)
  return value === undefined ? undefined : checkpointMetaValue.decode(META_KEY, value)
}

/** The index of the last checkpoint in a file of its own: shows when the kv has lost its last batches. */
export class AppliedFile {
  readonly #file: SlotFile

  private constructor (file: SlotFile) {
    this.#file = file
  }

  /** A file that cannot be read says nothing: `isDamaged` tells, and the next write makes a new one. */
  static async open (disk: Disk, path: string, groupId: Uint8Array): Promise<{ readonly file: AppliedFile, readonly isDamaged: boolean }> {
    const format: SlotFileFormat = { kind: SlotKind.applied, valueCount: 1, seed: seedOfGroup(groupId) }
    try {
      return { file: new AppliedFile(await SlotFile.open(disk, path, format)), isDamaged: false }
    } catch (error) {
      if (!isMqError(error, 'MQ_CORRUPT')) throw error
      await disk.unlink(path)
      return { file: new AppliedFile(await SlotFile.open(disk, path, format)), isDamaged: true }
    }
  }

  get index (): number { return this.#file.values?.[0] ?? 0 }
  async write (index: number): Promise<void> { await this.#file.writeNext([index]) }
  async close (): Promise<void> { await this.#file.close() }
}
