import { crc32 } from 'node:zlib'
import { hash64, loadChecksum } from '../../lib/base/index.ts'
import type { MicroSuite } from './suite.ts'

/** What a checksum costs per size: xxHash64 guards entries (per 64 KiB block), CRC-32 is what clients check per body. */
export const checksums: MicroSuite = async (add) => {
  await loadChecksum()
  for (const size of [128, 1024, 65_536]) {
    const bytes = new Uint8Array(size).map((_, i) => i * 31)
    add(`xxHash64 of ${size} B`, () => hash64(bytes, 7n))
    if (typeof crc32 === 'function') add(`zlib.crc32 of ${size} B`, () => crc32(bytes))
  }
}
