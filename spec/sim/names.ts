import { viewOf } from '../../lib/base/index.ts'

/** Messages that come to their queue when they are stored, one by one and in batches; each body begins with the id of its request. */
export const PRIMARY_TOPICS: readonly string[] = ['sim', 'bulk']
/** Messages that come later. */
export const LATER = 'later'
/** Comes and goes. */
export const TEMPORARY = 'temporary'
/** Consume by lease, by offset under locks, and by being moved about. */
export const GROUPS: readonly string[] = ['workers', 'readers', 'moved']
export const QUEUES = 2
export const RETRY_TOPIC = '%RETRY%workers'
export const DEAD_LETTER_TOPIC = '%DLQ%workers'

const ID_BYTES = 4

/** A body tells its request, in every byte. */
export function bodyFor (id: number, extraBytes: number): Uint8Array {
  const body = new Uint8Array(ID_BYTES + extraBytes).fill(id & 0xff)
  viewOf(body).setUint32(0, id)
  return body
}

export const idOf = (body: Uint8Array): number => viewOf(body).getUint32(0)

export function isWhole (body: Uint8Array): boolean {
  const byte = idOf(body) & 0xff
  return body.subarray(ID_BYTES).every((other) => other === byte)
}
