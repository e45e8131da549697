import type { Clock } from '../../base/index.ts'
import type { RunningConfig } from '../../config/index.ts'
import type { RemotingConnection, RemotingFrame, RemotingResponse } from '../../remoting/index.ts'
import type { KvConfig } from '../kv-config.ts'
import type { RouteTable } from '../route-table.ts'
import type { NameServerLimits } from '../settings.ts'

/** What processors work on. */
export interface ProcessorContext {
  readonly clock: Clock
  readonly startedAtMs: number
  readonly table: RouteTable
  readonly kv: KvConfig
  readonly config: RunningConfig<'namesrv'>
  readonly limits: NameServerLimits
  /** A broker has registered over the connection: its end is the end of the registration. */
  readonly onRegistered: (connection: RemotingConnection) => void
}

/** Answers requests of one code. What it throws is answered with SYSTEM_ERROR and the error's text. */
export type Processor = (request: RemotingFrame, connection: RemotingConnection) => RemotingResponse | Promise<RemotingResponse>
export type Processors = Readonly<Record<number, Processor>>
