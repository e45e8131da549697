import { isMqError, wait, type Clock, type Logger } from '../base/index.ts'
import type { Refetch } from '../log/index.ts'
import type { NodeId } from '../raft/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import { decodeChunk, encodeChunkRequest, MAX_CHUNK_BYTES, RANGE_METHOD } from './catch-up-messages.ts'

export interface RefetchingOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly network: Pick<PeerNetwork, 'call' | 'linkStats'>
  /** How long the others are asked, again and again: they may not be there yet, or not that far. */
  readonly patienceMs: () => number
  /** Before each time that they are asked. */
  readonly meetOthers?: () => Promise<unknown>
  readonly signal?: AbortSignal | undefined
}

const CALL_TIMEOUT_MS = 5_000
const RETRY_MS = 500

/** Damaged bytes of this node's log, from whichever node has them committed and good. All that are there have removed them: nobody is waited for. */
export function refetching (options: RefetchingOptions): Refetch {
  const { clock, logger, network, patienceMs, meetOthers, signal } = options
  return async ({ from, to }, isGood) => {
    for (const untilMs = clock.nowMs() + patienceMs(); signal?.aborted !== true; await wait(clock, RETRY_MS)) {
      await meetOthers?.()
      const others = network.linkStats().filter(({ isConnected }) => isConnected)
      let removed = 0
      for (const { nodeId } of others) {
        try {
          const bytes = await rangeOf(network, nodeId, from, to, signal)
          if (isGood(bytes)) return bytes
          logger.warn(`what node ${nodeId} has of the log from position ${from} to ${to} does not fit here`)
        } catch (error) {
          if (!isMqError(error)) throw error
          if (error.code === 'MQ_OFFSET_TOO_SMALL') removed++
          logger.debug(`node ${nodeId} did not give the log from position ${from} to ${to}: ${error.message}`)
        }
      }
      if (clock.nowMs() >= untilMs || (removed > 0 && removed === others.length)) break
    }
    return undefined
  }
}

async function rangeOf (network: RefetchingOptions['network'], nodeId: NodeId, from: number, to: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from)
  for (let at = from; at < to;) {
    const request = { index: 0, part: 'LOG', from: at, maxBytes: Math.min(MAX_CHUNK_BYTES, to - at) } as const
    const chunk = decodeChunk(request, await network.call(nodeId, RANGE_METHOD, encodeChunkRequest(request), { timeoutMs: CALL_TIMEOUT_MS, signal }))
    bytes.set(chunk, at - from)
    at += chunk.length
  }
  return bytes
}
