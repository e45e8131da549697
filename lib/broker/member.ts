import type { LanguageCode, RemotingConnection } from '../remoting/index.ts'

/** A client as member of one group. */
export interface Member {
  readonly connection: RemotingConnection
  readonly clientId: string
  readonly language: LanguageCode
  readonly version: number
  /** Of the last heartbeat. */
  updatedAtMs: number
}
