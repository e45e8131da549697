import { MqError, type Disk, type DiskFile } from '../../lib/base/index.ts'
import { VoteFile, type RaftLog } from '../../lib/log/index.ts'
import { Raft, type AckedIndexes, type HardState, type Ready } from '../../lib/raft/index.ts'
import { Membership } from '../../lib/raft/membership.ts'
import { Persistence } from '../../lib/replica/persistence.ts'
import { ReadBarriers } from '../../lib/replica/read-barriers.ts'
import { UndecidedBatches } from '../../lib/replica/undecided-batches.ts'
import { DelayMachine } from '../../lib/store/delay-machine.ts'

/** A planted bug. The simulator must notice it, or it cannot be trusted when it notices nothing. */
export interface Mutant {
  readonly name: string
  wrapDisk? (disk: Disk): Disk
  afterLogOpen? (log: RaftLog): void
  onLogOpen? (log: RaftLog): Promise<void>
  /** Breaks the shipped code of this process; returns what mends it. */
  plant? (): () => void
}

/** Puts another method in the place of a class's own, until the function it returns is called. */
function replace<Instance extends object, Name extends keyof Instance> (type: { prototype: Instance }, name: Name, make: (original: Instance[Name]) => Instance[Name]): () => void {
  const { prototype } = type
  const original = prototype[name]
  prototype[name] = make(original)
  return () => { prototype[name] = original }
}

export const acknowledgesBeforeSync: Mutant = {
  name: 'a follower acknowledges entries when they are handed to the log',
  plant: () => replace(Persistence, 'accept', (accept) => function (this: Persistence, ready: Ready) {
    accept.call(this, ready)
    const last = ready.entries.at(-1)
    if (last !== undefined) this.entriesPersisted(last.index)
  })
}

export const syncsNothing: Mutant = {
  name: 'syncs of the log return and have done nothing',
  wrapDisk: (disk) => withoutSyncs(disk, (path) => path.endsWith('.seg'))
}

export const installsUnsynced: Mutant = {
  name: 'what another node has sent is put in place before it is synced',
  wrapDisk: (disk) => withoutSyncs(disk, (path) => path.includes('/incoming/') && path.endsWith('.seg'))
}

function withoutSyncs (disk: Disk, isLost: (path: string) => boolean): Disk {
  return new Proxy(disk, {
    get (target, name) {
      if (name === 'open') return async (path: string, options?: object) => isLost(path) ? withoutSync(await target.open(path, options)) : await target.open(path, options)
      const value = target[name as keyof Disk]
      return typeof value === 'function' ? (value as Function).bind(target) : value
    }
  })
}

function withoutSync (file: DiskFile): DiskFile {
  return new Proxy(file, {
    get (target, name) {
      if (name === 'sync') return async () => {}
      if (name === 'syncNow') return () => {}
      const value = target[name as keyof DiskFile]
      return typeof value === 'function' ? (value as Function).bind(target) : value
    }
  })
}

export const savesNoVote: Mutant = {
  name: 'the term is saved, the vote is not',
  plant: () => replace(VoteFile, 'save', (save) => function (this: VoteFile, { term }: HardState) { return save.call(this, { term, vote: 0 }) })
}

export const losesLastEntry: Mutant = {
  name: 'a restart loses the last synced entry',
  onLogOpen: async (log) => { if (log.lastIndex > log.firstIndex) await log.truncateFrom(log.lastIndex) }
}

export const appliesUncommitted: Mutant = {
  name: 'entries are applied once they are durable here',
  plant: () => replace(Raft, 'ready', (ready) => function (this: Raft) {
    const given = ready.call(this)
    const firstIndex = given.entries[0]?.index ?? 0
    return firstIndex - 1 > (given.committedTo ?? this.commitIndex) ? { ...given, committedTo: firstIndex - 1 } : given
  })
}

export const commitsAlone: Mutant = {
  name: 'one voter counts as a majority',
  plant: () => replace(Membership, 'quorumIndex', () => function (this: Membership, acked: AckedIndexes) {
    return Math.max(...this.conf.voters.map((id) => acked.ackedIndex(id)))
  })
}

export const settlesAtAppend: Mutant = {
  name: 'proposals are settled when their entry is sealed',
  plant: () => replace(UndecidedBatches, 'add', (add) => function (this: UndecidedBatches, batch: Parameters<typeof add>[0]) {
    for (let i = batch.from; i < batch.to; i++) batch.proposals[i]!.settle()
    add.call(this, { ...batch, proposals: [], from: 0, to: 0 })
  })
}

export const knowsWhatItCannot: Mutant = {
  name: 'a write that was given up is said not to be applied',
  plant: () => replace(UndecidedBatches, 'failSealedBefore', (failSealedBefore) => function (this: UndecidedBatches, sealedBeforeMs: number, errorOf: (batchTerm: number) => MqError) {
    failSealedBefore.call(this, sealedBeforeMs, (batchTerm) => {
      const { code, message } = errorOf(batchTerm)
      return new MqError(code, message, { outcome: 'not-applied' })
    })
  })
}

export const readsAtOnce: Mutant = {
  name: 'a read barrier does not ask the leader',
  plant: () => replace(ReadBarriers, 'wait', () => async () => {})
}

export const deliversAgain: Mutant = {
  name: 'a delayed message is delivered again while its delivery is under way',
  plant: () => replace(DelayMachine, 'isPending', () => () => true)
}

export const forgetsDelivered: Mutant = {
  name: 'checkpoints do not say which delayed messages were delivered',
  plant: () => replace(DelayMachine, 'freeze', (freeze) => function (this: DelayMachine) {
    return freeze.call(this).filter(({ key }) => !key.startsWith('bucket/'))
  })
}
