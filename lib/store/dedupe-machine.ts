import { deleteTopic, type EntryBodyWriter } from '../message/index.ts'
import { dedupeForget, dedupeRemember, type DedupeForget, type DedupeId, type DedupeRemember, type LoggedId, type RememberedPlace } from './dedupe-commands.ts'
import { DedupeWindow, keyOf, PIECE_MESSAGES, type Remembered } from './dedupe-window.ts'
import { on, type ApplyContext, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { defineValue } from './stored-value.ts'

/** The data format that has these commands. */
export const DEDUPE_FORMAT = 3

/** How many messages of a topic are remembered, and for how long. */
export interface DedupeRule {
  readonly windowMs: number
  readonly maxCount: number
}

/** Of one topic. */
export const MAX_DEDUPE_COUNT = 1_000_000
/** Of all topics together. Beyond, room is made where there is more than an equal share: so a topic that is busy takes nothing of what the others need. */
const MAX_REMEMBERED = 1_000_000
/** So many are forgotten at once of another topic: it is looked for among all. */
const ROOM_MESSAGES = PIECE_MESSAGES
/** So often all topics forget what is too old. */
const SWEEP_MS = 60_000

interface Head {
  readonly windowMs: number
  readonly maxCount: number
  readonly first: number
  readonly next: number
}

const headValue = defineValue<Head>([{
  type: 'record',
  name: 'DedupeWindow',
  fields: ['windowMs', 'maxCount', 'first', 'next'].map((name) => ({ name, type: 'long' }))
}])
const pieceValue = defineValue<Buffer>(['bytes'])
const sweepValue = defineValue<number>(['long'])
const SWEEP_KEY = 'sweep'
const HEAD = 'window/'
const PIECE = 'piece/'

/** A message that is proposed and not applied. */
interface Proposed extends Remembered {
  readonly id: DedupeId
}

/**
 * Which messages of a topic were stored lately, by the id that their producer gave: what is sent again, after an answer
 * that was lost, is answered as the first time and not stored once more. Bounded by time and count for each topic, and in all; a topic
 * with no more than an equal share of all keeps what it has.
 * Topics that do not ask for it cost nothing.
 */
export class DedupeMachine implements Machine {
  readonly name = 'dedupe'
  readonly #maxRemembered: number
  readonly #windows = new Map<string, DedupeWindow>()
  #remembered = 0
  #sweptMs = 0
  readonly #changed = new Set<string>()
  /** By topic, then by 53 bits of the hash: what is proposed. `undefined`: forgotten. */
  #proposed = new Map<string, Map<number, Proposed | undefined>>()
  /** Deletions of topics that are proposed: what is applied of these counts no more. */
  #deletions = new Map<string, number>()

  readonly handlers = [
    on(dedupeRemember, (command, context) => { this.#remember(command, context) }),
    on(dedupeForget, (command) => { this.#forget(command) }),
    on(deleteTopic, ({ topic }) => { this.#deleted(topic) })
  ]

  constructor (maxRemembered = MAX_REMEMBERED) {
    this.#maxRemembered = maxRemembered
  }

  /** Messages of all topics that are remembered. */
  get rememberedCount (): number { return this.#remembered }

  // For proposals.

  /** Where that message was stored, once all that is proposed is applied; undefined: it is a new one. */
  find (topic: string, id: DedupeId, { windowMs }: DedupeRule, storeTimestampMs: number): Remembered | undefined {
    const found = this.#known(topic, id)
    return found === undefined || found.storeTimestampMs + windowMs < storeTimestampMs ? undefined : found
  }

  #known (topic: string, id: DedupeId): Remembered | undefined {
    const proposed = this.#proposed.get(topic)
    const key = keyOf(id.hash)
    if (proposed?.has(key) === true) {
      const message = proposed.get(key)
      return message !== undefined && message.id.hash === id.hash && message.id.bodyCrc === id.bodyCrc && message.id.bodyBytes === id.bodyBytes ? message : undefined
    }
    return this.#deletions.has(topic) ? undefined : this.#windows.get(topic)?.find(id)
  }

  /** They are stored in this entry. Costs `dedupeCost.remember` and for each of them `dedupeCost.message`. */
  remember (writer: EntryBodyWriter, topic: string, { windowMs, maxCount }: DedupeRule, messages: ReadonlyArray<RememberedPlace & { readonly id: DedupeId }>, storeTimestampMs: number): void {
    const proposed = this.#proposedOf(topic)
    for (const message of messages) proposed.set(keyOf(message.id.hash), { ...message, storeTimestampMs })
    writer.addCommand(dedupeRemember.type, dedupeRemember.encode({ topic, windowMs, maxCount, messages: messages.map(({ id, ...place }) => ({ ...place, ...loggedOf(id.hash), bodyCrc: id.bodyCrc, bodyBytes: id.bodyBytes })) }))
  }

  /** A message of that id was taken back. Costs `dedupeCost.forget`. */
  forget (writer: EntryBodyWriter, topic: string, hash: bigint): void {
    if (!this.#windows.has(topic) && !this.#proposed.has(topic)) return
    this.#proposedOf(topic).set(keyOf(hash), undefined)
    writer.addCommand(dedupeForget.type, dedupeForget.encode({ topic, ...loggedOf(hash) }))
  }

  proposeDeleteTopic (topic: string): void {
    this.#proposed.delete(topic)
    this.#deletions.set(topic, (this.#deletions.get(topic) ?? 0) + 1)
  }

  resetOverlay (): void {
    this.#proposed.clear()
    this.#deletions.clear()
  }

  #proposedOf (topic: string): Map<number, Proposed | undefined> {
    let proposed = this.#proposed.get(topic)
    if (proposed === undefined) this.#proposed.set(topic, proposed = new Map())
    return proposed
  }

  /** What is applied needs not be proposed any more, unless a later one of that id is. */
  #settle (topic: string, hash: bigint, isThat: (proposed: Proposed | undefined) => boolean): void {
    const proposed = this.#proposed.get(topic)
    const key = keyOf(hash)
    if (proposed?.has(key) !== true || !isThat(proposed.get(key))) return
    proposed.delete(key)
    if (proposed.size === 0) this.#proposed.delete(topic)
  }

  // Apply.

  #remember ({ topic, windowMs, maxCount, messages }: DedupeRemember, { storeTimestampMs }: ApplyContext): void {
    let window = this.#windows.get(topic)
    if (window === undefined) this.#windows.set(topic, window = new DedupeWindow())
    window.windowMs = windowMs
    window.maxCount = maxCount
    for (const message of messages) {
      const hash = hashOf(message)
      window.add({ hash, bodyCrc: message.bodyCrc, bodyBytes: message.bodyBytes }, { ...message, storeTimestampMs })
      this.#remembered++
      this.#changed.add(pieceKey(topic, Math.floor((window.next - 1) / PIECE_MESSAGES)))
      this.#settle(topic, hash, (proposed) => proposed?.physicalOffset === message.physicalOffset)
    }
    this.#changed.add(HEAD + topic)
    if (storeTimestampMs - this.#sweptMs >= SWEEP_MS) this.#sweep(storeTimestampMs)
    this.#trim(topic, window, () => window.count > window.maxCount || isTooOld(window, storeTimestampMs))
    this.#makeRoom(topic, window)
  }

  /** What goes depends on what is remembered alone, never on the order in which topics came. */
  #makeRoom (topic: string, window: DedupeWindow): void {
    while (this.#remembered > this.#maxRemembered) {
      const share = Math.floor(this.#maxRemembered / this.#windows.size)
      if (window.count > share) {
        this.#trim(topic, window, () => this.#remembered > this.#maxRemembered && window.count > share)
        continue
      }
      const [other, most] = this.#fullest()
      const left = Math.max(share, most.count - ROOM_MESSAGES)
      this.#trim(other, most, () => most.count > left)
    }
  }

  #fullest (): readonly [topic: string, window: DedupeWindow] {
    let fullest: readonly [string, DedupeWindow] | undefined
    for (const one of this.#windows) {
      if (fullest === undefined || one[1].count > fullest[1].count || (one[1].count === fullest[1].count && one[0] < fullest[0])) fullest = one
    }
    return fullest!
  }

  #forget ({ topic, high, low }: DedupeForget): void {
    const hash = hashOf({ high, low })
    const piece = this.#windows.get(topic)?.forget(hash)
    if (piece !== undefined) this.#changed.add(pieceKey(topic, piece))
    this.#settle(topic, hash, (proposed) => proposed === undefined)
  }

  #deleted (topic: string): void {
    const deletions = this.#deletions.get(topic) ?? 0
    if (deletions <= 1) this.#deletions.delete(topic)
    else this.#deletions.set(topic, deletions - 1)
    const window = this.#windows.get(topic)
    if (window !== undefined) this.#drop(topic, window)
  }

  #trim (topic: string, window: DedupeWindow, isTooMuch: () => boolean): void {
    while (window.count > 0 && isTooMuch()) {
      const gone = window.removeFirst()
      this.#remembered--
      this.#changed.add(HEAD + topic)
      if (gone !== undefined) this.#changed.add(pieceKey(topic, gone))
    }
    if (window.count === 0) this.#drop(topic, window)
  }

  /** In any order: what goes depends on its age alone. */
  #sweep (nowMs: number): void {
    this.#sweptMs = nowMs
    this.#changed.add(SWEEP_KEY)
    for (const [topic, window] of this.#windows) this.#trim(topic, window, () => isTooOld(window, nowMs))
  }

  #drop (topic: string, window: DedupeWindow): void {
    this.#remembered -= window.count
    this.#windows.delete(topic)
    this.#changed.add(HEAD + topic)
    for (const piece of window.pieces.keys()) this.#changed.add(pieceKey(topic, piece))
  }

  // Checkpoints.

  freeze (): KeyChange[] {
    const changes = [...this.#changed].map((key) => ({ key, value: this.#valueOf(key) }))
    this.#changed.clear()
    return changes
  }

  load (key: string, value: Uint8Array): void {
    if (key === SWEEP_KEY) {
      this.#sweptMs = sweepValue.decode(key, value)
      return
    }
    const { topic, piece } = namesIn(key)
    let window = this.#windows.get(topic)
    if (window === undefined) this.#windows.set(topic, window = new DedupeWindow())
    if (piece !== undefined) {
      window.load(piece, pieceValue.decode(key, value))
      return
    }
    Object.assign(window, headValue.decode(key, value))
    this.#remembered += window.count
  }

  * values (): Generator<KeyValue> {
    if (this.#sweptMs > 0) yield { key: SWEEP_KEY, value: sweepValue.encode(this.#sweptMs) }
    for (const [topic, window] of this.#windows) {
      for (const key of [HEAD + topic, ...[...window.pieces.keys()].map((piece) => pieceKey(topic, piece))]) yield { key, value: this.#valueOf(key)! }
    }
  }

  clear (): void {
    this.#windows.clear()
    this.#changed.clear()
    this.resetOverlay()
    this.#remembered = this.#sweptMs = 0
  }

  #valueOf (key: string): Uint8Array | undefined {
    if (key === SWEEP_KEY) return sweepValue.encode(this.#sweptMs)
    const { topic, piece } = namesIn(key)
    const window = this.#windows.get(topic)
    if (window === undefined) return undefined
    if (piece === undefined) return headValue.encode({ windowMs: window.windowMs, maxCount: window.maxCount, first: window.first, next: window.next })
    const bytes = window.bytesOf(piece)
    return bytes === undefined ? undefined : pieceValue.encode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }
}

function isTooOld (window: DedupeWindow, nowMs: number): boolean { return window.firstStampMs + window.windowMs < nowMs }

function pieceKey (topic: string, piece: number): string { return `${PIECE}${topic}/${piece.toString(16).padStart(10, '0')}` }

/** Pieces come before windows, in the order of keys. */
function namesIn (key: string): { readonly topic: string, readonly piece?: number } {
  if (key.startsWith(HEAD)) return { topic: key.slice(HEAD.length) }
  const end = key.lastIndexOf('/')
  return { topic: key.slice(PIECE.length, end), piece: parseInt(key.slice(end + 1), 16) }
}

function loggedOf (hash: bigint): LoggedId { return { high: Number(BigInt.asIntN(32, hash >> 32n)), low: Number(BigInt.asIntN(32, hash)) } }
function hashOf ({ high, low }: LoggedId): bigint { return BigInt.asUintN(32, BigInt(high)) << 32n | BigInt.asUintN(32, BigInt(low)) }
