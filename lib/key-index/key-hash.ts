export const PRIME = 0x01000193
const SEPARATOR = 0x23

/** Mixes in the bytes at [from, to). */
function mix (hash: number, bytes: Uint8Array, from: number, to: number): number {
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, PRIME)
  return hash
}

/** What all keys of a topic begin with. `seed` differs from group to group. */
export function hashOfTopic (seed: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  return Math.imul(mix(seed, bytes, from, to) ^ SEPARATOR, PRIME)
}

/** 32 bits, unsigned, of topic and key. */
export function hashOfKey (topicHash: number, bytes: Uint8Array): number { return finishHash(mix(topicHash, bytes, 0, bytes.length)) }

/** Spreads what was mixed over all bits. */
export function finishHash (hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
