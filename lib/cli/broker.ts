import { configTable } from '../config/index.ts'
import { brokerDefaults, brokerFlags, startBroker, type BrokerFlags } from './broker-server.ts'
import { createLogger, type LogFormat } from './logger.ts'
import { readConfig } from './read-config.ts'
import { reportReady } from './report.ts'
import { runServers } from './server-process.ts'

export interface BrokerOptions extends BrokerFlags {
  readonly version: string
  readonly config?: string | undefined
  readonly print?: boolean | undefined
  readonly log: LogFormat
}

/** Runs a broker until it is told to stop, or prints its configuration. Resolves to the exit status. */
export async function broker ({ version, config: file, print = false, log, ...flags }: BrokerOptions): Promise<number> {
  const config = await readConfig('broker', { file, flags: brokerFlags(flags), defaults: brokerDefaults })
  if (print) {
    process.stdout.write(configTable(config))
    return 0
  }
  const logger = createLogger(log)
  for (const { text } of config.warnings) logger.warn(text)
  if (config.values.namesrvAddr.length === 0) logger.warn('no name server is set, so clients cannot find this broker: give one with -n HOST:PORT, namesrvAddr or NAMESRV_ADDR')
  return await runServers(logger, async (running) => {
    reportReady({ version, lines: await startBroker(config, file, logger, running) })
  })
}
