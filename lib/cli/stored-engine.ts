import { silentLogger } from '../base/index.ts'
import { Engine } from '../engine/index.ts'
import type { Transport } from '../replica/index.ts'
import type { StoredNode } from './existing-directory.ts'

const MIB = 1024 * 1024

/** Nobody is reached and nobody comes: the node does not lead, and its term stays what it is. */
const nobody: Transport = { start () {}, send () {}, close () {} }

/** A queue's, or a broker's alone. */
const ALONE = 1

/** Opens what is stored, keeping all of it, to look at it; of a node of a group without the others, as far as it has applied it. */
export async function openStoredEngine (directory: string, { identity: { nodeId, groupId, founders }, formatVersion, isAlone: isOnItsOwn }: StoredNode, { keyIndex = false }: { readonly keyIndex?: boolean } = {}): Promise<Engine> {
  const isAlone = isOnItsOwn && nodeId === ALONE
  return await Engine.open({
    directory,
    durability: 'disk',
    flush: { timed: true, intervalMs: 500, leastPages: 4, thoroughIntervalMs: 10_000 },
    logger: silentLogger,
    retention: { maxAgeMs: Infinity, maxBytes: Infinity },
    limits: { maxEntryBytes: MIB, maxPendingProposals: 1024, maxPendingBytes: 64 * MIB, tailCacheBytes: MIB, coldCacheBytes: MIB, segmentBytes: 64 * MIB, maxWaitingConsumers: 1 },
    formatVersion,
    keyIndex,
    ...(!isAlone && { group: { nodeId, founding: { groupId, founders }, transport: nobody } })
  })
}
