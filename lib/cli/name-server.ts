import { NodeClock, NodeDisk, NodeSockets } from '../adapters/index.ts'
import { isMqError, type Logger } from '../base/index.ts'
import { RunningConfig, type EffectiveConfig } from '../config/index.ts'
import { NameServer } from '../namesrv/index.ts'
import { RemotingClient, RemotingServer, type Address } from '../remoting/index.ts'
import { CommandError, systemErrorText } from './command-error.ts'
import { listening } from './listen.ts'
import { serverTls } from './server-tls.ts'
import type { Part } from './server-process.ts'

export interface NameServerPart extends Part {
  /** What it listens on. */
  readonly address: Address
}

/**
 * A name server on this machine; resolves when its port answers.
 * @throws CommandError the port or a file cannot be had
 */
export async function startNameServer (effective: EffectiveConfig<'namesrv'>, configFile: string | undefined, logger: Logger): Promise<NameServerPart> {
  const clock = new NodeClock()
  const disk = new NodeDisk()
  const config = new RunningConfig(effective, disk, configFile)
  const { values } = config
  const network = new NodeSockets({ serverTls: await serverTls(values) })
  const server = new RemotingServer({ clock, network, logger, connectionLimits: { idleTimeoutMs: values.serverChannelMaxIdleTimeSeconds * 1000 } })
  const client = new RemotingClient({ clock, network, logger })
  const nameServer = await NameServer.open({ clock, disk, server, client, config, logger }).catch((error: unknown) => {
    throw isMqError(error) ? error : new CommandError(`kvConfigPath ${values.kvConfigPath} cannot be read: ${systemErrorText(error)}`)
  })
  const close = async (): Promise<void> => {
    await server.close()
    await client.close()
    await nameServer.close()
  }
  try {
    const wanted = { host: values.bindAddress, port: values.listenPort }
    const address = await listening('name server', wanted, () => server.listen(wanted))
    return { address, close }
  } catch (error) {
    await close()
    throw error
  }
}
