import { createReadStream } from 'node:fs'

const LINE_FEED = 10
const READ_BYTES = 256 * 1024

/** The lines of a file as bytes, terminator included, in groups as they are read. Joined together they are the file again. */
export async function * linesOf (path: string): AsyncGenerator<Uint8Array[]> {
  let rest: Uint8Array[] = []
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>) {
    const lines: Uint8Array[] = []
    let from = 0
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      const piece = chunk.subarray(from, at + 1)
      lines.push(rest.length === 0 ? piece : Buffer.concat([...rest, piece]))
      rest = []
      from = at + 1
    }
    if (from < chunk.length) rest.push(chunk.subarray(from))
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [Buffer.concat(rest)]
}
