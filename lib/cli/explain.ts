import type { Explanation, GroupExplanation } from '../engine/index.ts'
import { withLogDirectory } from './existing-directory.ts'
import { openStoredEngine } from './stored-engine.ts'

/** Prints where a message of a directory is, and why. */
export async function explain (directory: string, id: string, asJson: boolean): Promise<void> {
  const node = await withLogDirectory(directory, async (_, node) => node)
  let engine = await openStoredEngine(directory, node)
  // where groups are that consume by offset, what they gave back is found by its key
  if (!engine.store.consumerOffsets.groups().next().done) {
    await engine.close()
    engine = await openStoredEngine(directory, node, { keyIndex: true })
  }
  try {
    const explanation = await engine.explanations.explain(id)
    console.log(asJson ? JSON.stringify(explanation) : textOf(explanation))
  } finally {
    await engine.close()
  }
}

function textOf (explanation: Explanation): string {
  const { id, is } = explanation
  if (is === 'unknown') return `${id}: there is no such message`
  if (is === 'removed') return `${id}: it is not kept any more`
  const place = `${id}: of ${explanation.topic}/${explanation.queueId}`
  if (is === 'delayed') return `${place}, comes at ${timeText(explanation.deliverAtMs)}`
  if (is === 'undecided') return `${place}, waits for its producer to commit it`
  if (is === 'withdrawn') return `${place}, never comes: it was taken back, moved or rolled back`
  const { queueOffset, storeTimestampMs, expiresAtMs, groups } = explanation
  const first = `${place}, offset ${queueOffset}, since ${timeText(storeTimestampMs)}${expiresAtMs === undefined ? '' : `, until ${timeText(expiresAtMs)}`}`
  return [first, ...groups.map((one) => `  ${one.group}: ${groupText(one)}`)].join('\n')
}

function groupText (one: GroupExplanation): string {
  switch (one.is) {
    case 'waiting': return `${one.ahead} messages are before it`
    case 'leased': return `handed out for the ${one.attempts}. time, until ${timeText(one.untilMs)} by ${one.owner}`
    case 'returned': return `came back after ${one.attempts} times, comes again ${againText(one.visibleAtMs)}`
    case 'retry': return `given back ${one.attempts} times, comes again ${againText(one.visibleAtMs)}: ${one.retryId}`
    case 'done': return 'done'
    case 'expired': return `its time is over, after ${one.attempts} times`
    case 'dead-letter': return `given up after ${one.attempts} times${one.reason === '' ? '' : ` (${one.reason})`}: ${one.deadLetterId}`
  }
}

function timeText (ms: number): string { return new Date(ms).toISOString() }

function againText (visibleAtMs: number): string { return visibleAtMs === 0 ? 'at once' : `at ${timeText(visibleAtMs)}` }
