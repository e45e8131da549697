import { isMqError, viewOf } from '../base/index.ts'
import { decodeHeader, RaftLog, seedOfGroup } from '../log/index.ts'
import { withLogDirectory } from './existing-directory.ts'

/** Reads and checks the whole log; returns the exit status: 0 sound, 1 damaged. */
export async function verify (dataDirectory: string): Promise<number> {
  return await withLogDirectory(dataDirectory, async (directory) => {
    const log = await RaftLog.open({ ...directory, preallocate: false, onDamage: 'report', onPersisted () {}, onFailure () {} })
    try {
      const { cuts, damaged } = log.recovery
      for (const cut of cuts) console.log(`cut a torn tail of ${cut.sizeBytes} bytes at byte ${cut.fileByte} of ${cut.file}; kept aside as ${cut.keptAside}`)
      for (const { file, fileByte, fromIndex, reason } of damaged) console.log(`DAMAGED: ${file}, byte ${fileByte}, from entry ${fromIndex} on: ${reason}`)
      const { entries, messages, damage } = await readAll(log, seedOfGroup(directory.groupId))
      if (damage !== undefined) console.log(`DAMAGED: ${damage}`)
      console.log(`${entries} entries with ${messages} messages are sound, bytes [${log.floor.physicalOffset}, ${log.endPosition})`)
      return damage === undefined && damaged.length === 0 ? 0 : 1
    } finally {
      await log.close()
    }
  })
}

/** Reads until the first damage. */
async function readAll (log: RaftLog, groupSeed: bigint): Promise<{ entries: number, messages: number, damage?: string }> {
  let entries = 0
  let messages = 0
  try {
    for await (const { bytes } of log.scan(log.firstIndex)) {
      entries++
      messages += decodeHeader(bytes, viewOf(bytes), 0, groupSeed)?.messageCount ?? 0
    }
    return { entries, messages }
  } catch (error) {
    if (!isMqError(error, 'MQ_CORRUPT')) throw error
    return { entries, messages, damage: error.message }
  }
}
