import { viewOf } from '../../lib/base/index.ts'
import { EntryBody, EntryBodyWriter } from '../../lib/message/index.ts'
import { OpenProposal, PopMachine, PopProposal, type PopRequest, type PopResult, type StartPosition } from '../../lib/store/pop.ts'
import type { PopDecision } from '../../lib/store/pop-decision.ts'

/** A pop machine that leads, with entries sealed and applied by hand, one group and one topic. */
export class PopGroup {
  readonly machine = new PopMachine()
  readonly sources: Array<{ queueId: number, minOffset: number, proposedNextOffset: number }>
  nowMs = 1000
  /** Bodies of entries decided and not applied. */
  readonly sealed: Array<{ readonly body: EntryBody, readonly bytes: Uint8Array, readonly proposals: readonly PopDecision<any>[] }> = []

  constructor (queues: number, messagesPerQueue: number) {
    this.sources = Array.from({ length: queues }, (_, queueId) => ({ queueId, minOffset: 0, proposedNextOffset: messagesPerQueue }))
  }

  async open (start: StartPosition = 'first', sources = this.sources): Promise<number> {
    return (await this.run(new OpenProposal(this.machine, { group: 'g', topic: 't', sources, start }))).opened
  }

  popProposal (request: Partial<PopRequest> = {}): PopProposal {
    return new PopProposal(this.machine, { group: 'g', topic: 't', sources: this.sources, max: 10, invisibleMs: 100, ...request })
  }

  async pop (request: Partial<PopRequest> = {}): Promise<PopResult> { return await this.run(this.popProposal(request)) }

  /** Messages of a pop as `queueId:offset*attempts`. */
  async popped (request: Partial<PopRequest> = {}): Promise<string> { return textOf((await this.pop(request)).messages) }

  /** Decides proposals into one entry. */
  seal (...proposals: Array<PopDecision<any>>): void {
    const bytes = new Uint8Array(1 << 20)
    const writer = new EntryBodyWriter()
    writer.begin(bytes, viewOf(bytes), 0, EntryBodyWriter.emptyBytes + proposals.reduce((sum, { costBytes }) => sum + costBytes, 0), 0)
    for (const proposal of proposals) proposal.decide(writer, this.nowMs)
    const body = bytes.subarray(0, writer.finish())
    this.sealed.push({ body: new EntryBody(body), bytes: body, proposals })
  }

  apply (): void {
    const { body, proposals } = this.sealed.shift()!
    for (const { type, payload } of body.commands) {
      const handler = this.machine.handlers.find(({ command }) => command.type === type)!
      handler.apply(handler.command.decode(payload), { index: 1, term: 1, storeTimestampMs: this.nowMs, physicalOffset: 0, recordPosition: 0 })
    }
    for (const proposal of proposals) proposal.settle()
  }

  async run<T> (proposal: PopDecision<T>): Promise<T> {
    this.seal(proposal)
    while (this.sealed.length > 0) this.apply()
    return await proposal.done
  }
}

export function textOf (ranges: ReadonlyArray<{ queueId: number, first: number, count: number, attempts: number }>): string {
  return ranges.map(({ queueId, first, count, attempts }) => `${queueId}:${first}${count > 1 ? `-${first + count - 1}` : ''}*${attempts}`).join(' ')
}
