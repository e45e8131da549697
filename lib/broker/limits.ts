/** Bounds of what clients can make a broker keep, beside those that are configuration. */
export interface BrokerLimits {
  /** Topics are not made on the way beyond so many. */
  readonly maxTopics: number
  /** Groups likewise. */
  readonly maxGroups: number
  readonly maxHeartbeatBytes: number
  /** Producer and consumer groups of one connection. */
  readonly maxGroupsPerClient: number
  readonly maxSubscriptionsPerGroup: number
}

export const defaultBrokerLimits: BrokerLimits = {
  maxTopics: 100_000,
  maxGroups: 100_000,
  maxHeartbeatBytes: 1024 * 1024,
  maxGroupsPerClient: 1024,
  maxSubscriptionsPerGroup: 4096,
}
