/** The fingerprint Avro's single-object encoding names a schema by. @see Avro specification, "Schema Fingerprints" */
const EMPTY = 0xc15d213aa4d7a795n
let table: bigint[] | undefined

function makeTable (): bigint[] {
  return Array.from({ length: 256 }, (_, i) => {
    let value = BigInt(i)
    for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ ((value & 1n) === 1n ? EMPTY : 0n)
    return value
  })
}

/** Of a schema's parsing canonical form, in UTF-8. */
export function crc64Avro (bytes: Uint8Array): bigint {
  table ??= makeTable()
  let value = EMPTY
  for (const byte of bytes) value = (value >> 8n) ^ table[Number((value ^ BigInt(byte)) & 0xffn)]!
  return value
}
