/**
 * 64-bit integers as JavaScript numbers. All positions, indexes, terms and times of the product stay below 2^53, so a
 * number holds them exactly; on disk and on the wire they take 8 bytes, big-endian. Two 32-bit accesses are several
 * times faster than going through BigInt.
 */
const TWO_32 = 0x1_0000_0000

/** Writes `value`, an integer in [-2^53, 2^53], at `at`. */
export function setInt64 (view: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  view.setInt32(at, high)
  view.setUint32(at + 4, value - high * TWO_32)
}

/** Reads a signed 64-bit integer; exact for [-2^53, 2^53], rounded beyond (check what comes from outside with Number.isSafeInteger). */
export function getInt64 (view: DataView, at: number): number {
  return view.getInt32(at) * TWO_32 + view.getUint32(at + 4)
}

/** A view over exactly the bytes of `bytes`. */
export function viewOf (bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
