import type { Logger } from '../base/index.ts'
import { addressText, type Address } from '../remoting/index.ts'
import type { PeerNetwork } from '../transport/index.ts'
import { addressOf, type AddressBook } from './address-book.ts'
import { sameBytes } from './formation.ts'
import { METHODS, whoIsAnswer, type GroupDescription } from './messages.ts'

export interface WhereaboutsOptions {
  readonly network: Pick<PeerNetwork, 'callAddress'>
  readonly addresses: AddressBook
  readonly logger: Logger
  readonly groupId: Uint8Array
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Somebody there is of another group. */
  readonly onStranger: (address: Address, group: GroupDescription) => void
}

/** Asks those at `places` what they know of the group; what they say of its members is kept. */
export async function askOfGroup (places: readonly Address[], { network, addresses, logger, groupId, timeoutMs, signal, onStranger }: WhereaboutsOptions): Promise<GroupDescription[]> {
  const answers = await Promise.all(places.map(async (address) => {
    try {
      const { group } = whoIsAnswer.decode(await network.callAddress(address, METHODS.whoIs, new Uint8Array(0), { timeoutMs, signal }))
      if (group === null || sameBytes(group.groupId, groupId)) return group
      onStranger(address, group)
    } catch (error) {
      logger.debug(`${addressText(address)} does not say who it is`, { error })
    }
    return null
  }))
  const heard = answers.filter((group): group is GroupDescription => group !== null)
  for (const { members } of heard) for (const { nodeId, address } of members) addresses.heard(nodeId, address)
  return heard
}

/** Where the leader listens, as one of them says. */
export function leaderIn (groups: readonly GroupDescription[], addresses: AddressBook): Address | undefined {
  const leading = groups.find(({ leaderId, members }) => leaderId !== 0 && members.some(({ nodeId }) => nodeId === leaderId))
  const leader = leading?.members.find(({ nodeId }) => nodeId === leading.leaderId)
  return leader === undefined ? undefined : addressOf(leader.address) ?? addresses.of(leader.nodeId)
}
