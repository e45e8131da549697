import { MqError, wait, type Clock, type Disk, type DiskFile, type Timer } from '../base/index.ts'
import { OLDEST_DATA_FORMAT, type BaseDump, type Replica } from '../replica/index.ts'
import { decodeChunkRequest, decodeManifestRequest, encodeChunk, encodeManifest, MAX_CHUNK_BYTES, type ChunkRequest, type Manifest } from './catch-up-messages.ts'

export interface DonorSettings {
  /** A receiver that asks for nothing for so long is forgotten, and what was kept for it may go. */
  readonly idleMs: number
  /** Nothing is kept for receivers longer than this, however busy they are. */
  readonly maxHoldMs: number
  /** Of all chunks together: clients come first. */
  readonly bytesPerSecond: number
  /** Reads of the disk at one time. */
  readonly maxReads: number
  /** Requests that wait for their turn; beyond it they are refused. */
  readonly maxWaiting: number
}

export const defaultDonorSettings: DonorSettings = {
  idleMs: 60_000,
  maxHoldMs: 30 * 60_000,
  bytesPerSecond: 96 * 1024 * 1024,
  maxReads: 2,
  maxWaiting: 64
}

/** A base dump for which there was no room is not tried again before, whoever asks: it fills the disk each time. */
const DEMAND_AGAIN_MS = 60_000

export interface DonorOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly replica: Pick<Replica, 'log' | 'stateMachine' | 'identity' | 'demandBaseDump'>
  readonly settings?: Partial<DonorSettings>
}

/** One base dump and the log up to its entry, kept for those who copy them. */
interface Offer {
  readonly manifest: Manifest
  readonly file: DiskFile
  readonly endsAtMs: number
  idleAtMs: number
  release (): void
}

/**
 * Helps nodes that lag behind the head of the log: tells what they need (the manifest) and hands it out in chunks. They
 * ask; nothing is remembered of them but that dump and floor must stay for a while. Any node can do so, whoever leads,
 * since a base dump holds nothing but committed entries.
 */
export class CatchUpDonor {
  readonly #options: DonorOptions
  readonly #settings: DonorSettings
  readonly #offers = new Map<number, Offer>()
  /** Offers being made, so that two who ask at once get one. */
  readonly #opening = new Map<number, Promise<Offer>>()
  #reads = 0
  #waiting: Array<() => void> = []
  /** Until when what was handed out takes at that rate. */
  #paidUntilMs = 0
  #timer: Timer | undefined
  #demandAgainAtMs = 0
  #isClosed = false

  constructor (options: DonorOptions) {
    this.#options = options
    this.#settings = { ...defaultDonorSettings, ...options.settings }
  }

