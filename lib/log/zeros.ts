import type { DiskFile } from '../base/index.ts'

/** One step of zero-filling: small enough that the flush it comes with hardly notices it. */
export const ZERO_STEP_BYTES = 512 * 1024
const zeros = new Uint8Array(ZERO_STEP_BYTES)

/**
 * So much behind the last entry of a flush is zeros where more follows that is not: as long as the header of an entry, so
 * that the end of the log can be told from an entry that has been damaged.
 */
export const END_BYTES = 88

/** A view on zeros, at most ZERO_STEP_BYTES. Nobody writes to it. */
export function zeroBytes (sizeBytes: number): Uint8Array {
  return zeros.subarray(0, sizeBytes)
}

/** Overwrites [from, to) of the file with zeros, step by step. Not synced. */
export async function zeroRange (file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += ZERO_STEP_BYTES) await file.write(zeroBytes(Math.min(ZERO_STEP_BYTES, to - at)), at)
}

/** The offset behind the last byte of the range that is not zero; `from` when all are. */
export async function endOfNonZero (file: DiskFile, from: number, to: number): Promise<number> {
  const chunk = Buffer.allocUnsafeSlow(Math.min(ZERO_STEP_BYTES, Math.max(to - from, 0)))
  let end = from
  for (let at = from; at < to; at += chunk.length) {
    const wanted = chunk.subarray(0, Math.min(chunk.length, to - at))
    const bytes = wanted.subarray(0, await file.read(wanted, at))
    if (bytes.length === 0) break
    if (Buffer.compare(bytes, zeroBytes(bytes.length)) === 0) continue
    let last = bytes.length - 1
    while (bytes[last] === 0) last--
    end = at + last + 1
  }
  return end
}
