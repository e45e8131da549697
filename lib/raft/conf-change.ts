import type { ConfChange, ConfState, ConfStep, NodeId } from './types.ts'

/** The configuration that a change leads to, or why it may not be made. */
export type ConfResult =
  | { readonly state: ConfState, readonly error?: undefined }
  | { readonly state?: undefined, readonly error: string }

export const EMPTY_CONF: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }

export function isJoint (state: ConfState): boolean {
  return state.votersOutgoing.length > 0
}

export function isVoter (state: ConfState, id: NodeId): boolean {
  return state.voters.includes(id) || state.votersOutgoing.includes(id)
}

export function isLearner (state: ConfState, id: NodeId): boolean {
  return state.learners.includes(id)
}

/** All voters of both halves, ascending. */
export function allVoters (state: ConfState): NodeId[] {
  return sorted(new Set([...state.voters, ...state.votersOutgoing]))
}

/** All members, learners included, ascending. (Staged learners are voters of the outgoing half.) */
export function allMembers (state: ConfState): NodeId[] {
  return sorted(new Set([...state.voters, ...state.votersOutgoing, ...state.learners]))
}

/** What `change` makes of `state`. Pure: every replica comes to the same result. @see thesis 4.3 */
export function nextConfState (state: ConfState, change: ConfChange): ConfResult {
  if (change.steps.length === 0) return leaveJoint(state)
  if (change.transition !== 'auto') return enterJoint(state, change.steps, change.transition === 'joint-implicit')
  const simple = changeSimply(state, change.steps)
  return simple.state === undefined && simple.error === MORE_THAN_ONE ? enterJoint(state, change.steps, true) : simple
}

const MORE_THAN_ONE = 'more than one voter changes without a joint configuration'

/**
 * Makes the steps directly: any two majorities, before and after, overlap only if at most one voter changes. The first
 * configuration of a group follows none, so it may have any voters.
 */
export function changeSimply (state: ConfState, steps: readonly ConfStep[]): ConfResult {
  if (isJoint(state)) return { error: 'the configuration is joint; it must be left first' }
  const draft = draftOf(state)
  const error = applySteps(draft, steps)
  if (error !== undefined) return { error }
  if (state.voters.length > 0 && differenceCount(state.voters, draft.voters) > 1) return { error: MORE_THAN_ONE }
  return { state: seal(draft) }
}

/** (voters) becomes (new voters)&&(voters). `autoLeave`: the leader leaves it by itself. */
export function enterJoint (state: ConfState, steps: readonly ConfStep[], autoLeave: boolean): ConfResult {
  if (isJoint(state)) return { error: 'the configuration is joint already' }
  if (state.voters.length === 0) return { error: 'a configuration without voters cannot become joint' }
  const draft = draftOf(state)
  draft.votersOutgoing = new Set(draft.voters)
  const error = applySteps(draft, steps)
  if (error !== undefined) return { error }
  draft.autoLeave = autoLeave
  return { state: seal(draft) }
}

/** (new)&&(old) becomes (new); the staged learners become learners, whoever has no role left is gone. */
export function leaveJoint (state: ConfState): ConfResult {
  if (!isJoint(state)) return { error: 'the configuration is not joint' }
  const draft = draftOf(state)
  for (const id of draft.learnersNext) draft.learners.add(id)
  draft.learnersNext.clear()
  draft.votersOutgoing.clear()
  draft.autoLeave = false
  return { state: seal(draft) }
}

/** What is wrong with a configuration as such, or undefined. */
export function defectOf (state: ConfState): string | undefined {
  for (const id of state.learners) {
    if (isVoter(state, id)) return `${id} is a learner and a voter`
  }
  for (const id of state.learnersNext) {
    if (!state.votersOutgoing.includes(id)) return `${id} is to become a learner but is no outgoing voter`
    if (state.voters.includes(id)) return `${id} is to become a learner and is an incoming voter`
  }
  if (!isJoint(state) && state.autoLeave) return 'a configuration that is not joint cannot be left'
  if (isJoint(state) && state.voters.length === 0) return 'a joint configuration without incoming voters'
  return undefined
}

interface Draft {
  voters: Set<NodeId>
  votersOutgoing: Set<NodeId>
  learners: Set<NodeId>
  learnersNext: Set<NodeId>
  autoLeave: boolean
}

function draftOf (state: ConfState): Draft {
  return {
    voters: new Set(state.voters),
    votersOutgoing: new Set(state.votersOutgoing),
    learners: new Set(state.learners),
    learnersNext: new Set(state.learnersNext),
    autoLeave: state.autoLeave
  }
}

function applySteps (draft: Draft, steps: readonly ConfStep[]): string | undefined {
  for (const { type, id } of steps) {
    if (!Number.isSafeInteger(id) || id <= 0) return `${id} is no node id`
    if (type === 'addVoter') addVoter(draft, id)
    else if (type === 'addLearner') addLearner(draft, id)
    else remove(draft, id)
  }
  return draft.voters.size === 0 ? 'no voter would be left' : undefined
}

function addVoter (draft: Draft, id: NodeId): void {
  draft.learners.delete(id)
  draft.learnersNext.delete(id)
  draft.voters.add(id)
}

/** An outgoing voter cannot be a learner at the same time, so it is staged until the joint configuration is left. */
function addLearner (draft: Draft, id: NodeId): void {
  if (draft.learners.has(id)) return
  draft.voters.delete(id)
  if (draft.votersOutgoing.has(id)) draft.learnersNext.add(id)
  else draft.learners.add(id)
}

function remove (draft: Draft, id: NodeId): void {
  draft.voters.delete(id)
  draft.learners.delete(id)
  draft.learnersNext.delete(id)
}

function seal (draft: Draft): ConfState {
  return {
    voters: sorted(draft.voters),
    votersOutgoing: sorted(draft.votersOutgoing),
    learners: sorted(draft.learners),
    learnersNext: sorted(draft.learnersNext),
    autoLeave: draft.autoLeave
  }
}

function differenceCount (before: readonly NodeId[], after: ReadonlySet<NodeId>): number {
  const kept = before.filter((id) => after.has(id)).length
  return before.length - kept + after.size - kept
}

function sorted (ids: ReadonlySet<NodeId>): NodeId[] {
  return [...ids].sort((a, b) => a - b)
}