  /** How many dumps are kept for others. */
  get offers (): number { return this.#offers.size }

  /** @throws MQ_BUSY a base dump is being written, ask again; MQ_UNAVAILABLE this node is not that far itself, or lacks the room: ask others */
  async manifest (body: Uint8Array): Promise<Uint8Array> {
    const { minIndex } = decodeManifestRequest(body)
    this.#assertOpen()
    const { replica, clock } = this.#options
    const { stateMachine } = replica
    const dump = stateMachine.baseDump
    if (dump === undefined || dump.index < minIndex) {
      if (stateMachine.appliedIndex < minIndex) throw new MqError('MQ_UNAVAILABLE', `entry ${minIndex} is not applied here, only ${stateMachine.appliedIndex}`)
      const now = clock.nowMs()
      if (stateMachine.lacksRoomForBaseDump === true && now < this.#demandAgainAtMs) throw new MqError('MQ_UNAVAILABLE', 'there is no room for a base dump')
      this.#demandAgainAtMs = now + DEMAND_AGAIN_MS
      replica.demandBaseDump()
      throw new MqError('MQ_BUSY', 'a base dump is being written')
    }
    const { manifest } = await this.#offer(dump)
    return encodeManifest(manifest)
  }

  /** @throws MQ_UNAVAILABLE what is asked for is not kept any more: ask for a manifest; MQ_BUSY too many ask */
  async chunk (body: Uint8Array): Promise<Uint8Array> {
    const request = decodeChunkRequest(body)
    const offer = this.#offers.get(request.index)
    if (offer === undefined) throw new MqError('MQ_UNAVAILABLE', `nothing is kept for a catch-up to entry ${request.index}`)
    offer.idleAtMs = this.#options.clock.nowMs() + this.#settings.idleMs
    return await this.#inTurn(request, () => this.#read(offer, request))
  }

  /** Bytes of the log, only what is committed. @throws MQ_UNAVAILABLE not all of it is; MQ_OFFSET_TOO_SMALL it was removed here */
  async range (body: Uint8Array): Promise<Uint8Array> {
    const request = decodeChunkRequest(body)
    const { log, stateMachine: { appliedPosition = 0 } } = this.#options.replica
    const to = request.from + request.maxBytes
    if (request.maxBytes <= 0 || request.maxBytes > MAX_CHUNK_BYTES) throw new MqError('MQ_INVALID_ARGUMENT', `a chunk of ${request.maxBytes} bytes`)
    if (request.from < log.floor.physicalOffset) throw new MqError('MQ_OFFSET_TOO_SMALL', `the log begins at position ${log.floor.physicalOffset} here`, { minOffset: log.floor.physicalOffset })
    if (to > appliedPosition) throw new MqError('MQ_UNAVAILABLE', `the log from position ${request.from} to ${to} is not all committed here: that is up to ${appliedPosition}`)
    return await this.#inTurn(request, () => this.#readLog(request.from, request.maxBytes))
  }

  async #inTurn (request: ChunkRequest, read: () => Promise<Uint8Array>): Promise<Uint8Array> {
    await this.#turn()
    try {
      this.#assertOpen()
      const bytes = await read()
      await this.#paid(bytes.length)
      return encodeChunk(request, bytes)
    } finally {
      this.#reads--
      this.#waiting.shift()?.()
    }
  }

  /** Nothing is handed out any more. */
  close (): void {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const index of [...this.#offers.keys()]) this.#end(index)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #offer (dump: BaseDump): Promise<Offer> {
    const known = this.#offers.get(dump.index)
    if (known !== undefined) return known
    let opening = this.#opening.get(dump.index)
    if (opening === undefined) {
      opening = this.#open(dump).finally(() => this.#opening.delete(dump.index))
      this.#opening.set(dump.index, opening)
    }
    return await opening
  }

  async #open ({ index, term, position, path }: BaseDump): Promise<Offer> {
    const { disk, clock, replica: { log, stateMachine, identity } } = this.#options
    const { idleMs, maxHoldMs } = this.#settings
    const releases = [log.holdFloor(), stateMachine.holdBaseDump?.(index) ?? (() => {})]
    const releaseAll = () => { for (const release of releases) release() }
    try {
      const file = await disk.open(path, { readOnly: true })
      const baseBytes = await file.sizeBytes()
      const baseChecksum = new Uint8Array(8)
      await file.read(baseChecksum, Math.max(0, baseBytes - 8))
      const now = clock.nowMs()
      const manifest = { groupId: identity.groupId, formatVersion: stateMachine.formatVersion ?? OLDEST_DATA_FORMAT, index, term, endPosition: position, floor: log.floor, baseBytes, baseChecksum }
      const offer: Offer = { manifest, file, endsAtMs: now + maxHoldMs, idleAtMs: now + idleMs, release: releaseAll }
      this.#offers.set(index, offer)
      if (this.#isClosed) this.#end(index)
      this.#watch()
      return offer
    } catch (error) {
      releaseAll()
      throw error
    }
  }

  /** Lets go of what nobody asks for any more, of what was kept long enough, and of everything when the disk is nearly full. */
  #watch (): void {
    if (this.#timer !== undefined || this.#offers.size === 0 || this.#isClosed) return
    this.#timer = this.#options.clock.setTimer(this.#settings.idleMs / 4, () => {
      this.#timer = undefined
      const now = this.#options.clock.nowMs()
      for (const [index, { endsAtMs, idleAtMs }] of this.#offers) {
        if (now >= endsAtMs || now >= idleAtMs || !this.#options.replica.log.hasRoom) this.#end(index)
      }
      this.#watch()
    })
  }

  #end (index: number): void {
    const offer = this.#offers.get(index)
    if (offer === undefined) return
    this.#offers.delete(index)
    offer.release()
    // a read may be under way; it fails, and who asked asks elsewhere
    offer.file.close().catch(() => {})
  }

  async #read ({ manifest, file }: Offer, { part, from, maxBytes }: ChunkRequest): Promise<Uint8Array> {
    const wanted = Math.min(maxBytes, MAX_CHUNK_BYTES, (part === 'BASE' ? manifest.baseBytes : manifest.endPosition) - from)
    if (wanted <= 0 || from < (part === 'BASE' ? 0 : manifest.floor.physicalOffset)) throw new MqError('MQ_INVALID_ARGUMENT', `a chunk from ${from} on is outside what is offered`)
    if (part === 'LOG') return await this.#readLog(from, wanted)
    const bytes = new Uint8Array(wanted)
    return bytes.subarray(0, await file.read(bytes, from))
  }

  async #readLog (from: number, wanted: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(wanted)
    for (let at = 0; at < wanted;) {
      const piece = await this.#options.replica.log.readRaw(from + at, wanted - at)
      if (piece.length === 0) throw new MqError('MQ_CORRUPT', `the log ends at position ${from + at}`)
      bytes.set(piece, at)
      at += piece.length
    }
    return bytes
  }

  async #turn (): Promise<void> {
    const { maxReads, maxWaiting } = this.#settings
    if (this.#waiting.length >= maxWaiting) throw new MqError('MQ_BUSY', 'too many ask for chunks')
    while (this.#reads >= maxReads && !this.#isClosed) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#reads++
  }

  /** Waits until the bytes before these have had their time. */
  async #paid (sizeBytes: number): Promise<void> {
    const { clock } = this.#options
    const now = clock.nowMs()
    const waitMs = this.#paidUntilMs - now
    this.#paidUntilMs = Math.max(now, this.#paidUntilMs) + sizeBytes * 1000 / this.#settings.bytesPerSecond
    if (waitMs > 0) await wait(clock, waitMs)
  }

  #assertOpen (): void {
    if (this.#isClosed) throw new MqError('MQ_UNAVAILABLE', 'this node is closing')
  }
}
