/**
 * What all nodes of a group know and nobody else (adapters: `SharedSecret`). The secret never leaves the process; what both
 * sides of a new link have said, a nonce of each included, is signed with it.
 */
export interface ClusterSecret {
  /** 32 bytes that nobody can foretell. */
  nonce (): Uint8Array
  /** HMAC-SHA256. */
  sign (bytes: Uint8Array): Uint8Array
  /** Takes the same time whatever is wrong. */
  verify (bytes: Uint8Array, signature: Uint8Array): boolean
}
