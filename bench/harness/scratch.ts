import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Gives `body` an empty folder and removes it when `body` has ended, one way or the other, or the process exits. */
export async function inScratchFolder<T> (parent: string | undefined, body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent ?? tmpdir(), 'ledgermq-bench-'))
  const removeNow = (): void => { rmSync(folder, { recursive: true, force: true, maxRetries: 3 }) }
  process.once('exit', removeNow)
  try {
    return await body(folder)
  } finally {
    process.off('exit', removeNow)
    await rm(folder, { recursive: true, force: true })
  }
}
