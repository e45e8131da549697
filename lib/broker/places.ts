import { RequestCode } from '../remoting/index.ts'

/**
 * Requests that any node answers from what it has: its clients, its settings and figures, and what was applied here.
 * All others are the leader's: they change state, or are to see every change made before.
 */
export const answeredByEveryNode: ReadonlySet<number> = new Set<number>([
  // clients send heartbeats to all nodes
  RequestCode.HEART_BEAT,
  RequestCode.UNREGISTER_CLIENT,
  RequestCode.GET_CONSUMER_LIST_BY_GROUP,
  RequestCode.CHECK_CLIENT_CONFIG,
  RequestCode.GET_CONSUMER_CONNECTION_LIST,
  RequestCode.GET_PRODUCER_CONNECTION_LIST,
  RequestCode.GET_ALL_PRODUCER_INFO,
  RequestCode.QUERY_SUBSCRIPTION_BY_CONSUMER,
  RequestCode.GET_CONSUMER_RUNNING_INFO,
  RequestCode.CONSUME_MESSAGE_DIRECTLY,
  RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
  // see pull.ts
  RequestCode.PULL_MESSAGE,
  RequestCode.LITE_PULL_MESSAGE,
  RequestCode.VIEW_MESSAGE_BY_ID,
  RequestCode.QUERY_MESSAGE,
  RequestCode.QUERY_CONSUME_QUEUE,
  RequestCode.GET_ALL_TOPIC_CONFIG,
  RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
  RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
  RequestCode.GET_ALL_CONSUMER_OFFSET,
  RequestCode.GET_ALL_DELAY_OFFSET,
  RequestCode.VIEW_BROKER_STATS_DATA,
  RequestCode.ELECT_MASTER,
  RequestCode.UPDATE_BROKER_CONFIG,
  RequestCode.GET_BROKER_CONFIG,
  RequestCode.GET_BROKER_RUNTIME_INFO
])

/** Answers that must not miss what was confirmed anywhere before: the leader makes sure that it still leads. */
export const linearizable: ReadonlySet<number> = new Set<number>([
  RequestCode.QUERY_CONSUMER_OFFSET,
  RequestCode.SEARCH_OFFSET_BY_TIMESTAMP,
  RequestCode.GET_MAX_OFFSET,
  RequestCode.GET_MIN_OFFSET,
  RequestCode.GET_EARLIEST_MSG_STORETIME,
  RequestCode.GET_TOPIC_CONFIG,
  RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG,
  RequestCode.GET_TOPIC_STATS_INFO,
  RequestCode.GET_CONSUME_STATS,
  RequestCode.GET_BROKER_CONSUME_STATS,
  RequestCode.QUERY_CORRECTION_OFFSET,
  RequestCode.QUERY_CONSUME_TIME_SPAN
])
