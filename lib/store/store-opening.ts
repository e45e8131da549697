import { join } from 'node:path'
import { isMqError, MqError } from '../base/index.ts'
import { checksumOf, Kv } from '../kv/index.ts'
import { ENTRY_HEADER_BYTES, seedOfGroup, bodyOf, stampMsOf } from '../log/index.ts'
import { EntryBody } from '../message/index.ts'
import { EntryKind } from '../raft/index.ts'
import { DATA_FORMAT_VERSION } from '../replica/index.ts'
import { BaseDumps, type Base } from './base-dumps.ts'
import { Digest, type CheckpointMeta } from './checkpoint-meta.ts'
import { AppliedFile, commitCheckpoint, freezeMachines, machineKey, MACHINE_RANGE, machineOf, readMeta } from './checkpoints.ts'
import { CommitLog } from './commit-log.ts'
import { ConsumeQueues } from './consume-queues.ts'
import { ConsumerOffsets } from './consumer-offsets.ts'
import { LockMachine } from './lock-machine.ts'
import { DedupeMachine } from './dedupe-machine.ts'
import { DELAY_RANGE, DelayMachine } from './delay-machine.ts'
import { HalfMachine } from './half-machine.ts'
import { GroupFormat } from './group-format.ts'
import { KeyedMachine } from './keyed-machine.ts'
import type { KeyChange, Machine } from './machine.ts'
import { Metadata } from './metadata.ts'
import { OpeningMark } from './opening-mark.ts'
import { QueueRescan } from './queue-rescan.ts'
import { StoreDamage } from './store-damage.ts'
import { defaultStoreSettings, NO_MEMBERS, type CoreMachines, type StoreOptions, type StoreParts, type StoreRecovery, type StoreSettings } from './store-options.ts'
import { UNIT_BYTES } from './unit-page.ts'
import { SlicedWrites } from './sliced-writes.ts'

interface Opening {
  readonly options: StoreOptions
  readonly settings: StoreSettings
  readonly groupId: string
  readonly bases: BaseDumps
  readonly appliedFile: AppliedFile
  readonly mark: OpeningMark
  /** The mark stood there before this start. */
  readonly wasMarked: boolean
}

/** A kv with the machines loaded from it. */
interface Loaded {
  readonly kv: Kv
  readonly damage: StoreDamage
  readonly core: CoreMachines
  readonly machines: readonly Machine[]
  readonly meta: CheckpointMeta | undefined
  readonly hasSettled: boolean
}

/** Loads the state from the kv; rebuilds it from a base dump and the log when the kv is lost, damaged, old or ahead of the log. */
export async function openStore (options: StoreOptions): Promise<StoreParts> {
  const { disk, logger, directory, groupId } = options
  const bases = new BaseDumps({ disk, logger, directory: join(directory, 'base'), groupSeed: seedOfGroup(groupId), reserveBytes: options.reserveBytes })
  await bases.open()
  const { file: appliedFile, isDamaged } = await AppliedFile.open(disk, join(directory, 'applied'), groupId)
  // a checkpoint was written only when the log was durable so far
  if (appliedFile.index > options.log.lastIndex) await options.onLogLost?.()
  const mark = new OpeningMark(disk, join(directory, 'opening'))
  const wasMarked = await mark.isSet()
  const opening = { options, settings: { ...defaultStoreSettings, ...options.settings }, groupId: Buffer.from(groupId).toString('hex'), bases, appliedFile, mark, wasMarked }

  let reason = isDamaged
    ? 'the file `applied` is damaged'
    : wasMarked ? 'the last start ended while the state store was being opened, or found it damaged' : undefined
  let loaded: Loaded | undefined
  if (reason === undefined) {
    await mark.set()
    try {
      loaded = await load(opening)
    } catch (error) {
      if (isMqError(error, 'MQ_LOCKED') || isMqError(error, 'MQ_FORMAT_TOO_NEW') || isMqError(error, 'MQ_DISK_ROOM') || isMqError(error, 'MQ_IO')) {
        await mark.clear()
        throw error
      }
      reason = error instanceof Error ? error.message : String(error)
    }
  }
  if (loaded === undefined) {
    const { loaded: rebuilt, baseIndex } = await rebuild(opening, reason!)
    await mark.clear()
    return partsOf(opening, rebuilt, { isRebuilt: true, reason: reason!, ...(baseIndex !== undefined && { baseIndex }) })
  }
  await mark.clear()
  return partsOf(opening, loaded, { isRebuilt: false })
}

