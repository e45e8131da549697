import type { LogPoint } from '../log/index.ts'
import type { CatchUpCall, HardState, MessageAfterPersist, RaftEntry, RaftMessage, Ready } from '../raft/index.ts'

/** The part of the log that persistence needs. */
export interface AppendedLog {
  readonly lastIndex: number
  append (entries: readonly RaftEntry[]): void
  truncateFrom (index: number, end: LogPoint): Promise<void>
}

export interface PersistenceOptions {
  readonly log: AppendedLog
  /** Resolves once term and vote are durable. */
  readonly saveHardState: (hardState: HardState) => Promise<void>
  readonly onHardStatePersisted: (hardState: HardState) => void
  readonly send: (messages: readonly RaftMessage[]) => void
  /** Called in its turn: what came before it is durable, term and vote included. */
  readonly onCatchUp?: (call: CatchUpCall) => void
  readonly onFailure: (error: unknown) => void
}

/** What one Ready wants on disk. */
interface Step {
  hardState: HardState | undefined
  entries: readonly RaftEntry[]
  heldMessages: readonly MessageAfterPersist[]
  readonly catchUp: CatchUpCall | undefined
}

/**
 * Puts on disk what raft wants there, strictly in the order raft asked for it: term and vote, then the cut of a
 * conflicting tail, then the entries; the next Ready's after that. Appends do not wait for the flush of the ones before.
 * Messages that promise durability are held until what they promise is durable.
 */
export class Persistence {
  readonly #options: PersistenceOptions
  #steps: Step[] = []
  /** A vote is being saved or a tail is being cut. */
  #busy = false
  #stopped = false
  #persistedIndex: number
  /** What the cut under way takes begins here; Infinity: there is none. */
  #cutFrom = Infinity
  #savedHardState: HardState
  #held: MessageAfterPersist[] = []

  constructor (options: PersistenceOptions, savedHardState: HardState) {
    this.#options = options
    this.#persistedIndex = options.log.lastIndex
    this.#savedHardState = savedHardState
  }

  accept ({ hardState, entries, messagesAfterPersist, catchUp }: Ready): void {
    const writes = hardState !== undefined || entries.length > 0 || catchUp !== undefined
    if (!writes && messagesAfterPersist.length === 0) return
    const last = this.#steps.at(-1)
    if (writes || last === undefined) {
      this.#steps.push({ hardState, entries, heldMessages: messagesAfterPersist, catchUp })
    } else {
      const held = [...last.heldMessages]
      hold(held, messagesAfterPersist)
      last.heldMessages = held
    }
    this.#run()
  }

  /** The log through `index` is durable (written, in ASYNC_FLUSH). */
  entriesPersisted (index: number): void {
    // a cut waits for a sync under way, which may still tell of what goes
    const kept = Math.min(index, this.#cutFrom - 1)
    if (kept > this.#persistedIndex) this.#persistedIndex = kept
    this.#release()
  }

  stop (): void {
    this.#stopped = true
    this.#steps = []
    this.#held = []
  }

  #run (): void {
    const { log } = this.#options
    while (this.#steps.length > 0 && !this.#busy) {
      const step = this.#steps[0]!
      if (step.hardState !== undefined) {
        this.#save(step, step.hardState)
        return
      }
      const first = step.entries[0]
      if (first !== undefined && first.index <= log.lastIndex) {
        this.#cut(first)
        return
      }
      this.#steps.shift()
      // Held before the append: an inline flush reports back before `append` returns.
      hold(this.#held, step.heldMessages)
      if (first !== undefined) log.append(step.entries)
      if (step.catchUp !== undefined) this.#options.onCatchUp?.(step.catchUp)
      this.#release()
    }
  }

  #save (step: Step, hardState: HardState): void {
    this.#wait(this.#options.saveHardState(hardState), () => {
      step.hardState = undefined
      this.#savedHardState = hardState
      this.#options.onHardStatePersisted(hardState)
    })
  }

  /** For the entry that takes the place of what goes. */
  #cut ({ index, prevTerm: term, physicalOffset: position }: RaftEntry): void {
    // What promised the entries that now go was meant for the leader of an older term.
    this.#held = this.#held.filter(({ after }) => after.index === undefined || after.index < index)
    this.#persistedIndex = Math.min(this.#persistedIndex, index - 1)
    this.#cutFrom = index
    this.#wait(this.#options.log.truncateFrom(index, { index: index - 1, term, position }), () => { this.#cutFrom = Infinity })
  }

  #wait (done: Promise<void>, then: () => void): void {
    this.#busy = true
    done.then(() => {
      if (this.#stopped) return
      this.#busy = false
      then()
      this.#run()
    }).catch((error) => { if (!this.#stopped) this.#options.onFailure(error) })
  }

  #release (): void {
    if (this.#held.length === 0) return
    const { term, vote } = this.#savedHardState
    const ready: RaftMessage[] = []
    const held: MessageAfterPersist[] = []
    for (const item of this.#held) {
      const { hardState, index } = item.after
      const saved = hardState === undefined || term > hardState.term || (term === hardState.term && (vote === hardState.vote || hardState.vote === 0))
      if (saved && (index === undefined || index <= this.#persistedIndex)) ready.push(item.message)
      else held.push(item)
    }
    this.#held = held
    if (ready.length > 0) this.#options.send(ready)
  }
}

/** A leader that hears nothing asks again with each heartbeat, for as long as the disk is stuck: it is answered once. */
function hold (held: MessageAfterPersist[], messages: readonly MessageAfterPersist[]): void {
  for (const item of messages) {
    const last = held.at(-1)
    if (last !== undefined && saysAll(item, last)) held[held.length - 1] = item
    else held.push(item)
  }
}

/** What the earlier one says, the later one says too, and it need wait for nothing more. */
function saysAll ({ message: later, after: afterLater }: MessageAfterPersist, { message: earlier, after: afterEarlier }: MessageAfterPersist): boolean {
  return afterLater.index === afterEarlier.index && afterLater.term === afterEarlier.term &&
    later.type === 'appendEntriesReply' && earlier.type === 'appendEntriesReply' &&
    later.to === earlier.to && later.term === earlier.term && later.life === earlier.life && later.inDoubt === earlier.inDoubt &&
    later.rejected === earlier.rejected &&
    (later.rejected ? later.index === earlier.index && later.hintIndex === earlier.hintIndex && later.hintTerm === earlier.hintTerm : later.index >= earlier.index)
}
