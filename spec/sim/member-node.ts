import { noLock } from '../../lib/adapters/index.ts'
import type { Engine, EngineOptions, EnginePorts } from '../../lib/engine/index.ts'
import { GroupMember } from '../../lib/group/index.ts'
import { bodyOf } from '../../lib/log/index.ts'
import { EntryBody, NO_QUEUE_OFFSET, RecordView } from '../../lib/message/index.ts'
import { EntryKind, type RaftEntry } from '../../lib/raft/index.ts'
import type { PopMachine, Store } from '../../lib/store/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { COLD_CACHE_BYTES } from './bounds.ts'
import { keyIndexSettings } from './key-work.ts'
import { Violation } from './ledger.ts'
import { DIRECTORY } from './machine.ts'
import { GROUPS, idOf, PRIMARY_TOPICS } from './names.ts'
import type { NodeClock } from './node-clock.ts'
import { checkpointBytesOf, replicaSettingsOf } from './parameters.ts'
import { addressOf, SimPeerNetwork } from './peer-network.ts'
import { SimNode } from './sim-node.ts'

export const DISK_STALL_TIMEOUT_MS = 600
const MAX_WAITING_CONSUMERS = 3

/** A whole node of a group, as a broker runs it: formation, joining, engine, catching up, mending. */
export class MemberNode extends SimNode {
  #member: GroupMember | undefined
  #network: SimPeerNetwork | undefined

