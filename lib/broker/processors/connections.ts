import {
  failure, getConsumerConnectionList, getProducerConnectionList, languageName, querySubscriptionByConsumer, queryTopicConsumeByWho, queryTopicsByConsumer, ResponseCode, withBody, type Processor
} from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import type { Member } from '../member.ts'
import { subscriptionFields } from '../subscription.ts'

/** Who is connected, and what consumes what. @see RocketMQ AdminBrokerProcessor */
export function connectionProcessors ({ clock, engine, clients, address }: BrokerContext) {
  const { consumerOffsets } = engine.store

  const consumers: Processor = (request) => {
    const { consumerGroup } = getConsumerConnectionList.request.decode(request)
    const group = clients.consumerGroup(consumerGroup)
    if (group === undefined || group.members.size === 0) return failure(ResponseCode.CONSUMER_NOT_ONLINE, `the consumer group[${consumerGroup}] not online`)
    const { consumeType, messageModel, consumeFromWhere, subscriptions, members } = group
    return withBody({
      connectionSet: [...members.values()].map(connectionFields),
      consumeFromWhere,
      consumeType,
      messageModel,
      subscriptionTable: new Map([...subscriptions].map(([topic, subscription]) => [topic, subscriptionFields(subscription)]))
    })
  }

  const producers: Processor = (request) => {
    const { producerGroup } = getProducerConnectionList.request.decode(request)
    const members = clients.producerGroups.get(producerGroup)
    return members === undefined
      ? failure(ResponseCode.SYSTEM_ERROR, `the producer group[${producerGroup}] not exist`)
      : withBody({ connectionSet: [...members.values()].map(connectionFields) })
  }

  const allProducers: Processor = () => withBody({
    data: new Map([...clients.producerGroups].map(([group, members]) => [group, [...members.values()].map(({ clientId, language, version, updatedAtMs, connection }) => ({
      clientId, language: languageName(language), version, remoteIP: connection.peer.host, lastUpdateTimestamp: Math.round(clock.wallMs() - (clock.nowMs() - updatedAtMs))
    }))]))
  })

  /** Who consumes the topic, at present or until not long ago. */
  const groupsOfTopic: Processor = (request) => {
    const { topic } = queryTopicConsumeByWho.request.decode(request)
    const found = new Set<string>()
    for (const [name, { subscriptions }] of clients.consumerGroups) if (subscriptions.has(topic)) found.add(name)
    for (const group of consumerOffsets.groups()) if (consumerOffsets.offsetsOf(group).has(topic)) found.add(group)
    return withBody({ groupList: [...found] })
  }

  const topicsOfGroup: Processor = (request) => {
    const { group } = queryTopicsByConsumer.request.decode(request)
    return withBody({ brokerAddr: address, topicList: [...consumerOffsets.offsetsOf(group).keys()] })
  }

  const subscription: Processor = (request) => {
    const { group, topic } = querySubscriptionByConsumer.request.decode(request)
    const found = topic === undefined ? undefined : clients.consumerGroup(group)?.subscriptions.get(topic)
    return withBody({ group, topic, subscriptionData: found && subscriptionFields(found) })
  }

  return { consumers, producers, allProducers, groupsOfTopic, topicsOfGroup, subscription }
}

function connectionFields ({ clientId, language, version, connection }: Member) {
  return { clientAddr: connection.peerText, clientId, language: languageName(language), version }
}