function partsOf ({ options: { logger }, settings, groupId, bases, appliedFile }: Opening, { kv, damage, core, machines, meta, hasSettled }: Loaded, recovery: StoreRecovery): StoreParts {
  return { core, machines, kv, damage, appliedFile, bases, settings, logger, groupId, meta, hasSettled, recovery }
}

/** Opens the kv and makes empty machines over it. */
async function openEmpty ({ options, settings, mark }: Opening): Promise<Omit<Loaded, 'meta' | 'hasSettled'>> {
  const damage = new StoreDamage()
  const onDamage = (error: MqError) => {
    damage.found ??= error
    options.logger.error(`${error.message}; the state store is rebuilt when it is opened again`)
    mark.set()
      .catch((failure: unknown) => { options.logger.error('the state store could not be marked as damaged', { error: failure }) })
      .then(() => { damage.tell() })
  }
  const kv = new Kv(await options.database.open(), onDamage)
  const format = new GroupFormat(options.formatVersion ?? DATA_FORMAT_VERSION)
  const core = {
    format,
    commitLog: new CommitLog(options.log),
    consumeQueues: new ConsumeQueues({ kv, pageCacheBytes: settings.pageCacheBytes, onDamage }),
    consumerOffsets: new ConsumerOffsets(),
    metadata: new Metadata(),
    locks: new LockMachine(),
    delays: new DelayMachine(kv, onDamage, () => format.version),
    dedupe: new DedupeMachine(),
    halves: new HalfMachine(),
    keyed: new KeyedMachine()
  }
  return { kv, damage, core, machines: [core.format, core.commitLog, core.metadata, core.consumeQueues, core.consumerOffsets, core.locks, core.delays, core.dedupe, core.halves, core.keyed, ...options.machines?.(core) ?? []] }
}

/** @throws whatever shows that the kv cannot be used */
async function load (opening: Opening): Promise<Loaded> {
  const { options: { log }, groupId, appliedFile } = opening
  const { kv, damage, core, machines } = await openEmpty(opening)
  try {
    const meta = await readMeta(kv)
    if (meta === undefined) {
      if (appliedFile.index > 0 || log.firstIndex > 1 || opening.bases.bases.length > 0) throw new MqError('MQ_CORRUPT', 'the state store is empty')
      return { kv, damage, core, machines, meta, hasSettled: false }
    }
    if (meta.groupId !== groupId) throw new MqError('MQ_CORRUPT', 'the state store is of another group')
    if (meta.index < appliedFile.index) throw new MqError('MQ_CORRUPT', `the state store went back to entry ${meta.index} from ${appliedFile.index}`)
    if (meta.index > log.lastIndex) throw new MqError('MQ_CORRUPT', `the state store is at entry ${meta.index}, the log ends at ${log.lastIndex}`)
    if (meta.index + 1 < log.firstIndex) throw new MqError('MQ_CORRUPT', `the state store is at entry ${meta.index}, the log begins at ${log.firstIndex}`)
    // undefined: damage of the log hides it
    const term = meta.index === 0 ? 0 : log.term(meta.index)
    if (term !== undefined && term !== meta.term) throw new MqError('MQ_CORRUPT', `the state store is at entry ${meta.index} of term ${meta.term}, that of the log is of term ${term}`)
    const digest = new Digest()
    for await (const [kvKey, value] of kv.entries(MACHINE_RANGE)) {
      digest.add(checksumOf(kvKey, value))
      loadValue(machines, kvKey, value)
    }
    if (digest.toString() !== meta.digest) throw new MqError('MQ_CORRUPT', 'the state store has lost values, or holds old ones')
    // The checkpoint may hold a floor and not yet what it does to the queues: those move after it.
    const hasSettled = await core.consumeQueues.settle(core.commitLog.floorPosition)
    return { kv, damage, core, machines, meta, hasSettled }
  } catch (error) {
    await kv.close()
    throw error
  }
}

function loadValue (machines: readonly Machine[], kvKey: string, value: Uint8Array): void {
  const place = machineOf(kvKey, machines)
  if (place === undefined) throw new MqError('MQ_FORMAT_TOO_NEW', `the state holds ${kvKey}, of a state machine this code does not know`)
  place.machine.load(place.key, value)
}

