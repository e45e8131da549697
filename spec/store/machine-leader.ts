import { EntryBody, EntryBodyWriter } from '../../lib/message/index.ts'
import type { Machine } from '../../lib/store/index.ts'

/** A machine with what a leader does around it: entries that hold what was decided, applied later; checkpoints, restarts. */
export class MachineLeader<M extends Machine> {
  machine: M
  nowMs = 1_000_000
  readonly kv = new Map<string, Uint8Array>()
  readonly #make: () => M
  readonly #undecided: Array<{ readonly body: EntryBody, readonly stampMs: number }> = []

  constructor (make: () => M) {
    this.#make = make
    this.machine = make()
  }

  propose (write: (writer: EntryBodyWriter) => void): void {
    const bytes = new Uint8Array(64 * 1024)
    const writer = new EntryBodyWriter()
    writer.begin(bytes, new DataView(bytes.buffer), 0, bytes.length, 0)
    write(writer)
    this.#undecided.push({ body: new EntryBody(bytes.subarray(0, writer.finish())), stampMs: this.nowMs })
  }

  apply (count = Infinity): void {
    for (const { body, stampMs } of this.#undecided.splice(0, count)) {
      for (const { type, payload } of body.commands) {
        const handler = this.machine.handlers.find(({ command }) => command.type === type)!
        handler.apply(handler.command.decode(payload), { index: 1, term: 1, storeTimestampMs: stampMs, physicalOffset: 0, recordPosition: 0 })
      }
    }
  }

  /** What was proposed and not applied is lost, with the leader. */
  change (): void {
    this.#undecided.length = 0
    this.machine.resetOverlay()
  }

  checkpoint (): void {
    for (const { key, value } of this.machine.freeze()) {
      if (value === undefined) this.kv.delete(key)
      else this.kv.set(key, value)
    }
  }

  /** From the last checkpoint, which must be of now. */
  restart (): void {
    this.checkpoint()
    this.machine = this.#make()
    for (const [key, value] of [...this.kv].sort(([a], [b]) => a < b ? -1 : 1)) this.machine.load(key, value)
  }
}

export function stateOf (machine: Machine): unknown {
  return [...machine.values()].map(({ key, value }) => [key, Buffer.from(value).toString('hex')]).sort()
}
