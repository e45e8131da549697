/** What a name server is told; names are RocketMQ's, `routeInfoPathExpiredTime` is the article's. Times in ms. */
export interface NameServerSettings {
  /** Between two looks for brokers that are silent. */
  readonly scanNotActiveBrokerInterval: number
  /** A broker silent for longer is taken out, unless it registered with a time of its own. */
  readonly routeInfoPathExpiredTime: number
  /** Routes carry the order configuration of their topic. */
  readonly orderMessageEnable: boolean
  /** Registering brokers are told the order configuration of topics. */
  readonly returnOrderTopicConfigToBroker: boolean
  readonly enableAllTopicList: boolean
  readonly enableTopicList: boolean
  /** A topic that a broker no longer registers leaves its routes. */
  readonly deleteTopicWithBrokerRegistration: boolean
  /** No routes are given out until `waitSecondsForService` after the start. */
  readonly needWaitForService: boolean
  readonly waitSecondsForService: number
  /** Routes name the lowest slave as master where there is none and the broker allows it. */
  readonly supportActingMaster: boolean
  /** Brokers are told when the lowest id of their name changes. */
  readonly notifyMinBrokerIdChanged: boolean
}

export const defaultSettings: NameServerSettings = {
  scanNotActiveBrokerInterval: 5000,
  routeInfoPathExpiredTime: 120_000,
  orderMessageEnable: false,
  returnOrderTopicConfigToBroker: true,
  enableAllTopicList: true,
  enableTopicList: true,
  deleteTopicWithBrokerRegistration: false,
  needWaitForService: false,
  waitSecondsForService: 45,
  supportActingMaster: false,
  notifyMinBrokerIdChanged: false
}

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
  maxTopicsPerBroker: 100_000,
  maxRoutes: 1_000_000,
  maxRegisterBodyBytes: 16 * 1024 * 1024,
  maxKvConfigBytes: 4 * 1024 * 1024
}
