import type { Engine } from '../engine/index.ts'
import type { EngineStats } from '../queue/index.ts'
import { numberOf } from '../replica/index.ts'
import { withLogDirectory } from './existing-directory.ts'
import { openStoredEngine } from './stored-engine.ts'

/** Prints what a directory holds. */
export async function stats (directory: string, asJson: boolean): Promise<void> {
  const node = await withLogDirectory(directory, async (_, node) => node)
  const engine = await openStoredEngine(directory, node)
  const facts = factsOf(engine)
  await engine.close()
  if (asJson) {
    console.log(JSON.stringify(facts))
    return
  }
  const { log } = facts
  if (node.others.length > 0) console.log(`node     n${numberOf(node.identity.nodeId)} of a group, with ${node.others.map(numberOf).sort((a, b) => a - b).map((number) => `n${number}`).join(', ')}; of what it has not applied only the group knows whether it counts`)
  console.log(`log      entries through ${log.lastIndex}, applied through ${log.appliedIndex}, bytes [${log.minPosition}, ${log.maxPosition})`)
  for (const { name, codec, queues } of facts.topics) {
    const messages = queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0)
    console.log(`topic    ${name}: ${messages} messages in ${queues.length} queues, codec ${codec}`)
  }
  for (const { name, lag, queues } of facts.groups) {
    const inFlight = queues.reduce((sum, queue) => sum + queue.inFlight, 0)
    console.log(`group    ${name}: ${lag} messages to do, ${inFlight} of them in flight`)
  }
}

function factsOf (engine: Engine): EngineStats {
  const topics = engine.topics().map(({ name, attributes, queues }) => ({ name, codec: attributes.codec ?? 'bytes', queues }))
  return { topics, groups: engine.groupProgress(), ...engine.stats() }
}
