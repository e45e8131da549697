import { defectOfMark, repairLog } from '../log/index.ts'
import { withLogDirectory, type StoredNode } from './existing-directory.ts'
import { openStoredEngine } from './stored-engine.ts'

const NOT_HERE = 'nothing was removed. When it is started it asks the others for what is damaged. If they have that no more, or it does not start, empty the directory: the node then joins again as a new member, with all that they have'

/**
 * Cuts a damaged log before its first damage, when `doIt`; otherwise says what would go. Never that of a node of a group: others
 * rest on what it has confirmed, and they can mend it. Returns the exit status: 1 while there is damage left.
 */
export async function repair (dataDirectory: string, doIt: boolean): Promise<number> {
  const { report, node, isAlone } = await withLogDirectory(dataDirectory, async (directory, node) => {
    const { isAlone } = node
    const dryRun = !doIt || !isAlone
    // without the mark what is damaged at the end of the log would pass for torn, and be cut
    const defect = dryRun ? await defectOfMark(directory) : undefined
    if (defect !== undefined) console.log(`damaged: ${defect}`)
    return { node, isAlone, report: defect === undefined ? await repairLog({ ...directory, dryRun }) : undefined }
  })
  if (report === undefined) {
    console.log(isAlone ? 'a repair would go on with the entries that can be read, without knowing whether there were more: ledgermq repair --yes' : refusal(node))
    return 1
  }
  for (const cut of report.tornCuts) console.log(`cut a torn tail of ${cut.sizeBytes} bytes at byte ${cut.fileByte} of ${cut.file}; kept aside as ${cut.keptAside}`)
  for (const { file, fileByte, reason } of report.damaged) console.log(`damaged: ${file}, byte ${fileByte}: ${reason}`)
  if (report.damaged.length === 0) {
    console.log('nothing to repair: the log opens')
    return 0
  }
  if (!isAlone) {
    console.log(refusal(node))
    return 1
  }
  console.log(`${doIt ? 'removed' : 'a repair would remove'} entry ${report.firstLostIndex} and all after it: ${report.lostBytes} bytes from position ${report.firstLostPosition} on, confirmed messages among them`)
  if (!doIt) {
    console.log('a copy of this directory from before the damage would lose nothing; to go on without these entries: ledgermq repair --yes')
    return 1
  }
  for (const file of report.keptAside) console.log(`kept aside: ${file}`)
  await (await openStoredEngine(dataDirectory, node)).close()
  console.log('the directory opens again')
  return 0
}

function refusal ({ others }: StoredNode): string {
  return `this is a node of a group${others.length > 0 ? '' : ', as far as what is left here tells'}: ${NOT_HERE}`
}
