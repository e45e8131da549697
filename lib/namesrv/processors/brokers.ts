import { crc32 } from 'node:zlib'
import { encodeJson, jsonMap, parseJson } from '../../message/index.ts'
import {
  addWritePermOfBroker, brokerHeartbeat, getBrokerMemberGroup, queryDataVersion, registerBroker, RequestCode, ResponseCode, unregisterBroker, wipeWritePermOfBroker,
  failure, success, withBody, type RemotingConnection, type RemotingFrame, type RemotingResponse
} from '../../remoting/index.ts'
import { dataVersionFields, isSameVersion, readDataVersion } from '../data-version.ts'
import { ORDER_TOPIC_CONFIG } from '../kv-config.ts'
import { decodeRegisterBody } from '../register-body.ts'
import { brokerDataFields } from '../route.ts'
import type { ProcessorContext, Processors } from './processor.ts'

/** A broker's own time of expiry is taken within these bounds. */
const MIN_HEARTBEAT_TIMEOUT_MS = 1000
const MAX_HEARTBEAT_TIMEOUT_MS = 24 * 3600 * 1000

/** What brokers say of themselves, and what tools ask about brokers. */
export function brokerProcessors (context: ProcessorContext): Processors {
  const { table } = context
  return {
    [RequestCode.REGISTER_BROKER]: (request, connection) => register(context, request, connection),
    [RequestCode.UNREGISTER_BROKER]: (request) => {
      table.unregister([unregisterBroker.request.decode(request)])
      return success
    },
    [RequestCode.BROKER_HEARTBEAT]: (request) => {
      table.heartbeat(brokerHeartbeat.request.decode(request))
      return success
    },
    [RequestCode.QUERY_DATA_VERSION]: (request) => compareDataVersion(context, request),
    [RequestCode.GET_BROKER_MEMBER_GROUP]: (request) => {
      const { clusterName, brokerName } = getBrokerMemberGroup.request.decode(request)
      return withBody({ brokerMemberGroup: { cluster: clusterName, brokerName, brokerAddrs: table.brokerData(brokerName)?.brokerAddrs ?? new Map() } })
    },
    [RequestCode.GET_BROKER_CLUSTER_INFO]: () => withBody({
      brokerAddrTable: new Map(table.brokerDatas.map((broker) => [broker.brokerName, brokerDataFields(broker)])),
      clusterAddrTable: table.clusters
    }),
    [RequestCode.WIPE_WRITE_PERM_OF_BROKER]: (request) => {
      const wipeTopicCount = table.wipeWritePerm(wipeWritePermOfBroker.request.decode(request).brokerName)
      return { code: ResponseCode.SUCCESS, extFields: wipeWritePermOfBroker.response.encode({ wipeTopicCount }) }
    },
    [RequestCode.ADD_WRITE_PERM_OF_BROKER]: (request) => {
      const addTopicCount = table.addWritePerm(addWritePermOfBroker.request.decode(request).brokerName)
      return { code: ResponseCode.SUCCESS, extFields: addWritePermOfBroker.response.encode({ addTopicCount }) }
    }
  }
}

function register ({ table, kv, config, limits, onRegistered }: ProcessorContext, request: RemotingFrame, connection: RemotingConnection): RemotingResponse {
  const { heartbeatTimeoutMillis, bodyCrc32 = 0, ...header } = registerBroker.request.decode(request)
  if (bodyCrc32 !== 0 && (crc32(request.body) & 0x7fffffff) !== bodyCrc32) return failure(ResponseCode.SYSTEM_ERROR, 'crc32 not match: the body of the registration was damaged on its way')
  const result = table.register({
    ...header,
    zoneName: request.extFields().get('__ZONE_NAME'),
    enableActingMaster: header.enableActingMaster,
    heartbeatTimeoutMillis: heartbeatTimeoutMillis === undefined ? undefined : Math.min(Math.max(heartbeatTimeoutMillis, MIN_HEARTBEAT_TIMEOUT_MS), MAX_HEARTBEAT_TIMEOUT_MS),
    body: decodeRegisterBody(request.body, request.version, { maxBytes: limits.maxRegisterBodyBytes, maxTopics: limits.maxTopicsPerBroker })
  }, connection)
  if (result.kind === 'refused') return failure(ResponseCode.SYSTEM_ERROR, `register broker failed: ${result.reason}`)
  const orders = config.values.returnOrderTopicConfigToBroker ? kv.list(ORDER_TOPIC_CONFIG) : undefined
  const body = orders && encodeJson({ table: orders })
  if (result.kind === 'stale') return { code: ResponseCode.SUCCESS, body }
  onRegistered(connection)
  const { masterAddr, haServerAddr } = result
  return { code: ResponseCode.SUCCESS, extFields: registerBroker.response.encode({ masterAddr, haServerAddr }), body }
}

/** Tells a broker whether it has to register again. A sign of life, too. */
function compareDataVersion ({ table }: ProcessorContext, request: RemotingFrame): RemotingResponse {
  const broker = queryDataVersion.request.decode(request)
  const asked = request.bodyBytes === 0 ? undefined : jsonMap(parseJson(request.body))
  const known = table.dataVersionOf(broker)
  table.heartbeat(broker)
  const changed = known === undefined || asked === undefined || !isSameVersion(known, readDataVersion(asked))
  return { code: ResponseCode.SUCCESS, extFields: queryDataVersion.response.encode({ changed }), body: known && encodeJson(dataVersionFields(known)) }
}
