import type { JsonFields } from '../message/index.ts'
import { topicQueueMappingFields, type TopicQueueMapping } from './topic-queue-mapping.ts'

export const PERM_WRITE = 2
export const PERM_READ = 4
export const MASTER_ID = 0

/** Queues of one topic on one broker. @see RocketMQ QueueData */
export interface QueueData {
  readonly brokerName: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly perm: number
  readonly topicSysFlag: number
}

/** Where the nodes of one broker name are. @see RocketMQ BrokerData */
export interface BrokerData {
  readonly cluster: string
  readonly brokerName: string
  /** By broker id, lowest first; 0 is the master. */
  readonly brokerAddrs: ReadonlyMap<number, string>
  readonly enableActingMaster: boolean
  readonly zoneName: string | undefined
}

/** What clients are told of a topic. @see RocketMQ TopicRouteData */
export interface TopicRoute {
  readonly brokerDatas: readonly BrokerData[]
  readonly queueDatas: readonly QueueData[]
  /** By address of a broker. */
  readonly filterServerTable: ReadonlyMap<string, readonly string[]>
  readonly topicQueueMappingByBroker: ReadonlyMap<string, TopicQueueMapping> | undefined
}

/**
 * The route with the lowest slave in its master's place, for brokers that allow it, have no master, and whose queues of the
 * topic cannot be written (so that nobody sends to it).
 */
export function withActingMasters (route: TopicRoute): TopicRoute {
  const acts = ({ brokerName, brokerAddrs, enableActingMaster }: BrokerData): boolean =>
    enableActingMaster && brokerAddrs.size > 0 && !brokerAddrs.has(MASTER_ID) &&
    route.queueDatas.some((queue) => queue.brokerName === brokerName && (queue.perm & PERM_WRITE) === 0)
  return { ...route, brokerDatas: route.brokerDatas.map((broker) => acts(broker) ? actingAsMaster(broker) : broker) }
}

function actingAsMaster (broker: BrokerData): BrokerData {
  const [[, lowest], ...others] = [...broker.brokerAddrs] as [[number, string], ...Array<[number, string]>]
  return { ...broker, brokerAddrs: new Map([[MASTER_ID, lowest], ...others]) }
}

/** What of the route is near: brokers of that zone, and those without a master, wherever they are. */
export function inZone (route: TopicRoute, zoneName: string): TopicRoute {
  const wanted = zoneName.toLowerCase()
  const far = route.brokerDatas.filter((broker) => broker.brokerAddrs.has(MASTER_ID) && broker.zoneName?.toLowerCase() !== wanted)
  const farNames = new Set(far.map(({ brokerName }) => brokerName))
  const farAddrs = new Set(far.flatMap(({ brokerAddrs }) => [...brokerAddrs.values()]))
  return {
    ...route,
    brokerDatas: route.brokerDatas.filter(({ brokerName }) => !farNames.has(brokerName)),
    queueDatas: route.queueDatas.filter(({ brokerName }) => !farNames.has(brokerName)),
    filterServerTable: new Map([...route.filterServerTable].filter(([addr]) => !farAddrs.has(addr)))
  }
}

export function brokerDataFields ({ cluster, brokerName, brokerAddrs, enableActingMaster, zoneName }: BrokerData): JsonFields {
  return { cluster, brokerName, brokerAddrs, enableActingMaster, zoneName }
}

export function topicRouteFields ({ brokerDatas, queueDatas, filterServerTable, topicQueueMappingByBroker }: TopicRoute, orderTopicConf: string | undefined): JsonFields {
  return {
    brokerDatas: brokerDatas.map(brokerDataFields),
    filterServerTable,
    orderTopicConf,
    queueDatas: queueDatas as readonly (QueueData & JsonFields)[],
    topicQueueMappingByBroker: topicQueueMappingByBroker && new Map([...topicQueueMappingByBroker].map(([name, mapping]) => [name, topicQueueMappingFields(mapping)]))
  }
}
