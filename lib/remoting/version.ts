/**
 * Versions as they travel: the ordinal of RocketMQ's enum, not a number anybody would print. Clients gate what they ask
 * for on the broker's ordinal, and a broker what it sends on the client's.
 * @see RocketMQ MQVersion
 */
export const Version = {
  V3_0_7_SNAPSHOT: 28,
  V3_1_8_SNAPSHOT: 62,
  V3_4_9: 121,
  V4_1_0_SNAPSHOT: 232,
  V4_9_3: 399,
  V4_9_4: 401,
  V5_0_0: 413,
  V5_3_1: 475,
  V5_3_3: 479
} as const

/** What we say we are. Clients that see less than 401 fall back to older forms, above 479 they may expect newer ones. */
export const ADVERTISED_VERSION: number = Version.V5_3_3

/** From which version of the peer on something holds; each names what it decides. */
export const VersionGate = {
  /** A broker sends 220 and 221 to a client. */
  resetOffsetPush: Version.V3_0_7_SNAPSHOT,
  /** A broker relays 307 and 309 to a client. */
  relayedRequests: Version.V3_1_8_SNAPSHOT,
  /** A sender's maxReconsumeTimes counts. */
  maxReconsumeTimes: Version.V3_4_9,
  /** A name server may answer 105 with standard JSON (quoted keys). */
  standardJsonRoute: Version.V4_9_4,
  /** A compressed registration ends with a section of queue mappings. */
  registrationWithMappings: Version.V5_0_0,
  /** The requester understands GO_AWAY. */
  goAway: Version.V5_3_1 + 1
} as const
