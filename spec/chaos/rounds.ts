import { setTimeout as sleep } from 'node:timers/promises'
import { until, type Settings } from '../cluster/cluster.ts'
import type { Program } from '../cluster/server-process.ts'
import { damageRound } from './damage.ts'
import { failedRound, fullRound, slowRound, stuckRound } from './disk-rounds.ts'
import { LeaderWatch, type LeaderNews } from './leader-watch.ts'
import { part, partitionKinds, type PartitionKind } from './partitions.ts'
import { cutPower } from './power-cut.ts'
import type { Scene } from './scene.ts'

/** One fault, with confirmed messages before it, during it where there is a majority, and after it. False: it did not come about. */
type Round = (scene: Scene, round: number) => Promise<void | false>

export interface Kind {
  readonly text: string
  readonly program: Program
  readonly hasLinks?: boolean
  /** Each node has a real file system of its own, of so many MiB. */
  readonly diskMiB?: number
  /** Disks are made slow. */
  readonly slowsDisks?: boolean
  /** Lines of the configuration of each node. */
  readonly settings?: Settings
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
    if (isLeader) scene.longest(`longest without an ack, ${how}, ms`, Math.round(gapMs))
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

/** groupElectionTimeoutMs, unless it is configured. */
const ELECTION_TIMEOUT_MS = 600
const MAX_ELECTION_TIMEOUTS = 3
/** After a heal: for elections that are still to come. */
const SETTLE_MS = 2 * ELECTION_TIMEOUT_MS

const partitionRound = (kindOf: (round: number) => PartitionKind): Round => async (scene, round) => {
  const { group, random } = scene
  const links = scene.links!
  const kind = kindOf(round)
  const watch = new LeaderWatch(group, links)
  try {
    await until('the leader is seen', () => watch.leader !== undefined)
    const leader = group.nodes.indexOf(await group.leader())
    const touched = links.touched
    watch.take()
    const partition = part(kind, links, { count: group.nodes.length, leader, random })
    watch.take()
    let apart: LeaderNews
    try {
      if (partition.hasMajority) {
        const first = scene.firstAck(`while ${partition.text}`)
        scene.longest(`longest without an ack, ${kind}, ms`, Math.round(await first))
        await scene.steady('during the fault', 10)
      }
      await sleep(PARTED_MS)
    } finally {
      partition.stop()
      apart = watch.take()
    }
    if (links.touched === touched) scene.problems.push(`no message was held while ${partition.text}`)
    links.heal()
    watch.take()
    await scene.steady('after the fault')
    await scene.inSync()
    await sleep(SETTLE_MS)
    const healed = watch.take()
    scene.count(kind)
    const timeouts = (ms: number): number => Math.round(ms / ELECTION_TIMEOUT_MS * 10) / 10
    const withoutLeader = Math.max(partition.hasMajority ? apart.withoutMs : 0, healed.withoutMs)
    scene.longest(`longest without a leader, ${kind}, election timeouts`, timeouts(withoutLeader))
    scene.longest(`longest term changes while apart, ${kind}`, apart.terms)
    scene.longest(`longest term changes at a heal, ${kind}`, healed.terms)
    scene.tell(`${kind}, ${group.nodes.length} nodes, ${partition.text}: without a leader for ${partition.hasMajority ? timeouts(apart.withoutMs) : '(no majority)'} election timeouts, and ${timeouts(healed.withoutMs)} after the heal; term changes ${apart.terms}, and ${healed.terms} after the heal`)
    if (withoutLeader > MAX_ELECTION_TIMEOUTS * ELECTION_TIMEOUT_MS) scene.count(`over ${MAX_ELECTION_TIMEOUTS} election timeouts, ${kind}`)
    if (healed.terms > 1) scene.count(`more than one term change at a heal, ${kind}`)
  } finally {
    await watch.stop()
  }
}

export const kinds: Readonly<Record<string, Kind>> = {
  kills: { text: 'leaders, followers and majorities are killed (SIGKILL) and suspended (SIGSTOP)', program: 'source', round: killRound },
  power: { text: 'the power of one, two and three nodes is cut', program: 'forgetful', round: powerRound },
  partitions: { text: `links between nodes: ${partitionKinds.join(', ')}`, program: 'source', hasLinks: true, round: partitionRound((round) => partitionKinds[round % partitionKinds.length]!) },
  corruption: { text: 'files of a minority are damaged, while the node runs and while it is down', program: 'source', settings: { mappedFileSizeCommitLog: 256 * 1024 }, round: damageRound },
  stuck: { text: 'the disk of the leader, or of a follower, stands still', program: 'source', diskMiB: 512, slowsDisks: true, round: stuckRound },
  slow: { text: 'the disk of a follower is slow, now and then: what that costs', program: 'source', diskMiB: 2048, slowsDisks: true, round: slowRound },
  full: { text: 'the disk of the leader, or of a follower, fills up, and has room again', program: 'source', diskMiB: 256, round: fullRound },
  eio: { text: 'every write to the disk of the leader, or of a follower, fails', program: 'source', diskMiB: 512, round: failedRound }
}
