import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/**
 * A data directory as the last version with data format 1 left it: 160 messages of `orders` in two queues (even numbers in
 * queue 0), one of `notes`, three segments; the group `readers` has acknowledged 40 of queue 0 and given the first of queue 1 back.
 */
export const format1: ReadonlyMap<string, Uint8Array> = new Map(Object.entries(JSON.parse(
  gunzipSync(readFileSync(new URL('format-1.json.gz', import.meta.url))).toString()) as Record<string, string>
).map(([name, base64]) => [name, new Uint8Array(Buffer.from(base64, 'base64'))]))

/** Puts it onto the disk of this machine. */
export function putFormat1 (directory: string): void {
  for (const [name, bytes] of format1) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), bytes)
  }
}
