import type { Parameters } from './parameters.ts'

/** Worlds in which something was wrong once: they are always run again, before any other. */
export interface Regression {
  readonly seed: number
  /** What was wrong. */
  readonly was: string
  /** Where the seed alone no longer draws that world. */
  readonly parameters?: Partial<Parameters>
}

export const regressions: readonly Regression[] = [
  { seed: 118_993_666, was: 'a leader stopped when the head of its log was removed while it read what a follower lacks' },
  { seed: 936_194_490, was: 'the write of one copy of a sync mark failed, the next one went to the other copy and was torn: neither could be read' },
  { seed: 1_598_165_489, was: 'a leader stayed whose disk hung where the next segment was to begin: no flush was under way' }
]
