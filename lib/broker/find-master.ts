import { MqError, wait, type Clock, type Logger } from '../base/index.ts'
import type { RunningConfig } from '../config/index.ts'
import { jsonMap, jsonText, parseJson } from '../message/index.ts'
import { addressText, getBrokerClusterInfo, parseAddress, RemotingClient, ResponseCode, type Address, type Network } from '../remoting/index.ts'
import { MASTER_ID } from './registration.ts'

const ASK_TIMEOUT_MS = 3000
const ASK_INTERVAL_MS = 1000
const REMIND_INTERVAL_MS = 10_000

export interface FindMasterOptions {
  readonly clock: Clock
  readonly config: RunningConfig<'broker'>
  readonly logger: Logger
  readonly network: Network
  readonly signal?: AbortSignal | undefined
}

/** Where the broker of this name listens that name servers know as number 0; waits until one does. @throws MQ_ABORTED */
export async function findMaster ({ clock, config, logger, network, signal }: FindMasterOptions): Promise<Address> {
  const { brokerName } = config.values
  const client = new RemotingClient({ clock, network, logger })
  let remindAtMs = -Infinity
  try {
    for (;;) {
      for (const server of config.values.namesrvAddr.map(addressText)) {
        try {
          const { code, body } = await client.invoke(server, { code: getBrokerClusterInfo.code }, { timeoutMs: ASK_TIMEOUT_MS, signal })
          const address = code === ResponseCode.SUCCESS ? masterIn(body, brokerName) : undefined
          if (address === undefined) continue
          logger.debug('a name server tells where the master is', { brokerName, address, nameServer: server })
          return parseAddress(address)
        } catch (error) {
          logger.debug('a name server does not tell where the master is', { nameServer: server, error })
        }
        throwIfAborted(signal)
      }
      if (clock.nowMs() >= remindAtMs) {
        remindAtMs = clock.nowMs() + REMIND_INTERVAL_MS
        logger.warn(`no name server knows a master of ${brokerName}; it is asked for again and again`, { brokerName })
      }
      await wait(clock, ASK_INTERVAL_MS, signal).catch(() => { throwIfAborted(signal) })
    }
  } finally {
    await client.close()
  }
}

function masterIn (body: Uint8Array, brokerName: string): string | undefined {
  const brokers = jsonMap(jsonMap(parseJson(body))?.get('brokerAddrTable'))
  return jsonText(jsonMap(jsonMap(brokers?.get(brokerName))?.get('brokerAddrs'))?.get(String(MASTER_ID)))
}

function throwIfAborted (signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new MqError('MQ_ABORTED', 'opening was aborted', { cause: signal.reason })
}