/** The kv is made anew from the newest usable base dump and the log; from the log alone when that still has its first entry. */
async function rebuild (opening: Opening, reason: string): Promise<{ readonly loaded: Loaded, readonly baseIndex: number | undefined }> {
  const { options: { log, database, logger }, bases, appliedFile, mark, wasMarked } = opening
  logger.warn(`the state store is rebuilt: ${reason}`)
  const base = await bases.newestWhole(({ index }) => index + 1 >= log.firstIndex && index <= log.lastIndex)
  if (base === undefined && log.firstIndex > 1) {
    // Nothing was touched: when the missing file is put back, the next start finds all that was there.
    if (!wasMarked) await mark.clear()
    throw new MqError('MQ_CORRUPT', `${reason}; it cannot be rebuilt, because the log begins at entry ${log.firstIndex} and no whole base dump leads up to there`)
  }
  // Until the end of the rebuild: what an interrupted one leaves is never taken for a state.
  await mark.set()
  await database.destroy()
  const empty = await openEmpty(opening)
  if (base === undefined) {
    // The log is applied from its first entry, as to a new store. The synced batch is what keeps the removed database
    // from coming back after a power cut.
    const meta = await commitCheckpoint(empty.kv, { groupId: opening.groupId, index: 0, term: 0, position: 0, confState: NO_MEMBERS }, [], [], undefined)
    await appliedFile.write(0)
    return { loaded: { ...empty, meta, hasSettled: false }, baseIndex: undefined }
  }
  try {
    const meta = await rebuildFromBase(opening, empty, base)
    return { loaded: { ...empty, meta, hasSettled: false }, baseIndex: base.index }
  } catch (error) {
    await empty.kv.close()
    throw error
  }
}

async function rebuildFromBase ({ options: { log, onProgress, logger }, settings, bases, appliedFile }: Opening, { kv, core, machines }: Omit<Loaded, 'meta' | 'hasSettled'>, base: Base): Promise<CheckpointMeta> {
  const { consumeQueues, commitLog } = core
  const values: KeyChange[] = []
  const copied = new SlicedWrites(kv)
  const meta = await bases.read(base, async (kvKey, value) => {
    if (kvKey < DELAY_RANGE.gte || kvKey >= DELAY_RANGE.lt) loadValue(machines, kvKey, value)
    else await copied.add(kvKey, value)
  })
  await copied.finish()
  const { firstIndex } = log
  const totalEntries = base.index + 1 - firstIndex
  let rescan: QueueRescan | undefined
  for await (const entry of log.scan(firstIndex, base.index + 1)) {
    rescan ??= new QueueRescan(consumeQueues, commitLog.timeAt(entry.physicalOffset))
    rescan.advanceTime(stampMsOf(entry))
    if (entry.kind === EntryKind.normal) rescan.add(new EntryBody(bodyOf(entry)), entry.physicalOffset + ENTRY_HEADER_BYTES)
    if (consumeQueues.pages.unpersistedUnits * UNIT_BYTES >= settings.unpersistedBytes) await writePages(kv, consumeQueues)
    const entries = entry.index + 1 - firstIndex
    if (entries % 16 === 0) onProgress?.({ entries, totalEntries })
  }
  rescan ??= new QueueRescan(consumeQueues, 0)
  rescan.finish(commitLog.floorPosition)
  onProgress?.({ entries: totalEntries, totalEntries })
  await consumeQueues.settle(commitLog.floorPosition)

  const units = consumeQueues.pages.freeze()
  freezeMachines(machines) // everything is written below, changed or not
  for (const machine of machines) values.push(...checkpointValues(machine))
  await consumeQueues.pages.writeWhole(units)
  const { digest: _, previousIndex: __, ...frozen } = meta
  const written = await commitCheckpoint(kv, frozen, values, await consumeQueues.pages.pieceChanges(units), undefined)
  await appliedFile.write(written.index)
  await consumeQueues.pages.finish(units)
  logger.info(`the state store was rebuilt from the base dump of entry ${base.index} and ${totalEntries} entries of the log`)
  return written
}

/** Units go to the kv ahead of the checkpoint, to bound what is in memory. */
async function writePages (kv: Kv, { pages }: ConsumeQueues): Promise<void> {
  const units = pages.freeze()
  await pages.writeWhole(units)
  await kv.batch(await pages.pieceChanges(units))
  await pages.finish(units)
}

function checkpointValues (machine: Machine): KeyChange[] {
  const values = machine instanceof ConsumeQueues ? machine.heads() : machine.values()
  return [...values].map(({ key, value }) => ({ key: machineKey(machine, key), value }))
}
