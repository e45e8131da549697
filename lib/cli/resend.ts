import { letterSelection, type Resent } from '../engine/index.ts'
import { resendDeadLetters } from '../remoting/index.ts'
import { ClusterClient } from './cluster-client.ts'
import { CommandError } from './command-error.ts'
import { withLogDirectory } from './existing-directory.ts'
import { openStoredEngine } from './stored-engine.ts'
import { brokersOfGroup, leaderOrAny } from './transfer.ts'

/** A broker's answer to one request: it sends up to so many and makes that durable. */
const TIMEOUT_MS = 60_000
const AT_ONCE = 1000

export interface ResendOptions {
  readonly namesrv: string
  readonly broker?: string | undefined
  /** A directory that is not open elsewhere, in place of a broker. */
  readonly data?: string | undefined
  readonly topic?: string | undefined
  readonly id?: readonly string[] | undefined
}

/** Sends dead letters of a group again, and tells how many. @throws CommandError the broker refuses, or the directory is a node's of a group */
export async function resend (group: string, options: ResendOptions): Promise<void> {
  const { resent, kept, withoutTopic } = await (options.data === undefined ? byBroker(group, options) : inDirectory(group, options.data, options))
  console.log(`${resent} dead letters of ${group} were sent again${kept === 0 ? '' : `, ${kept} were not selected`}${withoutTopic === 0 ? '' : `, of ${withoutTopic} the topic is not there any more`}`)
}

async function inDirectory (group: string, directory: string, { topic, id: ids }: ResendOptions): Promise<Resent> {
  const node = await withLogDirectory(directory, async (_, node) => node)
  if (node.others.length > 0) throw new CommandError(`${directory} is of a node of a group: start it, and ask the group by its name server`)
  const engine = await openStoredEngine(directory, node)
  try {
    return await engine.deadLetters.resend({ group, select: letterSelection({ topic, ids }) })
  } finally {
    await engine.close()
  }
}

/** In pieces: each is durable when it is answered, and whoever is cut off begins again and finds the rest. */
async function byBroker (group: string, options: ResendOptions): Promise<Resent> {
  const client = new ClusterClient()
  try {
    const { address } = leaderOrAny(await brokersOfGroup(client, options))
    let resent = 0
    for (;;) {
      const extFields = resendDeadLetters.request.encode({ group, topic: options.topic, msgIds: options.id?.join(','), max: AT_ONCE })
      const answer = resendDeadLetters.response.decode(await client.ask(address, { code: resendDeadLetters.code, extFields }, TIMEOUT_MS))
      resent += answer.resent
      if (answer.resent < AT_ONCE) return { ...answer, resent }
    }
  } finally {
    await client.close()
  }
}
