import xxhash, { type XXHashAPI } from 'xxhash-wasm'

/**
 * xxHash64 over bytes, with a seed. `loadChecksum()` must have resolved once in the process before `hash64` is called:
 * the WebAssembly module compiles asynchronously.
 */
let api: XXHashAPI | undefined

export async function loadChecksum (): Promise<void> {
  api ??= await xxhash()
}

/** xxHash64 of `bytes` as an unsigned 64-bit BigInt. */
export function hash64 (bytes: Uint8Array, seed: bigint): bigint {
  return api!.h64Raw(bytes, seed)
}
