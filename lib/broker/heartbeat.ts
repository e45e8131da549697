import { MqError } from '../base/index.ts'
import { jsonArray, jsonBoolean, jsonInt, jsonLimits, jsonMap, jsonText, parseJson, type JsonMap } from '../message/index.ts'
import type { BrokerLimits } from './limits.ts'
import { readSubscription, type Subscription } from './subscription.ts'

export const BROADCASTING = 'BROADCASTING'

/** A consumer group as one of its members says it is. */
export interface ConsumerSays {
  readonly group: string
  readonly consumeType: string
  readonly messageModel: string
  readonly consumeFromWhere: string
  readonly subscriptions: readonly Subscription[]
}

/**
 * The body of 34 HEART_BEAT:
 *
 *     {"clientID","consumerDataSet":[{"groupName","consumeType","messageModel","consumeFromWhere","subscriptionDataSet":[...]}],
 *      "producerDataSet":[{"groupName"}],"heartbeatFingerprint","withoutSub"}
 *
 * @see RocketMQ HeartbeatData
 */
export interface Heartbeat {
  readonly clientId: string
  readonly producerGroups: readonly string[]
  readonly consumers: readonly ConsumerSays[]
  /** 0: a heartbeat as before version 5.1. */
  readonly fingerprint: number
  /** The subscriptions are as the last heartbeat said. */
  readonly withoutSubscriptions: boolean
}

/** @throws MQ_INVALID_ARGUMENT it is malformed or beyond a limit */
export function decodeHeartbeat (bytes: Uint8Array, { maxHeartbeatBytes, maxGroupsPerClient, maxNameCharacters, maxSubscriptionsPerGroup }: BrokerLimits): Heartbeat {
  const body = jsonMap(parseJson(bytes, { ...jsonLimits, maxBytes: maxHeartbeatBytes }))
  const clientId = jsonText(body?.get('clientID'))
  if (body === undefined || clientId === undefined || clientId === '') throw new MqError('MQ_INVALID_ARGUMENT', 'the heartbeat names no clientID')
  const consumers = mapsIn(body, 'consumerDataSet')
  const producers = mapsIn(body, 'producerDataSet')
  const tooLong = [clientId, ...producers.map(groupName)].find((name) => name.length > maxNameCharacters)
  if (tooLong !== undefined) throw new MqError('MQ_INVALID_ARGUMENT', `a name in the heartbeat has more than ${maxNameCharacters} characters (maxNameCharacters): ${tooLong.slice(0, 64)}...`)
  if (consumers.length + producers.length > maxGroupsPerClient) throw new MqError('MQ_INVALID_ARGUMENT', `the heartbeat has more than ${maxGroupsPerClient} groups (maxGroupsPerClient)`)
  return {
    clientId,
    producerGroups: producers.map(groupName).filter((group) => group !== ''),
    consumers: consumers.filter((consumer) => groupName(consumer) !== '').map((consumer) => readConsumer(consumer, maxSubscriptionsPerGroup)),
    fingerprint: jsonInt(body.get('heartbeatFingerprint')) ?? 0,
    withoutSubscriptions: jsonBoolean(body.get('withoutSub')) ?? false
  }
}

function readConsumer (map: JsonMap, maxSubscriptions: number): ConsumerSays {
  const subscriptions = (jsonArray(map.get('subscriptionDataSet')) ?? []).map(readSubscription).filter((subscription) => subscription !== undefined)
  if (subscriptions.length > maxSubscriptions) throw new MqError('MQ_INVALID_ARGUMENT', `a group of the heartbeat has more than ${maxSubscriptions} subscriptions (maxSubscriptionsPerGroup)`)
  return {
    group: groupName(map),
    consumeType: jsonText(map.get('consumeType')) ?? 'CONSUME_PASSIVELY',
    messageModel: jsonText(map.get('messageModel')) ?? 'CLUSTERING',
    consumeFromWhere: jsonText(map.get('consumeFromWhere')) ?? 'CONSUME_FROM_LAST_OFFSET',
    subscriptions
  }
}

function mapsIn (body: JsonMap, name: string): JsonMap[] {
  return (jsonArray(body.get(name)) ?? []).map(jsonMap).filter((map) => map !== undefined)
}

function groupName (map: JsonMap): string {
  return jsonText(map.get('groupName')) ?? ''
}
