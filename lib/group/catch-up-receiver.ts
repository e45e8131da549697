import { isMqError, MqError, type Clock, type Disk, type ErrorCode, type Logger } from '../base/index.ts'
import type { CatchUpCall, NodeId } from '../raft/index.ts'
import type { Received } from '../replica/index.ts'
import { CHUNK_METHOD, decodeChunk, decodeManifest, encodeChunkRequest, encodeManifestRequest, MANIFEST_METHOD, MAX_CHUNK_BYTES, type ChunkRequest, type Manifest } from './catch-up-messages.ts'
import { Incoming } from './incoming.ts'

export interface ReceiverSettings {
  readonly chunkBytes: number
  /** Chunks asked for ahead of the one that is being written. */
  readonly window: number
  readonly callTimeoutMs: number
  /** How often one question is asked of one donor before another one is tried. */
  readonly attempts: number
  /** Between two of these; it doubles. */
  readonly retryMs: number
  /** How often a donor that writes a base dump is asked whether it has. */
  readonly dumpAttempts: number
  /** Room that the disk must have beside what comes. */
  readonly reserveBytes: number
}

export const defaultReceiverSettings: ReceiverSettings = {
  chunkBytes: MAX_CHUNK_BYTES,
  window: 2,
  callTimeoutMs: 10_000,
  attempts: 4,
  retryMs: 100,
  dumpAttempts: 600,
  reserveBytes: 64 * 1024 * 1024
}

export type PeerCall = (to: NodeId, method: string, body: Uint8Array, options: { readonly timeoutMs: number, readonly signal?: AbortSignal }) => Promise<Uint8Array>

export interface ReceiverOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly logger: Logger
  readonly directory: string
  readonly groupId: Uint8Array
  /** The data format that this node reads up to. */
  readonly formatVersion: number
  readonly segmentBytes: number
  readonly call: PeerCall
  /** Who may help, besides the leader, which is asked last: it has enough to do. */
  readonly donors: () => readonly NodeId[]
  /** What this node knows to be committed, and holds. Nothing is fetched that does not go beyond. */
  readonly commitIndex: () => number
  /**
   * All has come and is durable. To follow: close the replica; `installReceived`, unless it has come as far by itself;
   * open it again, with another receiver.
   */
  readonly onReceived: (received: Received) => void
  readonly settings?: Partial<ReceiverSettings>
}

/** Codes that say: not now, or not this time. */
const PASSING: readonly ErrorCode[] = ['MQ_BUSY', 'MQ_TIMEOUT', 'MQ_CONNECTION_LOST', 'MQ_CORRUPT']

/**
 * Brings a node that lags behind the head of the leader's log what it needs: fetches log and base dump from one node
 * after the other until all is here. What has come is of use whoever goes on. Started by `needed`, which comes again for
 * as long as it is true: a run that fails just ends.
 */
export class CatchUpReceiver {
  readonly #options: ReceiverOptions
  readonly #settings: ReceiverSettings
  readonly #abort = new AbortController()
  #leader: NodeId = 0
  #running: Promise<void> | undefined
  #received: Received | undefined

  constructor (options: ReceiverOptions) {
    this.#options = options
    this.#settings = { ...defaultReceiverSettings, ...options.settings }
  }

