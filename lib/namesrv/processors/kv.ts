import { deleteKvConfig, getKvConfig, getKvlistByNamespace, putKvConfig, RequestCode, ResponseCode, failure, success, withBody } from '../../remoting/index.ts'
import type { ProcessorContext, Processors } from './processor.ts'

/** The key-value table. */
export function kvProcessors ({ kv }: ProcessorContext): Processors {
  return {
    [RequestCode.PUT_KV_CONFIG]: async (request) => {
      const { namespace, key, value } = putKvConfig.request.decode(request)
      await kv.put(namespace, key, value)
      return success
    },
    [RequestCode.GET_KV_CONFIG]: (request) => {
      const { namespace, key } = getKvConfig.request.decode(request)
      const value = kv.get(namespace, key)
      return value === undefined
        ? failure(ResponseCode.QUERY_NOT_FOUND, `there is no value of key ${key} in namespace ${namespace}`)
        : { code: ResponseCode.SUCCESS, extFields: getKvConfig.response.encode({ value }) }
    },
    [RequestCode.DELETE_KV_CONFIG]: async (request) => {
      const { namespace, key } = deleteKvConfig.request.decode(request)
      await kv.delete(namespace, key)
      return success
    },
    [RequestCode.GET_KVLIST_BY_NAMESPACE]: (request) => {
      const { namespace } = getKvlistByNamespace.request.decode(request)
      const table = kv.list(namespace)
      return table === undefined ? failure(ResponseCode.QUERY_NOT_FOUND, `there is no namespace ${namespace}`) : withBody({ table })
    }
  }
}
