/** Bounds of what clients can make a broker keep, beside those that are configuration. */
export interface BrokerLimits {
  /** Topics, those of retries included, are not made on the way beyond so many. */
  readonly maxTopics: number
  /** Groups likewise. */
  readonly maxGroups: number
  readonly maxHeartbeatBytes: number
  /** Half messages that wait for their producers; further ones are answered SYSTEM_BUSY. */
  readonly maxHalfMessages: number
  /** Producer and consumer groups of one connection. */
  readonly maxGroupsPerClient: number
  /** Of a client's id, or of a producer group, which exists nowhere else. */
  readonly maxNameCharacters: number
  readonly maxSubscriptionsPerGroup: number
  /** Queues that one answer tells of; it would not fit into a frame beyond. */
  readonly maxQueuesPerAnswer: number
}

export const defaultBrokerLimits: BrokerLimits = {
  maxTopics: 100_000,
  maxGroups: 100_000,
  maxHeartbeatBytes: 1024 * 1024,
  maxHalfMessages: 1_000_000,
  maxGroupsPerClient: 1024,
  maxNameCharacters: 1020,
  maxSubscriptionsPerGroup: 4096,
  maxQueuesPerAnswer: 131_072,
}
