import type { NodeId } from '../raft/index.ts'
import type { Address } from '../remoting/index.ts'
import type { PeerLinkStats } from './peer-network.ts'

/** Of links within one process, where no bytes travel. */
export function inProcessStats (nodeId: NodeId, address: Address, isConnected: boolean, formatVersion: number | undefined): PeerLinkStats {
  return {
    nodeId,
    address,
    isConnected,
    bytesIn: 0,
    bytesOut: 0,
    dropped: 0,
    waitingBytes: 0,
    silentMs: isConnected ? 0 : Infinity,
    roundTripMs: isConnected ? 0 : undefined,
    formatVersion
  }
}
