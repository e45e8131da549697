/**
 * The 32-bit hash by which consume queues filter tags: Java's `String.hashCode` over UTF-16 code units, 0 for no tag.
 * @see RocketMQ MessageExtBrokerInner.tagsString2tagsCode
 */
export function tagsCodeOf (tags: string): number {
  let hash = 0
  for (let i = 0; i < tags.length; i++) hash = (Math.imul(hash, 31) + tags.charCodeAt(i)) | 0
  return hash
}
