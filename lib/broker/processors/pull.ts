import type { TopicConfig } from '../../message/index.ts'
import { failure, PullMessageHeader, PullSysFlag, RequestCode, ResponseCode, encodePullResponse, PullStatus, updateConsumerOffset, type Processor, type RemotingConnection, type RemotingFrame, type RemotingResponse } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { BROADCASTING } from '../heartbeat.ts'
import { PullRequest } from '../pull-request.ts'
import { Expressions, SubscriptionSyntaxError, TAG, type Wanted } from '../subscription.ts'
import { Perm } from '../system-topics.ts'

/** The leader is to answer: it may know what has not come here yet. */
const LEADER = Symbol('leader')

/**
 * 11 PULL_MESSAGE, 361 LITE_PULL_MESSAGE. Checks come in RocketMQ's order.
 * @see RocketMQ PullMessageProcessor
 */
export function pullProcessors (context: BrokerContext): { readonly pull: Processor } {
  const { engine, config, groups, pulls, clients, forwarding } = context
  const header = new PullMessageHeader()
  const expressions = new Expressions()

  const pull: Processor = (request, connection) => {
    header.read(request)
    const refusal = groupRefusal(request, connection)
    if (refusal !== undefined) return refusal === LEADER ? forwarding.forward(request, connection) : refusal
    return pullChecked(request, connection)
  }

  function groupRefusal (request: RemotingFrame, connection: RemotingConnection): RemotingResponse | Promise<RemotingResponse | undefined> | typeof LEADER | undefined {
    const { values } = config
    if ((values.brokerPermission & Perm.read) === 0) return failure(ResponseCode.NO_PERMISSION, `the broker's brokerPermission ${values.brokerPermission} does not allow to read`)
    if (request.code === RequestCode.LITE_PULL_MESSAGE && !values.litePullMessageEnable) return failure(ResponseCode.NO_PERMISSION, 'lite pull consumers are not served (litePullMessageEnable=false)')
    const { consumerGroup } = header
    const group = groups.find(consumerGroup)
    if (group === undefined) return engine.role.isLeader ? makeGroup(request, connection, consumerGroup) : LEADER
    return group.consumeEnable ? undefined : failure(ResponseCode.NO_PERMISSION, `consumption by group ${consumerGroup} is switched off (consumeEnable=false)`)
  }

  /** The first pull of a group makes it, unless its heartbeat has. */
  async function makeGroup (request: RemotingFrame, connection: RemotingConnection, name: string): Promise<RemotingResponse | undefined> {
    if (await groups.ensure(name) === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group [${name}] does not exist and is not made on the way`)
    header.read(request)
    return pullChecked(request, connection)
  }

  function pullChecked (request: RemotingFrame, connection: RemotingConnection): RemotingResponse | undefined {
    const { values } = config
    const { consumerGroup, topic, queueId, queueOffset, sysFlag } = header
    const topicConfig = context.topics.find(topic)
    const { isLeader } = engine.role
    if (!isLeader && isForLeader(topicConfig)) return forwarding.forward(request, connection)
    if (topicConfig === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `topic[${topic}] not exist, apply first please!`)
    if ((topicConfig.perm & Perm.read) === 0) return failure(ResponseCode.NO_PERMISSION, `topic ${topic} is not to be read (perm ${topicConfig.perm})`)
    if (queueId < 0 || queueId >= topicConfig.readQueueNums) return failure(ResponseCode.INVALID_PARAMETER, `queueId ${queueId} is illegal: topic ${topic} has ${topicConfig.readQueueNums} queues to read`)
    const wanted = wantedMessages(connection, consumerGroup, topic, sysFlag)
    if (wanted instanceof Refusal) return wanted.answer
    if ((sysFlag & PullSysFlag.commitOffset) !== 0) commit(connection, isLeader)
    const resetTo = engine.offsets.takeReset({ group: consumerGroup, topic, queueId })
    if (resetTo !== undefined) return answerReset(request, connection, topic, queueId, resetTo)
    const mayWait = (sysFlag & PullSysFlag.suspend) !== 0
    pulls.serve(new PullRequest(
      connection, request, consumerGroup, topic, queueId, queueOffset,
      Math.max(1, Math.min(header.maxMsgNums, values.maxTransferCountOnMessageInMemory)),
      header.maxMsgBytes > 0 ? Math.min(header.maxMsgBytes, values.maxTransferBytesOnMessageInMemory) : values.maxTransferBytesOnMessageInMemory,
      wanted,
      mayWait ? (values.longPollingEnable ? header.suspendTimeoutMs : values.shortPollingTimeMills) : -1))
    return undefined
  }

  /** Where a node that does not lead cannot know enough: what is new comes to it later, and a reset is told once. */
  function isForLeader (topicConfig: TopicConfig | undefined): boolean {
    const { consumerGroup: group, topic, queueId } = header
    return topicConfig === undefined || queueId >= topicConfig.readQueueNums || engine.offsets.hasReset({ group, topic, queueId })
  }

  function commit (connection: RemotingConnection, isLeader: boolean): void {
    const { consumerGroup: group, topic, queueId, commitOffset } = header
    if (isLeader) {
      engine.offsets.commitSoon({ group, topic, queueId }, commitOffset, clients.clientIdOf(connection))
      return
    }
    const known = engine.store.consumerOffsets.offset(group, topic, queueId)
    if (known === commitOffset) return
    // a commit that the client makes itself goes to the leader, and may be there before this one
    forwarding.tell({ code: RequestCode.UPDATE_CONSUMER_OFFSET, extFields: updateConsumerOffset.request.encode({ consumerGroup: group, topic, queueId, commitOffset, fromOffset: known ?? -1 }) }, connection)
  }

  /** By the expression that came along, or by what the heartbeats of this consumer, or else of its group, said. */
  function wantedMessages (connection: RemotingConnection, groupName: string, topic: string, sysFlag: number): Wanted | Refusal {
    if ((sysFlag & PullSysFlag.subscription) !== 0) {
      return wantedBy(header.expressionType ?? TAG, header.subscription, ResponseCode.SUBSCRIPTION_PARSE_FAILED)
    }
    const group = clients.consumerGroup(groupName)
    if (group === undefined) return new Refusal(ResponseCode.SUBSCRIPTION_NOT_EXIST, `no consumer of group ${groupName} has sent a heartbeat: its subscriptions are not known`)
    if (group.messageModel === BROADCASTING && groups.find(groupName)?.consumeBroadcastEnable === false) return new Refusal(ResponseCode.NO_PERMISSION, `group ${groupName} may not consume by broadcasting (consumeBroadcastEnable=false)`)
    const subscription = group.subscriptionOf(connection, clients.clientIdOf(connection), topic)
    if (subscription === undefined) return new Refusal(ResponseCode.SUBSCRIPTION_NOT_EXIST, `group ${groupName} has not subscribed to topic ${topic}`)
    if (subscription.subVersion < header.subVersion) return new Refusal(ResponseCode.SUBSCRIPTION_NOT_LATEST, `the subscription of group ${groupName} to topic ${topic} is older than the consumer's`)
    return subscription.expressionType === TAG ? subscription : wantedBy(subscription.expressionType, subscription.subString, ResponseCode.FILTER_DATA_NOT_EXIST)
  }

  function wantedBy (expressionType: string, expression: string | undefined, invalid: ResponseCode): Wanted | Refusal {
    if (expressionType !== TAG && !config.values.enablePropertyFilter) return new Refusal(ResponseCode.SYSTEM_ERROR, notFiltered(expressionType))
    try {
      return expressions.wantedBy(expressionType, expression)
    } catch (error) {
      if (!(error instanceof SubscriptionSyntaxError)) throw error
      return new Refusal(invalid, error.message)
    }
  }

  function answerReset (request: RemotingFrame, connection: RemotingConnection, topic: string, queueId: number, offset: number): undefined {
    const { minOffset, maxOffset } = engine.reads.rangeOf(topic, queueId)
    const out = connection.beginResponse(request)
    if (out !== undefined) encodePullResponse(out, request, ResponseCode.PULL_OFFSET_MOVED, PullStatus.OFFSET_RESET, 0, offset, minOffset, maxOffset, undefined)
  }

  return { pull }
}

/** What clients are told that filter by what is switched off. */
export function notFiltered (expressionType: string): string {
  return `The broker does not support consumer to filter message by ${expressionType.slice(0, 100)} (enablePropertyFilter=false)`
}

class Refusal {
  readonly answer: RemotingResponse
  constructor (code: ResponseCode, remark: string) { this.answer = failure(code, remark) }
}
