import { RequestCode, type Processor } from '../remoting/index.ts'
import type { BrokerContext } from './context.ts'
import { clientProcessors } from './processors/clients.ts'
import { offsetProcessors } from './processors/offsets.ts'
import { pullProcessors } from './processors/pull.ts'
import { sendProcessors } from './processors/send.ts'

/** Who answers what. */
export function processorsOf (context: BrokerContext): Readonly<Record<number, Processor>> {
  const { send } = sendProcessors(context)
  const { pull } = pullProcessors(context)
  const clients = clientProcessors(context)
  const offsets = offsetProcessors(context)
  return {
    [RequestCode.SEND_MESSAGE]: send,
    [RequestCode.SEND_MESSAGE_V2]: send,
    [RequestCode.SEND_BATCH_MESSAGE]: send,
    [RequestCode.PULL_MESSAGE]: pull,
    [RequestCode.LITE_PULL_MESSAGE]: pull,

    [RequestCode.HEART_BEAT]: clients.heartbeat,
    [RequestCode.UNREGISTER_CLIENT]: clients.unregister,
    [RequestCode.GET_CONSUMER_LIST_BY_GROUP]: clients.consumerList,
    [RequestCode.CHECK_CLIENT_CONFIG]: clients.checkConfig,

    [RequestCode.QUERY_CONSUMER_OFFSET]: offsets.query,
    [RequestCode.UPDATE_CONSUMER_OFFSET]: offsets.update,
    [RequestCode.SEARCH_OFFSET_BY_TIMESTAMP]: offsets.search,
    [RequestCode.GET_MAX_OFFSET]: offsets.max,
    [RequestCode.GET_MIN_OFFSET]: offsets.min,
    [RequestCode.GET_EARLIEST_MSG_STORETIME]: offsets.earliestStoreTime
  }
}
