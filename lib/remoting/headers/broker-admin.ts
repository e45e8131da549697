import { RequestCode } from '../request-code.ts'
import { defineRequest, optional, text } from '../header-codec.ts'

/** 25 UPDATE_BROKER_CONFIG: .properties text in the body. */
export const updateBrokerConfig = defineRequest(RequestCode.UPDATE_BROKER_CONFIG)

/**
 * 26 GET_BROKER_CONFIG
 *
 *     -> version  S?  JSON of the DataVersion
 *     -> body: .properties text
 */
export const getBrokerConfig = defineRequest(RequestCode.GET_BROKER_CONFIG, {}, { version: optional(text) })

/** 28 GET_BROKER_RUNTIME_INFO: KVTable of texts in the answer's body. */
export const getBrokerRuntimeInfo = defineRequest(RequestCode.GET_BROKER_RUNTIME_INFO)

/** 907 GET_BROKER_HA_STATUS: HARuntimeInfo in the answer's body. */
export const getBrokerHaStatus = defineRequest(RequestCode.GET_BROKER_HA_STATUS)
