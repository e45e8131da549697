import type { RegisterBody } from './register-body.ts'

/** Who asks: on every request of a broker. */
export interface BrokerIdentity {
  readonly clusterName: string
  readonly brokerName: string
  readonly brokerAddr: string
  readonly brokerId: number
}

/** What a broker says of itself with REGISTER_BROKER. */
export interface Registration extends BrokerIdentity {
  readonly haServerAddr: string
  readonly zoneName: string | undefined
  /** After how long without a word it counts as gone; undefined: as long as the name server's setting says. */
  readonly heartbeatTimeoutMillis: number | undefined
  /** Undefined: a broker from before 5.0, which knows nothing of acting masters. */
  readonly enableActingMaster: boolean | undefined
  readonly body: RegisterBody
}

/**
 * `accepted`: it is in the table. `stale`: another node holds the place with a later state version; nothing was changed, and
 * RocketMQ tells the broker no more than that all is well. `refused`: nothing was changed, for the reason given.
 */
export type RegistrationResult =
  | { readonly kind: 'accepted', /** Of the master, for slaves. */ readonly masterAddr: string | undefined, readonly haServerAddr: string | undefined }
  | { readonly kind: 'stale' }
  | { readonly kind: 'refused', readonly reason: string }

/** The lowest id of a broker name has changed: who shall be told what. */
export interface MinBrokerIdChange {
  readonly brokerName: string
  readonly minBrokerId: number
  readonly minBrokerAddr: string
  /** The node that went, if one did. */
  readonly offlineBrokerAddr: string | undefined
  /** Of the node that came, if one did. */
  readonly haBrokerAddr: string | undefined
  readonly addrsToTell: readonly string[]
}
