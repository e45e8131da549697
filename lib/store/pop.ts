/** Pop consumption, as the engine uses it. */
export { PopMachine, type HeldMessage, type OffsetState, type Outlook, type OutlookRequest, type PopProgress } from './pop-machine.ts'
export type { PopSource } from './pop-choice.ts'
export { partsCostBytes, type LeasedRange, type PoppedRange } from './pop-ranges.ts'
export { DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_OUTSTANDING } from './pop-limits.ts'
export { PopProposal, type PopRequest, type PopResult } from './pop-proposal.ts'
export {
  acknowledge, AckProposal, isHeld, ReturnProposal, ChangeInvisibleProposal, ReleaseOwnerProposal, ExpireProposal,
  type EndedLeases, type ChangedLeases, type ReturnOptions, type ChangeInvisibleOptions
} from './pop-lease-proposals.ts'
export { OpenProposal, SeekProposal, ForgetGroupProposal, type StartPosition } from './pop-group-proposals.ts'
export { DeadLetterProposal, deadLetterOf, resentOf, rewriteRecord, deadLetterTopicOf, retryTopicOf, messageIdOf, DLQ_REASON, type DeadLettered, type DeadLetterTarget, type DeadLetterOptions } from './dead-letter.ts'
export { settleOffsets, SETTLE_COST_BYTES, type SettleRequest } from './pop-settle.ts'
export { popCost } from './pop-commands.ts'
export { MAX_LEASE_SPAN } from './pop-lease.ts'
