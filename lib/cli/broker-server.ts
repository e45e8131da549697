import { resolve } from 'node:path'
import { NodeDisk, NodeSockets, type NodeSocketsOptions, type ServerTls } from '../adapters/index.ts'
import type { Logger } from '../base/index.ts'
import { Broker } from '../broker/index.ts'
import { RunningConfig, type BrokerConfig, type ConfigSources, type EffectiveConfig } from '../config/index.ts'
import type { RecoveryProgress } from '../engine/index.ts'
import { addressText } from '../remoting/index.ts'
import { CommandError } from './command-error.ts'
import { listening } from './listen.ts'
import { hostName, reachableAddress } from './machine.ts'
import type { ServerProcess } from './server-process.ts'
import { serverTls } from './server-tls.ts'

type Flags = NonNullable<ConfigSources<'broker'>['flags']>

/** What the command line says of a broker. */
export interface BrokerFlags {
  readonly data?: string | undefined
  readonly bind?: string | undefined
  readonly advertise?: string | undefined
  /** Addresses of name servers. */
  readonly namesrv?: string | undefined
}

/** @throws CommandError an address is none */
export function brokerFlags ({ data, bind, advertise, namesrv }: BrokerFlags): Flags {
  const advertised = advertise === undefined ? undefined : hostAndPort(advertise)
  const given: Array<readonly [flag: string, key: Flags[number]['key'], value: string | undefined]> = [
    ['--data', 'storePathRootDir', data],
    ['--bind', 'bindAddress', bind],
    ['--namesrv', 'namesrvAddr', namesrv],
    ['--advertise', 'brokerIP1', advertised?.host],
    ['--advertise', 'advertisedPort', advertised?.port]
  ]
  return given.flatMap(([flag, key, value]) => value === undefined ? [] : [{ flag, key, value }])
}

/** `host`, `host:port`, `[IPv6]:port`, or an IPv6 address alone. */
function hostAndPort (text: string): { host: string, port: string | undefined } {
  const [, bracketed, host, port] = /^(?:\[([^\]]+)\]|([^\s:]+))(?::(\d+))?$/.exec(text) ?? []
  const name = bracketed ?? host ?? (/^[0-9a-fA-F:.]+$/.test(text) ? text : undefined)
  if (name === undefined) throw new CommandError(`--advertise ${text}: expected HOST or HOST:PORT`)
  return { host: name, port }
}

/** What a broker's settings are on this machine when nothing says otherwise. */
export function brokerDefaults ({ bindAddress, enableDLegerCommitLog, dLegerGroup }: BrokerConfig): Partial<BrokerConfig> {
  // all nodes of a group have one broker name, also on different machines
  return { brokerName: enableDLegerCommitLog && dLegerGroup !== '' ? dLegerGroup : hostName(), brokerIP1: reachableAddress(bindAddress) }
}

/**
 * A broker on this machine, as a part of `running`; resolves when its port answers and the name servers know it, or could not be
 * reached. Returns what there is to tell of it.
 * @throws CommandError the port or a file cannot be had
 * @throws MqError as Broker.open: the data cannot be had
 */
export async function startBroker (effective: EffectiveConfig<'broker'>, configFile: string | undefined, logger: Logger, running: ServerProcess): Promise<Array<[label: string, text: string]>> {
  const config = new RunningConfig(effective, new NodeDisk(), configFile)
  const { values } = config
  const tls = await serverTls(values)
  const network = new NodeSockets({ serverTls: tls })
  const broker = await listening('broker', { host: values.bindAddress, port: values.listenPort }, async () => {
    const opened = await Broker.open({ config, network, peerNetwork: new NodeSockets(peerSockets(tls)), logger, signal: running.signal, onProgress: progressLogger(logger) })
    running.add(opened)
    opened.onFailure(running.fail)
    await opened.start()
    return opened
  })
  const { brokerName, clusterName } = broker.names
  // a new group agrees on it once it has a leader
  const flushDiskType = broker.engine.store.metadata.setting('flushDiskType') ?? values.flushDiskType
  return [
    ...placeOf(values),
    ['broker', `${broker.address}, ${brokerName} in ${clusterName}${values.bindAddress === values.brokerIP1 ? '' : `, listening on ${addressText({ host: values.bindAddress, port: values.listenPort })}`}`],
    ['data', `${resolve(values.storePathRootDir)}, ${flushDiskType}`]
  ]
}

/** Where the other nodes take nothing that is not encrypted, links to them are; certificates are checked against tls.server.trustCertPath. */
function peerSockets (serverTls: ServerTls): NodeSocketsOptions {
  if (serverTls.mode !== 'enforcing') return { serverTls }
  const { ca, certificate } = serverTls
  return { serverTls, clientTls: { ...(ca === undefined ? { trustAll: true } : { ca }), ...(certificate !== undefined && { certificate }) } }
}

/** What it is in a group, if it is in one. */
function placeOf ({ enableDLegerCommitLog, dLegerGroup, brokerName, dLegerSelfId, dLegerPeers, brokerRole }: BrokerConfig): Array<[label: string, text: string]> {
  if (enableDLegerCommitLog) return [['node', `${dLegerSelfId} of ${dLegerPeers.map(({ id }) => id).join(', ')} in group ${dLegerGroup === '' ? brokerName : dLegerGroup}`]]
  return brokerRole === 'SLAVE' ? [['node', `replica of ${brokerName}`]] : []
}

const PROGRESS_EVERY_MS = 5000

/** For recoveries that take long: a line now and then. */
function progressLogger (logger: Logger): (progress: RecoveryProgress) => void {
  let lastMs = -Infinity
  return ({ phase, done, total }) => {
    if (performance.now() - lastMs < PROGRESS_EVERY_MS) return
    lastMs = performance.now()
    logger.info('recovering', { phase, done, total })
  }
}
