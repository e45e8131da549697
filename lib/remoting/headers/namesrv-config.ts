import { RequestCode } from '../request-code.ts'
import { defineRequest, optional, text } from '../header-codec.ts'

/**
 * 100 PUT_KV_CONFIG
 *
 *     namespace  S
 *     key        S
 *     value      S
 */
export const putKvConfig = defineRequest(RequestCode.PUT_KV_CONFIG, { namespace: text, key: text, value: text })

/**
 * 101 GET_KV_CONFIG
 *
 *     namespace  S
 *     key        S
 *     -> value   S?  with code 0; 22 when there is none
 */
export const getKvConfig = defineRequest(RequestCode.GET_KV_CONFIG, { namespace: text, key: text }, { value: optional(text) })

/**
 * 102 DELETE_KV_CONFIG
 *
 *     namespace  S
 *     key        S
 */
export const deleteKvConfig = defineRequest(RequestCode.DELETE_KV_CONFIG, { namespace: text, key: text })

/**
 * 219 GET_KVLIST_BY_NAMESPACE
 *
 *     namespace  S
 *     -> body: KVTable; code 22 when there is none
 */
export const getKvlistByNamespace = defineRequest(RequestCode.GET_KVLIST_BY_NAMESPACE, { namespace: text })

/** 318 UPDATE_NAMESRV_CONFIG: .properties text in the body. */
export const updateNamesrvConfig = defineRequest(RequestCode.UPDATE_NAMESRV_CONFIG)

/** 319 GET_NAMESRV_CONFIG: .properties text in the answer's body. */
export const getNamesrvConfig = defineRequest(RequestCode.GET_NAMESRV_CONFIG)
