import { configTable } from '../config/index.ts'
import { addressText } from '../remoting/index.ts'
import { createLogger, type LogFormat } from './logger.ts'
import { startNameServer } from './name-server.ts'
import { readConfig } from './read-config.ts'
import { reportReady } from './report.ts'
import { runServers } from './server-process.ts'

export interface NamesrvOptions {
  readonly version: string
  readonly config?: string | undefined
  readonly bind?: string | undefined
  readonly print?: boolean | undefined
  readonly log: LogFormat
}

/** Runs a name server until it is told to stop, or prints its configuration. Resolves to the exit status. */
export async function namesrv ({ version, config: file, bind, print = false, log }: NamesrvOptions): Promise<number> {
  const flags = bind === undefined ? [] : [{ flag: '--bind', key: 'bindAddress' as const, value: bind }]
  const config = await readConfig('namesrv', { file, flags })
  if (print) {
    process.stdout.write(configTable(config))
    return 0
  }
  const logger = createLogger(log)
  for (const { text } of config.warnings) logger.warn(text)
  return await runServers(logger, async (running) => {
    const nameServer = await startNameServer(config, file, logger)
    running.add(nameServer)
    reportReady({ version, lines: [['name server', addressText(nameServer.address)]] })
  })
}
