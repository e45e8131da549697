import { setTimeout as sleep } from 'node:timers/promises'
import { until, type ClusterProcess } from '../cluster/cluster.ts'
import type { Program } from '../cluster/server-process.ts'
import { damageRound } from './damage.ts'
import { part, partitionKinds, type PartitionKind } from './partitions.ts'
import { cutPower } from './power-cut.ts'
import type { Scene } from './scene.ts'

/** One fault, with confirmed messages before it, during it where there is a majority, and after it. */
type Round = (scene: Scene, round: number) => Promise<void>

export interface Kind {
  readonly text: string
  readonly program: Program
  readonly hasLinks?: boolean
  readonly round: Round
}

/** How long a partition stays, at least. */
const PARTED_MS = 1500

const killRound: Round = async (scene, round) => {
  const { group } = scene
  const leader = await group.leader()
  const isLeader = round % 5 !== 4
  const how = round % 10 === 3 ? 'suspended' : round % 10 === 8 ? 'both killed' : 'killed'
  const nodes = how === 'both killed' ? [leader, scene.choose(group.followersOf(leader))] : [isLeader ? leader : scene.choose(group.followersOf(leader))]
  const first = how === 'both killed' ? undefined : scene.firstAck('without the leader')
  if (how === 'suspended') nodes[0]!.suspend()
  else await Promise.all(nodes.map((node) => node.kill()))
  scene.count(how === 'suspended' ? 'suspended' : 'killed', nodes.length)
  if (nodes.includes(leader)) {
    scene.count('leadersLost')
    if (how !== 'suspended') scene.count('leadersKilled')
  }
  const gapMs = await first
  if (gapMs !== undefined) {
    if (isLeader) scene.longest(`longest without an ack, ${how}, ms`, gapMs)
    await scene.steady('during the fault')
  }
  if (how === 'suspended') nodes[0]!.resume()
  else await scene.start(nodes)
}

const powerRound: Round = async (scene, round) => {
  const { group } = scene
  const leader = await group.leader()
  const count = 1 + round % 3
  const nodes = count === 1 && round % 2 === 0 ? [leader] : scene.chooseNodes(count)
  await Promise.all(nodes.map((node) => node.kill()))
  if (nodes.length * 2 < group.nodes.length) await scene.steady('during the fault')
  for (const { folder } of nodes) scene.count('namesTakenBack', (await cutPower(folder)).names)
  scene.count(`powerCutsOf${count}`)
  if (nodes.includes(leader)) scene.count('leadersLost')
  await scene.start(nodes)
}

/** Three election timeouts of the longest kind, which is twice groupElectionTimeoutMs (300). */
const LIMIT_MS = 1800
const LOOK_EVERY_MS = 10

/** How long until one of them leads, ms. */
async function takeover (nodes: readonly ClusterProcess[]): Promise<number> {
  const fromMs = performance.now()
  await until('another node leads', async () => {
    await sleep(LOOK_EVERY_MS)
    return (await Promise.all(nodes.map((node) => node.figures()))).some((figures) => figures?.['groupRole'] === 'leader')
  })
  return performance.now() - fromMs
}

const partitionRound = (kindOf: (round: number) => PartitionKind): Round => async (scene, round) => {
  const { group, random } = scene
  const links = scene.links!
  const kind = kindOf(round)
  const leader = group.nodes.indexOf(await group.leader())
  const touched = links.touched
  const partition = part(kind, links, { count: group.nodes.length, leader, random })
  try {
    if (partition.hasMajority) {
      const first = scene.firstAck(`while ${partition.text}`)
      if (kind === 'split' || kind === 'one-way') {
        const takenOverMs = await takeover(group.nodes.filter((_, i) => i !== leader))
        scene.longest(`longest until another leads, ${kind}, ms`, takenOverMs)
        if (takenOverMs > LIMIT_MS) scene.count(`over 3 election timeouts, ${kind}`)
      }
      scene.longest(`longest without an ack, ${kind}, ms`, await first)
      await scene.steady('during the fault', 10)
    }
    await sleep(PARTED_MS)
  } finally {
    partition.stop()
  }
  if (links.touched === touched) scene.problems.push(`no message was held while ${partition.text}`)
  scene.count(kind)
  const before = await scene.term()
  links.heal()
  await scene.steady('after the fault')
  await group.inSync(0).catch(() => {})
  const changes = await scene.term() - before
  scene.longest('longest term changes at a heal', changes)
  if (changes > 1) scene.count(`more than one term change, ${kind}`)
}

export const kinds: Readonly<Record<string, Kind>> = {
  kills: { text: 'leaders, followers and majorities are killed (SIGKILL) and suspended (SIGSTOP)', program: 'source', round: killRound },
  power: { text: 'the power of one, two and three nodes is cut', program: 'forgetful', round: powerRound },
  partitions: { text: `links between nodes: ${partitionKinds.join(', ')}`, program: 'source', hasLinks: true, round: partitionRound((round) => partitionKinds[round % partitionKinds.length]!) },
  corruption: { text: 'files of a minority are damaged, while the node runs and while it is down', program: 'source', round: damageRound }
}
