import type { Disk } from '../../lib/base/index.ts'
import { invariant, hash64, viewOf } from '../../lib/base/index.ts'
import { ENTRY_HEADER_BYTES } from '../../lib/log/index.ts'
import { EntryBody, EntryBodyWriter } from '../../lib/message/index.ts'
import { EntryKind, type ConfState, type RaftEntry } from '../../lib/raft/index.ts'
import { confStateOfVoters, type Proposal, type StateMachine } from '../../lib/replica/index.ts'

export const COMMAND_ADD = 7

interface Saved { readonly appliedIndex: number, readonly hash: string, readonly ids: number[], readonly confState: ConfState }

export interface CounterMachineOptions {
  readonly disk: Disk
  readonly directory: string
  /** A checkpoint is due after so many entries. */
  readonly checkpointEntries?: number
  /** Keeps the ids of all commands in the state; off where only the hash counts. */
  readonly keepsIds?: boolean
}

/**
 * The smallest state machine that can catch a replica's mistakes: commands carry an id and the place in the sequence
 * that the leader decided on, and apply checks that they come to stand there; the state is a hash over all entries.
 */
export class CounterMachine implements StateMachine {
  readonly #options: CounterMachineOptions
  appliedIndex = 0
  hash = 0n
  ids: number[] = []
  /** Commands applied. */
  count = 0
  confState: ConfState = confStateOfVoters([])
  checkpointedIndex = 0
  checkpoints = 0
  leadingTerm = 0
  /** What the leader has proposed and not applied. */
  overlay = 0
  onApply: ((entry: RaftEntry, ids: readonly number[]) => void) | undefined
  beforeCheckpoint: (() => void) | undefined
  closed = false
  #checkpointing = false

  private constructor (options: CounterMachineOptions) {
    this.#options = options
  }

  static async open (options: CounterMachineOptions): Promise<CounterMachine> {
    const machine = new CounterMachine(options)
    const bytes = await options.disk.readFile(`${options.directory}/state`)
    if (bytes !== undefined) machine.#load(JSON.parse(Buffer.from(bytes).toString()) as Saved)
    return machine
  }

  #load ({ appliedIndex, hash, ids, confState }: Saved): void {
    this.appliedIndex = this.checkpointedIndex = appliedIndex
    this.hash = BigInt(hash)
    this.ids = ids
    this.count = ids[0]!
    this.confState = confState
  }

  get checkpointDue (): boolean { return this.appliedIndex - this.checkpointedIndex >= (this.#options.checkpointEntries ?? Infinity) }

  apply (entry: RaftEntry): void {
    invariant(entry.index === this.appliedIndex + 1, `entry ${entry.index} applied after ${this.appliedIndex}`)
    const view = viewOf(entry.bytes)
    const body = entry.bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + view.getUint32(56))
    this.hash = hash64(body, (this.hash + view.getBigUint64(64)) % (1n << 64n))
    const ids: number[] = []
    if (entry.kind === EntryKind.normal) {
      for (const { type, payload } of new EntryBody(body).commands) {
        invariant(type === COMMAND_ADD, 'a command of another kind')
        const command = viewOf(payload)
        invariant(command.getUint32(4) === this.count, `decided to be number ${command.getUint32(4)}, applied as number ${this.count}`)
        this.count++
        ids.push(command.getUint32(0))
      }
      this.overlay = Math.max(0, this.overlay - ids.length)
    }
    if (this.#options.keepsIds !== false) this.ids.push(...ids)
    this.appliedIndex = entry.index
    this.onApply?.(entry, ids)
  }

  setConfState (state: ConfState): void { this.confState = state }

  startLeading (term: number): void {
    this.overlay = 0
    this.leadingTerm = term
  }

  stopLeading (): void { this.leadingTerm = 0 }

  async checkpoint (): Promise<void> {
    invariant(!this.#checkpointing, 'two checkpoints at once')
    this.#checkpointing = true
    this.beforeCheckpoint?.()
    const { disk, directory } = this.#options
    const { appliedIndex, hash, confState, count } = this
    const saved = { appliedIndex, hash: String(hash), ids: [count], confState }
    const file = await disk.open(`${directory}/state.new`, { create: true })
    const bytes = new Uint8Array(Buffer.from(JSON.stringify(saved)))
    try {
      await file.truncate(0)
      await file.write(bytes, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.rename(`${directory}/state.new`, `${directory}/state`)
    await disk.syncDirectory(directory)
    this.checkpointedIndex = appliedIndex
    this.checkpoints++
    this.#checkpointing = false
  }

  /** A proposal to add `id`, with `payloadBytes` of ballast. */
  add (id: number, payloadBytes: number, done: (error?: unknown) => void): Proposal {
    return {
      costBytes: EntryBodyWriter.commandCostBytes(8 + payloadBytes),
      decide: (writer) => {
        invariant(this.leadingTerm > 0, 'asked to decide without leading')
        const payload = new Uint8Array(8 + payloadBytes)
        const view = viewOf(payload)
        view.setUint32(0, id)
        view.setUint32(4, this.count + this.overlay++)
        writer.addCommand(COMMAND_ADD, payload)
      },
      settle: () => { done() },
      fail: (error) => { done(error) }
    }
  }

  /** One that writes nothing: its answer rests on what was decided before it. */
  look (done: (error?: unknown) => void): Proposal {
    return { costBytes: 100, decide () {}, settle: () => { done() }, fail: (error) => { done(error) } }
  }

  close (): void { this.closed = true }
}
