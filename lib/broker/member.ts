import type { LanguageCode, RemotingConnection } from '../remoting/index.ts'
import type { Subscription } from './subscription.ts'

/** A client as member of one group. */
export interface Member {
  readonly connection: RemotingConnection
  readonly clientId: string
  readonly language: LanguageCode
  readonly version: number
  /** Of the last heartbeat. */
  updatedAtMs: number
  /** What it said last that it wants, by topic. */
  readonly subscriptions: ReadonlyMap<string, Subscription>
}
