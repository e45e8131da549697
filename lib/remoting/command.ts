import type { ExtFields } from './header-codec.ts'
import type { LanguageCode } from './language-code.ts'

/** Writes itself where it is to go, such as records of a log that change on their way out. */
export interface BodyWriter {
  /** What `copyTo` writes. */
  readonly sizeBytes: number
  /** Returns where it ends. */
  copyTo (target: Uint8Array, at: number): number
}

/** Bytes, pieces that follow each other, or what writes them; copied once, into the outgoing buffer, before the call that takes it returns. */
export type Body = Uint8Array | readonly Uint8Array[] | BodyWriter

export interface RemotingRequest {
  readonly code: number
  /** The header: made by a codec's `encode`, and whatever else belongs on the wire. */
  readonly extFields?: ExtFields
  readonly body?: Body | undefined
  readonly remark?: string
  /** What we say we are; JAVA and ADVERTISED_VERSION unless given. */
  readonly language?: LanguageCode
  readonly version?: number
}

export interface RemotingResponse {
  readonly code: number
  /** Why, for people; absent on success. */
  readonly remark?: string | undefined
  readonly extFields?: ExtFields
  readonly body?: Body | undefined
}
