import { getInt64, viewOf } from '../base/index.ts'
import { ENTRY_HEADER_BYTES } from '../log/index.ts'
import type { RaftEntry } from '../raft/index.ts'

// Where log/entry.ts keeps what apply needs of a header that was verified before.
const STAMP_AT = 48
const BODY_BYTES_AT = 56

/** The body of an entry whose header was verified, a view on its bytes. */
export function bodyOf ({ bytes }: RaftEntry): Uint8Array {
  const bodyBytes = viewOf(bytes).getUint32(BODY_BYTES_AT)
  return bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + bodyBytes)
}

export function stampMsOf ({ bytes }: RaftEntry): number {
  return getInt64(viewOf(bytes), STAMP_AT)
}
