import { getInt64, setInt64 } from '../base/index.ts'
import { bodyCrcOf } from './body-crc.ts'
import { SysFlag } from './record.ts'

/** `queueOffset` in the bytes of a record that had none yet when it was stored. */
export const NO_QUEUE_OFFSET = -1

/**
 * Makes the copy of a record at `bytes[at]` what its consumer is to see. A message that was stored before it was
 * delivered has got its queue offset and its time with the delivery; all others bear theirs since they were stored.
 * `view` covers the same memory as `bytes`.
 */
export function patchDelivered (view: DataView, at: number, queueOffset: number, storeTimestampMs: number): void {
  if (getInt64(view, at + 20) === queueOffset) return
  setInt64(view, at + 20, queueOffset)
  setInt64(view, at + 48 + bornHostBytes(view, at), storeTimestampMs)
  if ((view.getInt32(at + 36) & SysFlag.transactionMask) === SysFlag.prepared) patchCommitted(view, at, getInt64(view, at + 28))
}

/** Makes the half message at `at` one that was committed; it was first stored at `preparedPosition`, unless it says so itself. */
export function patchCommitted (view: DataView, at: number, preparedPosition: number): void {
  const sysFlag = view.getInt32(at + 36)
  view.setInt32(at + 36, (sysFlag & ~SysFlag.transactionMask) | SysFlag.commit)
  notePrepared(view, at, preparedPosition)
}

/** Notes in the half message at `at` where it was first stored, unless it says so already. */
export function notePrepared (view: DataView, at: number, preparedPosition: number): void {
  const offsetAt = at + 60 + bornHostBytes(view, at) + storeHostBytes(view, at)
  if (getInt64(view, offsetAt) === 0) setInt64(view, offsetAt, preparedPosition)
}

/** Gives the record at `at` another place and time. */
export function restamp (view: DataView, at: number, queueOffset: number, physicalOffset: number, storeTimestampMs: number): void {
  setInt64(view, at + 20, queueOffset)
  setInt64(view, at + 28, physicalOffset)
  setInt64(view, at + 48 + bornHostBytes(view, at), storeTimestampMs)
}

/** Fills in the body's checksum where it was not stored: clients that look at it must find the right one. */
export function patchBodyCrc (bytes: Uint8Array, view: DataView, at: number): void {
  if (view.getInt32(at + 8) !== 0) return
  const bodyAt = at + 56 + bornHostBytes(view, at) + storeHostBytes(view, at) + 16
  view.setInt32(at + 8, bodyCrcOf(bytes.subarray(bodyAt, bodyAt + view.getInt32(bodyAt - 4))))
}

function bornHostBytes (view: DataView, at: number): number {
  return (view.getInt32(at + 36) & SysFlag.bornHostV6) !== 0 ? 20 : 8
}

function storeHostBytes (view: DataView, at: number): number {
  return (view.getInt32(at + 36) & SysFlag.storeHostV6) !== 0 ? 20 : 8
}

/** Sets how often the message at `at` was delivered before. */
export function patchReconsumeTimes (view: DataView, at: number, reconsumeTimes: number): void {
  view.setInt32(at + 56 + bornHostBytes(view, at) + storeHostBytes(view, at), reconsumeTimes)
}
