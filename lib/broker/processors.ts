import { RequestCode, type Processor } from '../remoting/index.ts'
import type { BrokerContext } from './context.ts'
import { assignmentProcessors } from './processors/assignments.ts'
import { clientProcessors } from './processors/clients.ts'
import { configurationProcessors } from './processors/configuration.ts'
import { connectionProcessors } from './processors/connections.ts'
import { deadLetterProcessors } from './processors/dead-letters.ts'
import { groupProcessors } from './processors/groups.ts'
import { leadershipProcessors } from './processors/leadership.ts'
import { lockProcessors } from './processors/locks.ts'
import { messageProcessors } from './processors/messages.ts'
import { nodeProcessors } from './processors/nodes.ts'
import { offsetProcessors } from './processors/offsets.ts'
import { popAckProcessors } from './processors/pop-acks.ts'
import { popProcessors } from './processors/pop.ts'
import { progressProcessors } from './processors/progress.ts'
import { pullProcessors } from './processors/pull.ts'
import { recallProcessors } from './processors/recall.ts'
import { relayedProcessors } from './processors/relayed.ts'
import { replyProcessors } from './processors/reply.ts'
import { sendBackProcessors } from './processors/send-back.ts'
import { sendProcessors } from './processors/send.ts'
import { transactionProcessors } from './processors/transactions.ts'
import { topicProcessors } from './processors/topics.ts'