  get isRunning (): boolean { return this.#running !== undefined }
  /** Resolves when what runs has ended, well or not. */
  get ended (): Promise<void> { return this.#running ?? Promise.resolve() }

  /** The leader says that this node's next entries are gone. */
  needed ({ from, snapshot }: Pick<CatchUpCall, 'from'> & { readonly snapshot: Pick<CatchUpCall['snapshot'], 'index'> }): void {
    this.#leader = from
    if (this.#running !== undefined || this.#received !== undefined || this.#abort.signal.aborted) return
    const { logger } = this.#options
    logger.info(`node ${from} has removed what comes after entry ${this.#options.commitIndex()}; log and state up to entry ${snapshot.index} or later are fetched`)
    this.#running = this.#run(snapshot.index).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) logger.error('catching up failed', { error })
    }).finally(() => { this.#running = undefined })
  }

  /** Stops; what has come stays for the next run. */
  async close (): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #run (wantedIndex: number): Promise<void> {
    const { logger, donors, onReceived } = this.#options
    const tried = new Set<NodeId>()
    const next = (): NodeId | undefined => [...donors().filter((id) => id !== this.#leader), this.#leader].find((id) => !tried.has(id))
    for (let donor = next(); donor !== undefined; donor = next()) {
      tried.add(donor)
      try {
        this.#received = await this.#fetch(donor, wantedIndex)
        onReceived(this.#received)
        return
      } catch (error) {
        this.#abort.signal.throwIfAborted()
        // What the disk reports is not the donor's fault, and is not tried again here.
        if (!isMqError(error) || error.code === 'MQ_DISK_ROOM' || error.code === 'MQ_FORMAT_TOO_NEW') throw error
        logger.warn(`catching up from node ${donor}: ${error.message}`, { donor, code: error.code })
      }
    }
  }

  async #fetch (donor: NodeId, wantedIndex: number): Promise<Received> {
    const incoming = await Incoming.open(this.#options)
    try {
      await incoming.begin(await this.#manifestOf(donor, Math.max(wantedIndex, incoming.lastIndex, this.#options.commitIndex() + 1)))
      await this.#assertRoom(incoming)
      const { index, endPosition, baseBytes } = incoming.manifest
      await this.#copy(donor, { index, part: 'LOG' }, incoming.logPosition, endPosition, (bytes) => incoming.addLog(bytes))
      await this.#copy(donor, { index, part: 'BASE' }, incoming.baseBytes, baseBytes, (bytes) => incoming.addBase(bytes))
      return await incoming.finish()
    } finally {
      await incoming.close()
    }
  }

  async #manifestOf (donor: NodeId, minIndex: number): Promise<Manifest> {
    const { groupId, formatVersion, commitIndex } = this.#options
    const { dumpAttempts } = this.#settings
    const manifest = decodeManifest(await this.#ask(donor, MANIFEST_METHOD, encodeManifestRequest({ minIndex }), dumpAttempts, (answer) => answer))
    if (Buffer.compare(manifest.groupId, groupId) !== 0) throw new MqError('MQ_INVALID_ARGUMENT', `node ${donor} is of another group`)
    if (manifest.formatVersion > formatVersion) throw new MqError('MQ_FORMAT_TOO_NEW', `node ${donor} has data format ${manifest.formatVersion}, this version reads up to ${formatVersion}`)
    if (manifest.index <= commitIndex() || manifest.index < minIndex) throw new MqError('MQ_UNAVAILABLE', `node ${donor} offers entry ${manifest.index}, which is not ahead of this node`)
    return manifest
  }

  /** The old log stays until the new one is whole: there must be room for both. */
  async #assertRoom (incoming: Incoming): Promise<void> {
    const { disk, directory } = this.#options
    const { freeBytes } = await disk.room(directory)
    const needed = incoming.missingBytes + this.#settings.reserveBytes
    if (freeBytes < needed) throw new MqError('MQ_DISK_ROOM', `catching up takes ${needed} bytes, the disk has ${freeBytes} left`)
  }

  /** Chunks of [from, to), in order; the next ones are asked for while one is written. */
  async #copy (donor: NodeId, what: Pick<ChunkRequest, 'index' | 'part'>, from: number, to: number, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const { chunkBytes, window } = this.#settings
    const asked: Array<Promise<Uint8Array>> = []
    let next = from
    const askAhead = () => {
      while (asked.length < window && next < to) {
        const request = { ...what, from: next, maxBytes: Math.min(chunkBytes, to - next) }
        const chunk = this.#chunk(donor, request)
        chunk.catch(() => {}) // looked at in its turn
        asked.push(chunk)
        next += request.maxBytes
      }
    }
    for (askAhead(); asked.length > 0; askAhead()) {
      const bytes = await asked[0]!
      asked.shift()
      askAhead()
      await write(bytes)
    }
  }

  async #chunk (donor: NodeId, request: ChunkRequest): Promise<Uint8Array> {
    return await this.#ask(donor, CHUNK_METHOD, encodeChunkRequest(request), this.#settings.attempts, (answer) => {
      const bytes = decodeChunk(request, answer)
      if (bytes.length !== request.maxBytes) throw new MqError('MQ_CORRUPT', `a chunk from ${request.from} on has ${bytes.length} bytes instead of ${request.maxBytes}`)
      return bytes
    })
  }

  /** Asks, and asks again where that may help. */
  async #ask<T> (donor: NodeId, method: string, body: Uint8Array, attempts: number, read: (answer: Uint8Array) => T): Promise<T> {
    const { call } = this.#options
    const { callTimeoutMs, retryMs } = this.#settings
    const { signal } = this.#abort
    for (let attempt = 1, waitMs = retryMs; ; attempt++, waitMs = Math.min(waitMs * 2, retryMs * 10)) {
      signal.throwIfAborted()
      try {
        return read(await call(donor, method, body, { timeoutMs: callTimeoutMs, signal }))
      } catch (error) {
        const isPassing = isMqError(error) && PASSING.includes(error.code)
        // A base dump takes its time; silence does not get better by waiting as long.
        const limit = isMqError(error, 'MQ_BUSY') ? attempts : Math.min(attempts, this.#settings.attempts)
        if (!isPassing || attempt >= limit) throw error
      }
      await this.#sleep(waitMs)
    }
  }

  async #sleep (ms: number): Promise<void> {
    const { signal } = this.#abort
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(ms, done)
      function done (): void {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }
}
