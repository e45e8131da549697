import { isMqError, MqError, wait, type Clock, type Logger, type Random } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'
import { incarnationOf, makeNodeId, numberOf, randomGroupId, type Identity } from '../replica/index.ts'
import { addressText, type Address } from '../remoting/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import { METHODS, whoIsAnswer, type GroupDescription, type WhoIsAnswer } from './messages.ts'
import { Reminder } from './reminder.ts'
import type { GroupSettings } from './settings.ts'

export interface FormationOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: GroupSettings
  readonly network: PeerNetwork
  readonly groupName: string
  /** This node, empty; durable. */
  readonly nodeId: NodeId
  /** All configured nodes by number, this one included or not. */
  readonly peers: ReadonlyMap<number, Address>
  /** It may found a group; a classic slave only joins one. */
  readonly mayFound: boolean
  readonly signal?: AbortSignal | undefined
  /** Calls of others that came since: who they said they are. */
  readonly visitors: Visitors
}

/**
 * Which node called last under each number. A node that was wiped introduces itself under its new incarnation; what its
 * old one has said and what is still under way then is not believed any more.
 */
export class Visitors {
  readonly #last = new Map<number, NodeId>()
  #count = 0

  get count (): number { return this.#count }

  note (nodeId: NodeId): void {
    this.#last.set(numberOf(nodeId), nodeId)
    this.#count++
  }

  /** The node has not called under another incarnation. */
  isLatest (nodeId: NodeId): boolean {
    const last = this.#last.get(numberOf(nodeId))
    return last === undefined || last === nodeId
  }
}

/**
 * How an empty node comes to be of a group. It asks all configured nodes, again and again, who they are:
 *
 *     one is of a group, and this node, in its present incarnation, is a founder   -> it takes its place
 *     one is of a group founded without it                                         -> it will have to be added
 *     all are empty, and this node has the lowest number                           -> it founds the group
 *     else                                                                         -> it waits
 *
 * The founder asks everybody, and a node that has taken a place never says again that it is empty: so no second group
 * can be founded beside one that has a majority. It makes its own place durable before anybody can hear of it: when it
 * stops before that, no group was founded; after that, the others hear of it once it is back.
 */
export async function becomeMember (options: FormationOptions): Promise<Identity> {
  const { clock, random, logger, settings, groupName, nodeId, peers, mayFound, signal, visitors } = options
  const number = numberOf(nodeId)
  const others = [...peers].filter(([other]) => other !== number)
  const isLowest = others.every(([other]) => other > number)
  const reminder = new Reminder(clock, logger, settings.remindIntervalMs)
  for (;;) {
    const visitorsBefore = visitors.count
    const refusals = new Map<number, string>()
    const answers = await Promise.all(others.map(([other, address]) => ask(options, other, address, (reason) => refusals.set(other, reason))))
    if (signal?.aborted === true) throw new MqError('MQ_ABORTED', 'opening was aborted', { cause: signal.reason })
    const believed = answers.filter((answer): answer is WhoIsAnswer => answer !== undefined && (visitors.count === visitorsBefore || visitors.isLatest(answer.nodeId)))
    const groups = believed.flatMap(({ group }) => group === null ? [] : [group])
    const [group] = groups
    if (group !== undefined && groups.some((other) => !sameBytes(other.groupId, group.groupId))) {
      reminder.say(`the nodes of '${groupName}' are of groups that were founded apart; this node joins none of them`)
    } else if (group !== undefined) {
      logger.info(group.founders.includes(nodeId) ? `node n${number} takes its place in group '${groupName}'` : `node n${number} joins group '${groupName}', which is there`, { nodeId, groupId: hex(group.groupId) })
      return identityIn(group, nodeId)
    } else if (believed.length === others.length && isLowest && mayFound) {
      const founders = [nodeId, ...believed.map((answer) => answer.nodeId)].sort((a, b) => a - b)
      const groupId = randomGroupId(random)
      logger.info(`node n${number} founds group '${groupName}' of ${[...peers.keys()].sort((a, b) => a - b).map((number) => `n${number}`).join(', ')}`, { nodeId, groupId: hex(groupId) })
      return identityIn({ groupId, founders }, nodeId)
    } else {
      const silent = others.filter((_, i) => answers[i] === undefined).map(([other, address]) => `n${other} (${addressText(address)}${refusals.has(other) ? `: ${refusals.get(other)!}` : ''})`)
      reminder.say(silent.length > 0
        ? `group '${groupName}' is not there yet: waiting for ${silent.join(', ')}`
        : `group '${groupName}' is not there yet: waiting for ${mayFound ? `n${Math.min(...others.map(([other]) => other))} to found it` : 'a node that leads it'}`)
    }
    await wait(clock, settings.askIntervalMs, signal)
  }
}

function identityIn ({ groupId, founders }: Pick<GroupDescription, 'groupId' | 'founders'>, nodeId: NodeId): Identity {
  return { groupId, nodeId, incarnation: incarnationOf(nodeId), founders }
}

async function ask ({ network, settings: { askTimeoutMs: timeoutMs }, logger, signal }: FormationOptions, number: number, address: Address, onRefused: (reason: string) => void): Promise<WhoIsAnswer | undefined> {
  try {
    const answer = whoIsAnswer.decode(await network.callAddress(address, METHODS.whoIs, new Uint8Array(0), { timeoutMs, signal }))
    if (numberOf(answer.nodeId) === number && makeNodeId(number, incarnationOf(answer.nodeId)) === answer.nodeId) return answer
    logger.warn(`n${numberOf(answer.nodeId)} answers at ${addressText(address)}, where the configuration has n${number}`)
  } catch (error) {
    if (isMqError(error) && error.refusal !== undefined) onRefused(error.message)
    logger.debug(`n${number} at ${addressText(address)} does not say who it is`, { error })
  }
  return undefined
}

export function sameBytes (a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

export function hex (bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
