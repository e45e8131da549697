import { silentLogger } from '../base/index.ts'
import { Engine } from '../engine/index.ts'
import type { Transport } from '../replica/index.ts'
import type { StoredNode } from './existing-directory.ts'

const MIB = 1024 * 1024

/** Nobody is reached and nobody comes: the node does not lead, and its term stays what it is. */
const nobody: Transport = { start () {}, send () {}, close () {} }

/** Opens what a node of a group has stored, without the others, to look at it: as far as it has applied it. */
export async function openStoredEngine (directory: string, { identity: { nodeId, groupId, founders } }: StoredNode): Promise<Engine> {
  return await Engine.open({
    directory,
    durability: 'disk',
    flush: { timed: true, intervalMs: 500, leastPages: 4, thoroughIntervalMs: 10_000 },
    logger: silentLogger,
    retention: { maxAgeMs: Infinity, maxBytes: Infinity },
    limits: { maxEntryBytes: MIB, maxPendingProposals: 1, maxPendingBytes: MIB, tailCacheBytes: MIB, coldCacheBytes: MIB, segmentBytes: 64 * MIB, maxWaitingConsumers: 1 },
    group: { nodeId, founding: { groupId, founders }, transport: nobody }
  })
}
