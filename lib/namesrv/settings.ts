import type { NamesrvConfig } from '../config/index.ts'

/** What of the configuration a name server acts on; whoever starts it sees to the rest. Times in ms. */
export type NameServerSettings = Pick<NamesrvConfig,
  'scanNotActiveBrokerInterval' | 'routeInfoPathExpiredTime' | 'orderMessageEnable' | 'returnOrderTopicConfigToBroker' | 'enableAllTopicList' |
  'enableTopicList' | 'deleteTopicWithBrokerRegistration' | 'needWaitForService' | 'waitSecondsForService' | 'supportActingMaster' |
  'notifyMinBrokerIdChanged' | 'kvConfigPath'>

/** Bounds of what a name server keeps, whoever registers. */
export interface NameServerLimits {
  /** Nodes, of all broker names. */
  readonly maxBrokers: number
  readonly maxTopicsPerBroker: number
  /** Pairs of topic and broker name. */
  readonly maxRoutes: number
  /** Of a registration, also unfolded. */
  readonly maxRegisterBodyBytes: number
  /** Of the key-value table, as it is in its file. */
  readonly maxKvConfigBytes: number
}

export const defaultLimits: NameServerLimits = {
  maxBrokers: 4096,
  maxTopicsPerBroker: 250_000,
  maxRoutes: 1_000_000,
  maxRegisterBodyBytes: 64 * 1024 * 1024,
  maxKvConfigBytes: 4 * 1024 * 1024
}
