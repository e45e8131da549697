import { EMPTY_CONF, EntryKind, nextConfState, type ConfState, type NodeId, type RaftEntry } from '../../lib/raft/index.ts'
import { configOf, confStateOfVoters, numberOf } from '../../lib/replica/index.ts'
import { Violation } from './ledger.ts'
import type { Machine } from './machine.ts'

/** Entries are committed ahead of the change that precedes them, so long as one is not applied: those of the configuration before. */
const LOOK_BACK = 512

/**
 * Acknowledged implies durable on a quorum: read from the disks themselves, when an entry is applied anywhere for the
 * first time, which is before anybody hears of it.
 */
export class Durability {
  readonly #machines: readonly Machine[]
  /** What the configuration became with which entry. */
  #confs: Array<{ readonly index: number, readonly state: ConfState }> = []
  checked = 0

  constructor (machines: readonly Machine[]) {
    this.#machines = machines
  }

  get isKnown (): boolean { return this.#confs.length > 0 }
  founded (founders: readonly NodeId[]): void { if (!this.isKnown) this.#confs.push({ index: 0, state: confStateOfVoters(founders) }) }

  /** The newest configuration that anybody has applied. */
  get latest (): ConfState { return this.#confs.at(-1)?.state ?? EMPTY_CONF }

  /** `durable` false: what was written counts, on machines that have lost their power since as well. */
  committed (entry: RaftEntry, durable: boolean): void {
    const holders = new Set(this.#machines.flatMap((machine, number) => machine.holds(entry, durable) || machine.isDark ? [number] : []))
    // whoever has a change in its log, and leads, has applied the one before
    const [before, last] = [this.#confs.at(-2), this.#confs.at(-1)!]
    const possible = before !== undefined && last.index > entry.index - LOOK_BACK ? [before, last] : [last]
    if (!possible.some(({ state }) => isQuorum(state, holders))) {
      throw new Violation('committed is durable on a majority', `entry ${entry.index} of term ${entry.term} is applied; of the voters ${JSON.stringify(this.latest)} only ${[...holders].map((number) => `n${number}`).join(', ') || 'none'} hold it`)
    }
    this.checked++
    if (entry.kind !== EntryKind.config) return
    const { state } = nextConfState(this.latest, configOf(entry))
    if (state !== undefined) this.#confs.push({ index: entry.index, state })
  }
}

export function isQuorum ({ voters, votersOutgoing }: ConfState, holders: ReadonlySet<number>): boolean {
  const isMajority = (ids: readonly NodeId[]) => ids.filter((id) => holders.has(numberOf(id))).length * 2 > ids.length
  return isMajority(voters) && (votersOutgoing.length === 0 || isMajority(votersOutgoing))
}
