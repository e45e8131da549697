import { crc32 } from 'node:zlib'
import type { Test } from 'tap'
import { MemoryDisk, VirtualClock } from '../../lib/adapters/index.ts'
import type { Disk } from '../../lib/base/index.ts'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { parseJson, type JsonValue } from '../../lib/message/index.ts'
import { encodeCompressedRegisterBody, encodeRegisterBody, NameServer, type NameServerLimits } from '../../lib/namesrv/index.ts'
import { registerBroker, RemotingClient, RemotingServer, RequestCode, ResponseCode, type ExtFields, type RemotingFrame } from '../../lib/remoting/index.ts'
import { MemoryNetwork } from '../remoting/memory-network.ts'
import { registrationOf, type BrokerSays } from './support.ts'

export const PORT = 9876
export const ADDRESS = `127.0.0.1:${PORT}`

export interface ServerOptions {
  readonly disk?: Disk
  /** Lines of a configuration file. */
  readonly settings?: string
  readonly configFile?: string
  readonly limits?: Partial<NameServerLimits>
}

export interface Ask {
  readonly body?: Uint8Array | string
  readonly version?: number
}

/** A name server in this process on virtual time, and clients of it with a connection each. */
export async function startedServer (t: Test, { disk = new MemoryDisk(), settings = '', configFile, limits = {} }: ServerOptions = {}) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const server = new RemotingServer({ clock, network })
  const config = new RunningConfig(effectiveConfig('namesrv', { files: [{ name: 'spec', content: settings }] }), disk, configFile)
  const outgoing = new RemotingClient({ clock, network })
  const nameServer = await NameServer.open({ clock, disk, server, client: outgoing, config, limits })
  await server.listen({ host: '127.0.0.1', port: PORT })
  const clients: Peer[] = []
  const close = async (): Promise<void> => {
    for (const client of clients) await client.close()
    await outgoing.close()
    const closing = server.close({ graceMs: 0 })
    await clock.advance(1000)
    await closing
    await nameServer.close()
  }
  t.teardown(close)
  const connect = (): Peer => {
    const peer = new Peer(new RemotingClient({ clock, network }))
    clients.push(peer)
    return peer
  }
  return { clock, network, server, nameServer, config, connect, close }
}

/** Somebody with one connection to the name server. */
export class Peer {
  readonly client: RemotingClient

  constructor (client: RemotingClient) { this.client = client }

  ask (code: number, extFields: ExtFields = {}, { body, version = 479 }: Ask = {}): Promise<RemotingFrame> {
    return this.client.invoke(ADDRESS, { code, extFields, body: typeof body === 'string' ? Buffer.from(body) : body, version })
  }

  /** The body of the answer as text. @throws when the code is not SUCCESS */
  async text (code: number, extFields: ExtFields = {}, ask: Ask = {}): Promise<string> {
    const answer = await this.ask(code, extFields, ask)
    if (answer.code !== ResponseCode.SUCCESS) throw new Error(`${answer.code}: ${answer.remark}`)
    return Buffer.from(answer.body).toString()
  }

  async json (code: number, extFields: ExtFields = {}, ask: Ask = {}): Promise<JsonValue> {
    return parseJson(await this.text(code, extFields, ask))
  }

  register (says: BrokerSays = {}, { version = 479, compressed = false, crc, extFields = {} }: { version?: number, compressed?: boolean, crc?: number, extFields?: ExtFields } = {}): Promise<RemotingFrame> {
    const { body, zoneName, ...header } = registrationOf(says)
    const bytes = compressed ? encodeCompressedRegisterBody(body) : encodeRegisterBody(body)
    const bodyCrc32 = crc ?? crc32(bytes) & 0x7fffffff
    return this.ask(RequestCode.REGISTER_BROKER, { ...registerBroker.request.encode({ ...header, compressed: false, bodyCrc32 }), __ZONE_NAME: zoneName, ...extFields }, { body: bytes, version })
  }

  /** The connection ends, as if the process were killed. */
  close (): Promise<void> { return this.client.close() }
}