/** Who answers what. */
export function processorsOf (context: BrokerContext): Readonly<Record<number, Processor>> {
  const { send } = sendProcessors(context)
  const { reply } = replyProcessors(context)
  const { sendBack } = sendBackProcessors(context)
  const { recall } = recallProcessors(context)
  const { pull } = pullProcessors(context)
  const pops = popProcessors(context)
  const popAcks = popAckProcessors(context)
  const assignments = assignmentProcessors(context)
  const clients = clientProcessors(context)
  const offsets = offsetProcessors(context)
  const locks = lockProcessors(context)
  const messages = messageProcessors(context)
  const topics = topicProcessors(context)
  const groups = groupProcessors(context)
  const connections = connectionProcessors(context)
  const progress = progressProcessors(context)
  const relayed = relayedProcessors(context)
  const configuration = configurationProcessors(context)
  const transactions = transactionProcessors(context)
  const { elect } = leadershipProcessors(context)
  const nodes = nodeProcessors(context)
  const deadLetters = deadLetterProcessors(context)
  return {
    [RequestCode.SEND_MESSAGE]: send,
    [RequestCode.SEND_MESSAGE_V2]: send,
    [RequestCode.SEND_BATCH_MESSAGE]: send,
    [RequestCode.SEND_REPLY_MESSAGE]: reply,
    [RequestCode.SEND_REPLY_MESSAGE_V2]: reply,
    [RequestCode.CONSUMER_SEND_MSG_BACK]: sendBack,
    [RequestCode.RECALL_MESSAGE]: recall,
    [RequestCode.END_TRANSACTION]: transactions.end,
    [RequestCode.RESUME_CHECK_HALF_MESSAGE]: transactions.resume,
    [RequestCode.PULL_MESSAGE]: pull,
    [RequestCode.LITE_PULL_MESSAGE]: pull,

    [RequestCode.POP_MESSAGE]: pops.pop,
    [RequestCode.PEEK_MESSAGE]: pops.peek,
    [RequestCode.NOTIFICATION]: pops.notify,
    [RequestCode.POLLING_INFO]: pops.polling,
    [RequestCode.ACK_MESSAGE]: popAcks.ack,
    [RequestCode.BATCH_ACK_MESSAGE]: popAcks.batchAck,
    [RequestCode.CHANGE_MESSAGE_INVISIBLETIME]: popAcks.changeInvisible,
    [RequestCode.QUERY_ASSIGNMENT]: assignments.query,
    [RequestCode.SET_MESSAGE_REQUEST_MODE]: assignments.setMode,
    [RequestCode.GET_ALL_MESSAGE_REQUEST_MODE]: assignments.allModes,

    [RequestCode.HEART_BEAT]: clients.heartbeat,
    [RequestCode.UNREGISTER_CLIENT]: clients.unregister,
    [RequestCode.GET_CONSUMER_LIST_BY_GROUP]: clients.consumerList,
    [RequestCode.CHECK_CLIENT_CONFIG]: clients.checkConfig,

    [RequestCode.QUERY_CONSUMER_OFFSET]: offsets.query,
    [RequestCode.UPDATE_CONSUMER_OFFSET]: offsets.update,
    [RequestCode.SEARCH_OFFSET_BY_TIMESTAMP]: offsets.search,
    [RequestCode.GET_MAX_OFFSET]: offsets.max,
    [RequestCode.GET_MIN_OFFSET]: offsets.min,
    [RequestCode.GET_EARLIEST_MSG_STORETIME]: offsets.earliestStoreTime,
    [RequestCode.LOCK_BATCH_MQ]: locks.lock,
    [RequestCode.UNLOCK_BATCH_MQ]: locks.unlock,

    [RequestCode.QUERY_MESSAGE]: messages.byKey,
    [RequestCode.VIEW_MESSAGE_BY_ID]: messages.view,
    [RequestCode.QUERY_CONSUME_QUEUE]: messages.units,

    [RequestCode.UPDATE_AND_CREATE_TOPIC]: topics.put,
    [RequestCode.UPDATE_AND_CREATE_TOPIC_LIST]: topics.putList,
    [RequestCode.DELETE_TOPIC_IN_BROKER]: topics.remove,
    [RequestCode.GET_TOPIC_CONFIG]: topics.get,
    [RequestCode.GET_ALL_TOPIC_CONFIG]: topics.getAll,
    [RequestCode.GET_TOPIC_STATS_INFO]: topics.stats,
    [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER]: topics.systemList,
    [RequestCode.CLEAN_EXPIRED_CONSUMEQUEUE]: topics.tidy,
    [RequestCode.CLEAN_UNUSED_TOPIC]: topics.tidy,
    [RequestCode.DELETE_EXPIRED_COMMITLOG]: topics.removeExpired,

    [RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP]: groups.put,
    [RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST]: groups.putList,
    [RequestCode.DELETE_SUBSCRIPTIONGROUP]: groups.remove,
    [RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG]: groups.get,
    [RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG]: groups.getAll,

    [RequestCode.GET_CONSUMER_CONNECTION_LIST]: connections.consumers,
    [RequestCode.GET_PRODUCER_CONNECTION_LIST]: connections.producers,
    [RequestCode.GET_ALL_PRODUCER_INFO]: connections.allProducers,
    [RequestCode.QUERY_TOPIC_CONSUME_BY_WHO]: connections.groupsOfTopic,
    [RequestCode.QUERY_TOPICS_BY_CONSUMER]: connections.topicsOfGroup,
    [RequestCode.QUERY_SUBSCRIPTION_BY_CONSUMER]: connections.subscription,

    [RequestCode.GET_CONSUME_STATS]: progress.consumeStats,
    [RequestCode.GET_BROKER_CONSUME_STATS]: progress.allConsumeStats,
    [RequestCode.INVOKE_BROKER_TO_RESET_OFFSET]: progress.reset,
    [RequestCode.CLONE_GROUP_OFFSET]: progress.clone,
    [RequestCode.QUERY_CORRECTION_OFFSET]: progress.corrections,
    [RequestCode.QUERY_CONSUME_TIME_SPAN]: progress.timeSpan,
    [RequestCode.GET_ALL_CONSUMER_OFFSET]: progress.allOffsets,
    [RequestCode.GET_ALL_DELAY_OFFSET]: progress.delayOffsets,
    [RequestCode.VIEW_BROKER_STATS_DATA]: progress.statsData,

    [RequestCode.GET_CONSUMER_RUNNING_INFO]: relayed.runningInfo,
    [RequestCode.CONSUME_MESSAGE_DIRECTLY]: relayed.consumeDirectly,
    [RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS]: relayed.status,

    [RequestCode.ELECT_MASTER]: elect,
    [RequestCode.ADD_BROKER]: nodes.add,
    [RequestCode.REMOVE_BROKER]: nodes.remove,
    [RequestCode.RESEND_DEAD_LETTERS]: deadLetters.resend,

    [RequestCode.UPDATE_BROKER_CONFIG]: configuration.update,
    [RequestCode.GET_BROKER_CONFIG]: configuration.get,
    [RequestCode.GET_BROKER_RUNTIME_INFO]: configuration.runtime
  }
}
