import { openExisting } from './existing-directory.ts'

/** Prints what a directory holds. */
export async function stats (directory: string, asJson: boolean): Promise<void> {
  const queue = await openExisting(directory)
  try {
    const facts = queue.stats()
    if (asJson) {
      console.log(JSON.stringify(facts))
      return
    }
    const { log } = facts
    console.log(`log      entries through ${log.lastIndex}, applied through ${log.appliedIndex}, bytes [${log.minPosition}, ${log.maxPosition})`)
    for (const { name, codec, queues } of facts.topics) {
      const messages = queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0)
      console.log(`topic    ${name}: ${messages} messages in ${queues.length} queues, codec ${codec}`)
    }
    for (const { name, lag, queues } of facts.groups) {
      const inFlight = queues.reduce((sum, queue) => sum + queue.inFlight, 0)
      console.log(`group    ${name}: ${lag} messages to do, ${inFlight} of them in flight`)
    }
  } finally {
    await queue.close()
  }
}
