import type { CommandType } from '../message/index.ts'
import { ExpirySchedule } from './pop-expiry.ts'
import { PopState } from './pop-state.ts'
import type { PopQueue } from './pop-queue.ts'

/** Where a decision is written: an EntryBodyWriter. */
export interface CommandWriter {
  addCommand (type: number, payload: Uint8Array): void
}

/**
 * What the leader works with: the applied state plus its own proposed changes, and when which lease ends. A decision
 * changes `state` first and is then recorded; the applied state follows by the same code. Dies with the term.
 */
export class PopOverlay {
  readonly state: PopState
  readonly expiry = new ExpirySchedule()
  #decisions = 0
  #applied = 0

  constructor (applied: PopState) {
    this.state = new PopState({
      changed: (queue) => this.changed(queue),
      removed: (queue) => {
        this.#mark(queue)
        this.expiry.forget(queue.number)
      },
      available () {},
      unblocked () {}
    }, applied)
    for (const queue of applied.queues) {
      queue.refreshDue(0)
      this.expiry.note(queue.number, queue.dueMs)
    }
  }

  get pendingCount (): number { return this.#decisions - this.#applied }

  /** Writes a command whose effect `state` has, or gets in the same breath. */
  record<T> (writer: CommandWriter, command: CommandType<T>, value: T): void {
    this.#decisions++
    writer.addCommand(command.type, command.encode(value))
  }

  /** The same for a command that another machine writes. */
  recordForeign (): void {
    this.#decisions++
  }

  /** One more of the recorded commands was applied. */
  noteApplied (): void {
    this.#applied++
  }

  /** A decision has changed a queue of `state`. */
  changed (queue: PopQueue): void {
    this.#mark(queue)
    this.expiry.note(queue.number, queue.dueMs)
  }

  /** Lets go of copies on which nothing is pending. */
  dropIdle (): void {
    this.state.dropIdle(this.#applied)
  }

  #mark (queue: PopQueue): void {
    // a change is made before it is recorded; the commands of one decision are in one entry, between whose commands no copy is dropped
    const topic = this.state.topic(queue.group, queue.topic)
    if (topic !== undefined) topic.lastDecision = this.#decisions + 1
  }
}
