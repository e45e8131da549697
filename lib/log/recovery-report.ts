import type { Cut } from './cut-intent.ts'

/** A torn tail that was cut: bytes of a write that was under way, never synced, never acknowledged. */
export interface TornCut {
  readonly file: string
  readonly fileByte: number
  /** Log position of the cut; the log now ends there. */
  readonly position: number
  readonly sizeBytes: number
  /** Where the cut bytes were kept. */
  readonly keptAside: string
  readonly reason: string
}

/** Bytes that had been synced and are no valid entries any more. */
export interface DamagedRange {
  readonly file: string
  readonly fileByte: number
  /** Log positions [from, to). */
  readonly from: number
  readonly to: number
  /** Through here the log had been synced, as far as is known. */
  readonly syncedTo: number
  readonly fromIndex: number
  readonly reason: string
}

/** What opening a log found and did. */
export interface RecoveryReport {
  readonly cuts: TornCut[]
  /** Only with `onDamage: 'report'`: the log ends before the first of these, and takes nothing until it is repaired. */
  readonly damaged: DamagedRange[]
  /** A truncation that a crash had interrupted. */
  finishedCut?: Cut
  segments: number
  scannedBytes: number
  elapsedMs: number
}
