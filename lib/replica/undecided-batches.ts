import { invariant, MqError } from '../base/index.ts'
import type { Proposal } from './ports.ts'

/** Proposals [from, to) of one array, sealed together, and the entry their result rests on. */
interface Batch {
  readonly index: number
  readonly term: number
  /** Shared with other batches; each takes those of its own range out when they have ended. */
  readonly proposals: Array<Proposal | undefined>
  readonly from: number
  readonly to: number
  readonly costBytes: number
  readonly sealedAtMs: number
}

/**
 * What was sealed and is not decided. An entry is known by (index, term): applied with that term, the write took
 * effect, also when leadership was lost meanwhile; another term's entry applied at its index, it never will.
 */
export class UndecidedBatches {
  #batches: Array<Batch | undefined> = []
  #from = 0
  #count = 0
  #costBytes = 0

  /** Proposals, and the sum of their costs. */
  get count (): number { return this.#count }
  get costBytes (): number { return this.#costBytes }
  get isEmpty (): boolean { return this.#from === this.#batches.length }
  get batchCount (): number { return this.#batches.length - this.#from }
  /** When the oldest was sealed, in monotonic time. */
  get oldestSealedAtMs (): number | undefined { return this.#batches[this.#from]?.sealedAtMs }
  get oldestTerm (): number | undefined { return this.#batches[this.#from]?.term }

  add (batch: Batch): void {
    const last = this.#batches.at(-1)
    invariant(last === undefined || this.isEmpty || (last.index <= batch.index && last.term <= batch.term), 'batches are sealed in the order of the log')
    this.#batches.push(batch)
    this.#count += batch.to - batch.from
    this.#costBytes += batch.costBytes
  }

  /**
   * The entry (index, term) was applied. Terms only grow along a log, so what was sealed in an older term for this
   * index or a later one can no longer come to stand there.
   */
  entryApplied (index: number, term: number): void {
    for (let batch = this.#batches[this.#from]; batch !== undefined && (batch.index <= index || batch.term < term); batch = this.#batches[this.#from]) {
      this.#remove(batch)
      invariant(batch.index >= index, 'every entry is applied, in order')
      if (batch.term === term) {
        settleRange(batch.proposals, batch.from, batch.to)
      } else {
        invariant(batch.term < term, 'an entry of an older term was applied in the place of a newer one')
        fail(batch, new MqError('MQ_OVERWRITTEN', `entry ${index} of term ${term} took the place of the request's, of term ${batch.term}`, { logIndex: index, term }))
      }
    }
  }

  /** Gives up those sealed before `sealedBeforeMs`, oldest first. */
  failSealedBefore (sealedBeforeMs: number, error: (batchTerm: number) => MqError): void {
    for (let batch = this.#batches[this.#from]; batch !== undefined && batch.sealedAtMs < sealedBeforeMs; batch = this.#batches[this.#from]) {
      this.#remove(batch)
      fail(batch, error(batch.term))
    }
  }

  #remove (batch: Batch): void {
    this.#batches[this.#from++] = undefined
    this.#count -= batch.to - batch.from
    this.#costBytes -= batch.costBytes
    if (this.isEmpty) {
      this.#batches = []
      this.#from = 0
    } else if (this.#from >= 1024) {
      this.#batches = this.#batches.slice(this.#from)
      this.#from = 0
    }
  }
}

/**
 * Settles proposals [from, to) and takes them out of the array.
 * @throws what the first of them threw that throws, which ends this node but keeps no other from its outcome
 */
export function settleRange (proposals: Array<Proposal | undefined>, from: number, to: number): void {
  let failure: unknown
  for (let i = from; i < to; i++) {
    const proposal = proposals[i]!
    // Nothing that has ended is held: what survives a collection makes the next ones slow.
    proposals[i] = undefined
    try {
      proposal.settle()
    } catch (error) {
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
}

function fail (batch: Batch, error: MqError): void {
  const { proposals, to } = batch
  for (let i = batch.from; i < to; i++) {
    const proposal = proposals[i]!
    proposals[i] = undefined
    proposal.fail(error)
  }
}
