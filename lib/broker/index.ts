export { Broker, type BrokerOptions } from './broker.ts'
export { defaultBrokerLimits, type BrokerLimits } from './limits.ts'
export { openAlone, type BrokerNode, type NodeOfGroup } from './node.ts'
export type { BrokerNames } from './system-topics.ts'
