import { RequestCode } from '../request-code.ts'
import { defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 12 QUERY_MESSAGE: by message key
 *
 *     topic                        S
 *     key                          S
 *     maxNum                       I
 *     beginTimestamp               L   ms
 *     endTimestamp                 L   ms; tools send the largest long
 *     _UNIQUE_KEY_QUERY            S?  true: the key is a UNIQ_KEY
 *     -> indexLastUpdateTimestamp  L
 *     -> indexLastUpdatePhyoffset  L
 *     -> body: records back to back; none: code 22
 *
 * @see RocketMQ QueryMessageRequestHeader
 */
export const queryMessage = defineRequest(RequestCode.QUERY_MESSAGE,
  { topic: text, key: text, maxNum: int, beginTimestamp: long, endTimestamp: long, _UNIQUE_KEY_QUERY: optional(text) },
  { indexLastUpdateTimestamp: long, indexLastUpdatePhyoffset: long })

/**
 * 33 VIEW_MESSAGE_BY_ID
 *
 *     offset  L   physicalOffset
 *     topic   S?
 *     -> body: one record
 *
 * @see RocketMQ ViewMessageRequestHeader
 */
export const viewMessageById = defineRequest(RequestCode.VIEW_MESSAGE_BY_ID, { offset: long, topic: optional(text) })
