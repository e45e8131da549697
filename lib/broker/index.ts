export { Broker, type BrokerOptions } from './broker.ts'
export { defaultBrokerLimits, type BrokerLimits } from './limits.ts'
export type { BrokerNames } from './system-topics.ts'
