import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterClient, type KnownBroker } from './cluster-client.ts'
import { CommandError } from './command-error.ts'
import { brokersOfGroup, haveLead, MASTER_ID, type TransferOptions } from './transfer.ts'

const LOOK_EVERY_MS = 200

export interface RollingRestartOptions extends TransferOptions {
  /** For the system's shell. */
  readonly command: string
  /** Seconds. */
  readonly timeout: string
  readonly pause: string
  readonly dryRun?: boolean
}

type Info = ReadonlyMap<string, string>

interface Node extends KnownBroker {
  /** Such as n1. */
  readonly id: string
  readonly number: number
}

interface Member { readonly node: string, readonly role: string, readonly matchIndex?: number }

/**
 * Restarts the nodes of a group one after the other: those that follow, each once all others have the whole log; then a
 * restarted one takes over from the last. Stops at the first that fails or does not come back in time. The client is closed.
 * @throws CommandError says which, and what was not restarted
 */
export async function rollingRestart (options: RollingRestartOptions, client = new ClusterClient()): Promise<void> {
  try {
    await new RollingRestart(client, options, await nodesOf(client, await brokersOfGroup(client, options))).run()
  } finally {
    await client.close()
  }
}

async function nodesOf (client: ClusterClient, brokers: readonly KnownBroker[]): Promise<Node[]> {
  return await Promise.all(brokers.map(async (broker) => {
    const info = await client.runtimeInfo(broker.address).catch((error: Error) => { throw new CommandError(`${broker.address} of ${broker.brokerName} does not answer, nothing was restarted: ${error.message}`) })
    const id = info.get('groupNode') ?? ''
    if (id === '') throw new CommandError(`${broker.address} is no node of a group of several`)
    return { ...broker, id, number: Number(id.slice(1)) }
  }))
}

class RollingRestart {
  readonly #client: ClusterClient
  readonly #options: RollingRestartOptions
  readonly #nodes: readonly Node[]
  readonly #left: Set<Node>
  readonly #timeoutMs: number
  readonly #pauseMs: number

  constructor (client: ClusterClient, options: RollingRestartOptions, nodes: readonly Node[]) {
    this.#client = client
    this.#options = options
    this.#nodes = [...nodes].sort((a, b) => a.number - b.number)
    this.#left = new Set(this.#nodes)
    this.#timeoutMs = millisecondsOf('--timeout', options.timeout)
    this.#pauseMs = millisecondsOf('--pause', options.pause)
  }

