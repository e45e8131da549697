import { defineRequest, int, long, optional, text } from '../header-codec.ts'
import { RequestCode } from '../request-code.ts'

/**
 * 1002 ELECT_MASTER
 *
 *     clusterName  S?
 *     brokerName   S
 *     brokerId     L   who is to be the master
 *     -> masterBrokerId  L?
 *     -> masterAddress   S?
 *     -> masterEpoch     I?
 *
 * @see RocketMQ ElectMasterRequestHeader
 */
export const electMaster = defineRequest(RequestCode.ELECT_MASTER, { clusterName: optional(text), brokerName: text, brokerId: long },
  { masterBrokerId: optional(long), masterAddress: optional(text), masterEpoch: optional(int) })