  get member (): GroupMember | undefined { return this.#member }
  get engine (): Engine | undefined { return this.replica === undefined ? undefined : this.#member?.engine }
  override get isUp (): boolean { return this.#member !== undefined && super.isUp }
  get isCatchingUp (): boolean { return this.machine.disk.images(`${DIRECTORY}/incoming/`, false).next().done !== true }

  protected async boot (life: number, clock: NodeClock, random: SeededRandom): Promise<void> {
    const { network, hosts, numbers, parameters } = this.world
    if (parameters.kinds.includes('keys') && random.chance(0.3)) this.#loseKeyIndex(random)
    const member = await GroupMember.open({
      groupName: 'sim',
      number: this.number,
      peers: numbers.map((number) => ({ number, address: addressOf(number) })),
      openNetwork: async (self) => {
        const peers = new SimPeerNetwork({ network, hosts, clock, number: this.number, self })
        if (!this.isOver(life)) {
          this.#network = peers
          await peers.listen()
        }
        return peers
      },
      replicaSettings: replicaSettingsOf(parameters),
      settings: { leaderSilenceMs: 1_500, diskStallTimeoutMs: DISK_STALL_TIMEOUT_MS, handOverPauseMs: 2_000, promotionLagEntries: 8 },
      catchUp: { donorSettings: { idleMs: 3_000 }, receiverSettings: { chunkBytes: parameters.chunkBytes, callTimeoutMs: 500, reserveBytes: parameters.reserveBytes, dumpAttempts: 20 } },
      engine: this.#engineOptions(clock, random)
    })
    if (this.isOver(life)) return
    this.#member = member
    member.onFailure((error) => { this.failed(life, error) })
    member.onEngine((engine) => { engine.onFailure((error) => { this.failed(life, error) }) })
  }

  /** Files of the index of keys go, or rot: it follows from the log. */
  #loseKeyIndex (random: SeededRandom): void {
    const { disk } = this.machine
    for (const [path, bytes] of [...disk.images(`${DIRECTORY}/index/`, false)]) {
      const { sizeBytes } = bytes
      if (random.chance(0.3)) disk.lose(path)
      // the keys are at its end
      else if (sizeBytes > 0) disk.flip(path, sizeBytes - 1 - random.below(random.chance(0.3) ? sizeBytes : Math.min(sizeBytes, 24 * 8)), 1 << random.below(8))
    }
  }

  #engineOptions (clock: NodeClock, random: SeededRandom): Omit<EngineOptions, 'group'> {
    const { parameters: { segmentBytes, reserveBytes, tailCacheBytes, maxEntryBytes, maxPendingProposals, maxPendingBytes, kinds }, parameters, isSynced } = this.world
    const checkpointBytes = checkpointBytesOf(parameters)
    return {
      directory: DIRECTORY,
      durability: isSynced ? 'disk' : 'memory',
      flush: { timed: true, intervalMs: 100, leastPages: 4, thoroughIntervalMs: 1_000 },
      logger: this.logger,
      retention: { maxAgeMs: Infinity, maxBytes: Infinity },
      limits: { maxEntryBytes: Math.max(maxEntryBytes, 4096), maxPendingProposals, maxPendingBytes, tailCacheBytes, coldCacheBytes: COLD_CACHE_BYTES, segmentBytes, reserveBytes, maxWaitingConsumers: MAX_WAITING_CONSUMERS },
      storeSettings: { checkpointBytes, baseDumpBytes: checkpointBytes * 4, unpersistedBytes: 32 * 1024, pageCacheBytes: 16 * 1024 },
      ...(kinds.includes('keys') && { keyIndex: keyIndexSettings }),
      ports: { disk: this.machine.disk, kv: this.machine.kv, clock, random, lock: noLock } as unknown as EnginePorts
    }
  }

  override check (): void {
    super.check()
    if ((this.engine?.waitingConsumers ?? 0) > MAX_WAITING_CONSUMERS) throw new Violation('memory is bounded', `node ${this.number}: ${this.engine!.waitingConsumers} consumers wait`)
  }

  protected override onStore (life: number, store: Store): void {
    const apply = store.apply.bind(store)
    store.apply = (entry: RaftEntry) => {
      apply(entry)
      if (!this.isOver(life)) this.applied(entry, idsOf(entry), hashOf(store))
    }
    const checkpoint = store.checkpoint.bind(store)
    store.checkpoint = () => {
      this.beforeCheckpoint(store.appliedIndex)
      return checkpoint()
    }
  }

  protected async close (): Promise<void> { await this.#member?.close() }

  protected forget (): void {
    this.#member = undefined
    this.#network?.end()
    this.#network = undefined
  }
}

/** Requests that this entry has stored: messages that come to their queue at once. */
function idsOf (entry: RaftEntry): number[] {
  const ids: number[] = []
  if (entry.kind !== EntryKind.normal) return ids
  const bytes = bodyOf(entry)
  const body = new EntryBody(bytes)
  for (let i = 0, at = 0; i < body.messageCount; at += body.sizeOf(i++)) {
    const topic = body.targets[body.targetOf(i)]?.topic
    if (topic === undefined || !PRIMARY_TOPICS.includes(topic)) continue
    const record = new RecordView(bytes.subarray(at, at + body.sizeOf(i)))
    if (record.queueOffset !== NO_QUEUE_OFFSET) ids.push(idOf(record.body))
  }
  return ids
}

/** Equal for equal states; cheap enough to be taken after each entry, so not of all of it. */
function hashOf (store: Store): bigint {
  let hash = (Math.floor(store.floorPosition) * 31 + store.formatVersion) | 0
  for (const queue of store.consumeQueues.all()) hash = (hash + Math.imul(queue.number * 31 + 7, 0x9e3779b1) + Math.imul(queue.nextOffset + 1, 0x85ebca6b) + Math.imul(queue.lastStampMs | 0, 0xc2b2ae35)) | 0
  hash = Math.imul(hash ^ (store.delays.pendingCount * 31 + store.keyed.sizeBytes), 0x27d4eb2f)
  const pop = store.machine('pop') as PopMachine
  for (const topic of PRIMARY_TOPICS) {
    for (const group of GROUPS) {
      for (let queueId = 0; queueId < 2; queueId++) {
        hash = Math.imul(hash ^ (store.consumerOffsets.offset(group, topic, queueId) ?? -1), 0x165667b1)
        hash = Math.imul(hash ^ (store.locks.ownerOf(group, topic, queueId)?.length ?? 0), 0x2545f491)
        const progress = pop.progressOf(group, topic, queueId)
        if (progress !== undefined) hash = Math.imul(hash ^ (progress.consumerOffset * 31 + progress.nextOffset * 17 + progress.leasedCount * 5 + progress.returnedCount), 0x9e3779b1)
      }
    }
  }
  return BigInt(hash)
}