  async run (): Promise<void> {
    const startMs = performance.now()
    const { leader, members } = await this.#whole()
    const missing = members.filter(({ node }) => !this.#nodes.some(({ id }) => id === node))
    if (missing.length > 0) throw new CommandError(`${missing.map(({ node }) => node).join(', ')} of ${leader.brokerName} is not running, nothing was restarted`)
    if (members.filter(({ role }) => role === 'voter').length < 3) throw new CommandError(`${leader.brokerName} has ${members.filter(({ role }) => role === 'voter').length} nodes with a vote: without one of them it serves nobody, so it cannot be restarted while it serves`)
    console.log(`${leader.brokerName}: ${[...this.#nodes.filter((node) => node !== leader), leader].map((node) => `${node.id} (${node.address})`).join(', then ')}, which leads and hands over before`)
    if (this.#options.dryRun === true) return
    let hasHandedOver = false
    while (this.#left.size > 0) {
      const { leader, members } = await this.#whole()
      const next = [...this.#left].find((node) => node !== leader)
      if (next !== undefined) {
        await this.#restart(next)
      } else if (!hasHandedOver) {
        hasHandedOver = true
        await this.#handOver(leader, members)
      } else {
        console.log(`${leader.id} leads again, as a preferred node does (preferredLeaderId): it hands over when it stops`)
        await this.#restart(leader)
      }
    }
    console.log(`all ${this.#nodes.length} nodes were restarted, in ${seconds(performance.now() - startMs)}`)
  }

  async #restart (node: Node): Promise<void> {
    const startMs = performance.now()
    const before = (await this.#client.runtimeInfo(node.address)).get('bootTimestamp')
    console.log(`${node.id} is restarted`)
    await this.#run(node)
    await this.#until(() => `${node.id} has not come back`, async () => (await this.#client.runtimeInfo(node.address)).get('bootTimestamp') !== before || `it runs, and was not started anew since ${new Date(Number(before)).toISOString()}`)
    this.#left.delete(node)
    await this.#whole()
    console.log(`${node.id} is back and has the whole log, ${seconds(performance.now() - startMs)} later`)
  }

  /** To the node with a vote that has most of the log, all of which were restarted. */
  async #handOver (leader: Node, members: readonly Member[]): Promise<void> {
    const [next] = members.filter(({ node, role }) => role === 'voter' && node !== leader.id).sort((a, b) => b.matchIndex! - a.matchIndex!)
    const successor = this.#nodes.find(({ id }) => id === next!.node)!
    const startMs = performance.now()
    await haveLead(this.#client, leader, successor.number)
    console.log(`${successor.id} leads in place of ${leader.id}, ${seconds(performance.now() - startMs)} after it was asked to`)
    const { namesrv } = this.#options
    let leadsAgain = false
    await this.#until(() => `the name server ${namesrv} does not know that ${successor.id} leads`, async () => {
      leadsAgain = (await this.#client.runtimeInfo(leader.address)).get('groupRole') === 'leader'
      return leadsAgain || (await this.#client.brokers(namesrv)).some(({ brokerName, brokerId, address }) => brokerName === leader.brokerName && brokerId === MASTER_ID && address === successor.address)
    })
    if (leadsAgain) return
    if (this.#pauseMs > 0) console.log(`clients have ${seconds(this.#pauseMs)} to look who leads`)
    await sleep(this.#pauseMs)
  }

  /** Resolves when one leads, all answer, and every member has what was committed at the first look. */
  async #whole (): Promise<{ readonly leader: Node, readonly members: readonly Member[] }> {
    let wanted: number | undefined
    let found: { readonly leader: Node, readonly members: readonly Member[] } | undefined
    await this.#until(() => 'the group is not whole', async () => {
      const infos = await Promise.all(this.#nodes.map(async (node) => await this.#client.runtimeInfo(node.address).catch(() => undefined)))
      const silent = this.#nodes.filter((_, i) => infos[i] === undefined)
      if (silent.length > 0) return `${idsOf(silent)} does not answer`
      const at = infos.findIndex((info) => info!.get('groupRole') === 'leader')
      if (at === -1) return 'no node leads'
      const members = membersIn(infos[at]!)
      wanted ??= Number(infos[at]!.get('groupCommitIndex'))
      const behind = members.filter(({ matchIndex = 0 }) => matchIndex < wanted!)
      if (behind.length > 0) return `${behind.map(({ node, matchIndex = 0 }) => `${node} lacks ${wanted! - matchIndex} entries`).join(', ')}`
      found = { leader: this.#nodes[at]!, members }
      return true
    })
    return found!
  }

  async #run ({ id, address }: Node): Promise<void> {
    const { command } = this.#options
    const at = address.lastIndexOf(':')
    const env = { ...process.env, LEDGERMQ_NODE: id, LEDGERMQ_ADDRESS: address, LEDGERMQ_HOST: address.slice(0, at), LEDGERMQ_PORT: address.slice(at + 1) }
    const child = spawn(command, { shell: true, env, stdio: ['ignore', 'inherit', 'inherit'], timeout: this.#timeoutMs })
    const [status, signal] = await once(child, 'exit') as [number | null, string | null]
    if (status !== 0) throw this.#failure(`the command for ${id} ended with ${signal ?? `status ${status}`}`)
  }

  /** `isSo` tells what is not so yet. */
  async #until (what: () => string, isSo: () => Promise<boolean | string>): Promise<void> {
    const untilMs = performance.now() + this.#timeoutMs
    for (;;) {
      const answer = await isSo().catch((error: Error) => error.message)
      if (answer === true) return
      if (performance.now() > untilMs) throw this.#failure(`${what()} after ${seconds(this.#timeoutMs)}${typeof answer === 'string' ? `: ${answer}` : ''}`)
      await sleep(LOOK_EVERY_MS)
    }
  }

  #failure (text: string): CommandError {
    const left = this.#left.size === this.#nodes.length ? 'nothing' : `not ${idsOf([...this.#left])}`
    return new CommandError(`${text}; ${this.#left.size === 0 ? 'all were restarted' : `${left} was restarted`}`)
  }
}

function membersIn (info: Info): Member[] { return JSON.parse(info.get('groupMembers') ?? '[]') as Member[] }

function idsOf (nodes: readonly Node[]): string { return nodes.map(({ id }) => id).join(', ') }

function seconds (ms: number): string { return `${(ms / 1000).toFixed(1)} s` }

function millisecondsOf (flag: string, text: string): number {
  if (!/^\d{1,5}(\.\d+)?$/.test(text)) throw new CommandError(`${flag} ${text}: expected seconds, such as 30`)
  return Number(text) * 1000
}
