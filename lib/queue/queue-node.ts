import { NodeRandom, NodeSockets, SharedSecret } from '../adapters/index.ts'
import { isMqError, MqError, wait, type Clock } from '../base/index.ts'
import type { Engine, EngineOptions } from '../engine/index.ts'
import { MAX_PEER_NUMBER } from '../config/index.ts'
import { GroupMember, type GroupMemberOptions, type MemberStatus } from '../group/index.ts'
import { addressText, parseAddress, type Address } from '../remoting/index.ts'
import { TcpPeerNetwork } from '../transport/index.ts'
import type { CheckedServeOptions } from './serve-options.ts'

/** The number of the node that began as an embedded queue. */
const OWN_NUMBER = 0
/** While it does not lead, the node of a queue asks for leadership so often. */
const AGAIN_MS = 100

/** This queue as a node of a group: others may join it, hold the same, and go on when it is gone. */
export class QueueNode {
  /** Where others reach this node. */
  readonly address: string
  readonly #member: GroupMember

  /** @private */
  constructor (member: GroupMember, address: Address) {
    this.#member = member
    this.address = addressText(address)
  }

  /**
   * Lets the node `id` (`n1`, `n2`, ...) join, which listens for others at `address`: a broker (`ledgermq broker`) whose
   * configuration names this node as `n0` and itself. It gets everything; two of them become voters together. Resolves when
   * the group knows of it. @throws MQ_INVALID_ARGUMENT, MQ_NOT_LEADER
   */
  async addPeer (id: string, address: string): Promise<void> {
    await this.#member.addPeer(numberIn(id), address)
  }

  /** Removes nodes, in one step; what they hold is not touched. @throws MQ_INVALID_ARGUMENT, MQ_NOT_LEADER, MQ_BUSY, MQ_UNAVAILABLE of those left too many cannot be reached */
  async removePeers (...ids: string[]): Promise<void> {
    const numbers = ids.map(numberIn)
    const nodeIds = numbers.map((number) => this.#member.members().filter((member) => member.number === number).map(({ nodeId }) => nodeId))
    const missing = ids.find((_, i) => nodeIds[i]!.length === 0)
    if (missing !== undefined) throw new MqError('MQ_INVALID_ARGUMENT', `${missing} is not of the group`)
    await this.#member.remove(nodeIds.flat())
  }

  /** The nodes of the group, as this one knows them. */
  members (): MemberStatus[] { return this.#member.members() }
}

/** A node that is open, and what the queue's user has of it. */
export interface OpenNode {
  readonly member: GroupMember
  readonly node: QueueNode
}

/** Lets the engine of an open queue, alone so far, be reached. */
export async function serveEngine (engine: Engine, options: EngineOptions, serve: CheckedServeOptions): Promise<OpenNode> {
  return await withNetwork(engine.clock, options, serve, (memberOptions) => GroupMember.attach(engine, memberOptions))
}

/** Opens a queue that is, or becomes, the first node of a group; resolves when it leads. */
export async function openNode (clock: Clock, options: EngineOptions, serve: CheckedServeOptions): Promise<OpenNode> {
  const open = await withNetwork(clock, options, serve, (memberOptions) => GroupMember.open(memberOptions))
  try {
    await untilLeading(open.member, clock, options.signal)
  } catch (error) {
    await open.member.close()
    throw error
  }
  return open
}

async function withNetwork (clock: Clock, engine: EngineOptions, serve: CheckedServeOptions, open: (options: GroupMemberOptions) => Promise<GroupMember>): Promise<OpenNode> {
  const { groupName, secret } = serve
  const listen = parseAddress(serve.listen)
  const { logger } = engine
  const probe = new NodeSockets()
  let address = serve.advertise === undefined ? listen : parseAddress(serve.advertise)
  if (address.port === 0) {
    // the address is told to others, and kept: it has to be known first
    const listener = await probe.listen(listen, ({ stream }) => { stream.destroy() })
    address = { host: address.host, port: listener.address.port }
    await listener.close()
  }
  const bound = listen.port === 0 ? { host: listen.host, port: address.port } : listen
  const member = await open({
    groupName,
    number: OWN_NUMBER,
    peers: [{ number: OWN_NUMBER, address }],
    preferredLeaders: [OWN_NUMBER],
    engine,
    openNetwork: async (self) => {
      const network = new TcpPeerNetwork({ clock, random: new NodeRandom(), network: new NodeSockets(), logger, self, ...(secret !== undefined && { secret: new SharedSecret(secret) }) })
      try {
        await network.listen(bound)
      } catch (error) {
        await network.close()
        throw error
      }
      return network
    }
  })
  return { member, node: new QueueNode(member, address) }
}

/** Has leadership handed to this node, as soon as it has caught up; resolves when it leads. */
async function untilLeading (member: GroupMember, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    if (signal?.aborted === true) throw new MqError('MQ_ABORTED', 'opening was aborted', { cause: signal.reason })
    const { engine, nodeId } = member
    engine.assertOpen()
    if (engine.role.isLeader) return
    try {
      // alone it elects itself
      if (engine.role.leaderId !== 0 && engine.role.leaderId !== nodeId) {
        await engine.readBarrier()
        await engine.transferLeadership(nodeId)
      }
    } catch (error) {
      if (!isMqError(error) || !(error.retryable || error.code === 'MQ_CLOSED' || error.code === 'MQ_INVALID_ARGUMENT')) throw error
      // no leader yet, no voter yet, or the engine is being replaced by one that has caught up
    }
    await wait(clock, AGAIN_MS)
  }
}

function numberIn (id: string): number {
  const number = /^n\d{1,5}$/.test(id) ? Number(id.slice(1)) : NaN
  if (!(number <= MAX_PEER_NUMBER)) throw new MqError('MQ_INVALID_ARGUMENT', `${id} is no id of a node: n1, n2, ...`)
  if (number === OWN_NUMBER) throw new MqError('MQ_INVALID_ARGUMENT', `${id} is this queue's own`)
  return number
}
