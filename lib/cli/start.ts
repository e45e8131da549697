import { join } from 'node:path'
import { configTable, type EffectiveConfig, type HostPort } from '../config/index.ts'
import { addressText, type Address } from '../remoting/index.ts'
import { brokerDefaults, brokerFlags, startBroker, type BrokerFlags } from './broker-server.ts'
import { createLogger, type LogFormat } from './logger.ts'
import { localAddress } from './machine.ts'
import { startNameServer } from './name-server.ts'
import { readConfig } from './read-config.ts'
import { reportReady } from './report.ts'
import { runServers } from './server-process.ts'

export interface StartOptions extends BrokerFlags {
  readonly version: string
  readonly config?: string | undefined
  readonly namesrvConf?: string | undefined
  readonly print?: boolean | undefined
  readonly log: LogFormat
}

const KV_FILE = 'kvConfig.json'

/** Runs a name server and a broker in this process until it is told to stop, or prints their configurations. Resolves to the exit status. */
export async function start ({ version, config: file, namesrvConf: namesrvFile, print = false, log, ...flags }: StartOptions): Promise<number> {
  const brokerConfig = await readConfig('broker', { file, flags: brokerFlags(flags), defaults: brokerDefaults })
  const namesrvConfig = await readConfig('namesrv', {
    file: namesrvFile,
    flags: flags.bind === undefined ? [] : [{ flag: '--bind', key: 'bindAddress', value: flags.bind }],
    defaults: () => ({ kvConfigPath: join(brokerConfig.values.storePathRootDir, KV_FILE) })
  })
  if (print) {
    process.stdout.write(`name server\n${configTable(namesrvConfig)}\nbroker\n${configTable(brokerConfig)}`)
    return 0
  }
  const logger = createLogger(log)
  for (const { text } of [...namesrvConfig.warnings, ...brokerConfig.warnings]) logger.warn(text)
  return await runServers(logger, async (running) => {
    const nameServer = await startNameServer(namesrvConfig, namesrvFile, logger)
    running.add(nameServer)
    const lines = await startBroker(withNameServer(brokerConfig, nameServer.address), file, logger, running)
    reportReady({ version, lines: [['name server', addressText(nameServer.address)], ...lines] })
  })
}

/** The broker registers with the name server of its own process, and with those that its configuration names. */
function withNameServer (config: EffectiveConfig<'broker'>, { host, port }: Address): EffectiveConfig<'broker'> {
  const own = { host: localAddress(host), port }
  const others = config.values.namesrvAddr.filter((other) => !isSame(other, own))
  return { ...config, values: { ...config.values, namesrvAddr: [own, ...others] } }
}

function isSame (other: HostPort, own: HostPort): boolean {
  return other.port === own.port && (other.host === own.host || other.host === 'localhost')
}
