import type { ServerTls } from '../adapters/index.ts'
import type { BrokerConfig } from '../config/index.ts'
import { CommandError } from './command-error.ts'
import { readGivenFile } from './read-config.ts'

/** The keys that both servers have. */
export type TlsConfig = Pick<BrokerConfig, 'tls.server.mode' | 'tls.test.mode.enable' | 'tls.server.certPath' | 'tls.server.keyPath' | 'tls.server.keyPassword' |
  'tls.server.trustCertPath' | 'tls.server.need.client.auth' | 'tls.server.authClient'>

/** How a server encrypts, its files read. @throws CommandError a file is missing or cannot be read */
export async function serverTls (config: TlsConfig): Promise<ServerTls> {
  const mode = config['tls.server.mode']
  if (mode === 'disabled') return { mode }
  const certPath = config['tls.server.certPath']
  const keyPath = config['tls.server.keyPath']
  const trustPath = config['tls.server.trustCertPath']
  const passphrase = config['tls.server.keyPassword']
  if ((certPath === '') !== (keyPath === '')) throw new CommandError('tls.server.certPath and tls.server.keyPath belong together: one of them is not set')
  if (certPath === '' && !config['tls.test.mode.enable']) {
    throw new CommandError('tls.test.mode.enable=false needs a certificate: set tls.server.certPath and tls.server.keyPath, or tls.server.mode=disabled')
  }
  return {
    mode,
    clientAuth: config['tls.server.need.client.auth'],
    verifyClients: config['tls.server.authClient'],
    ...(trustPath !== '' && { ca: await readGivenFile(trustPath, 'tls.server.trustCertPath') }),
    ...(certPath !== '' && {
      certificate: {
        cert: await readGivenFile(certPath, 'tls.server.certPath'),
        key: await readGivenFile(keyPath, 'tls.server.keyPath'),
        ...(passphrase !== '' && { passphrase })
      }
    })
  }
}
