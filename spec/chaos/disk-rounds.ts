import { setTimeout as sleep } from 'node:timers/promises'
import { until, type ClusterProcess } from '../cluster/cluster.ts'
import { LeaderWatch } from './leader-watch.ts'
import type { LoopDisk } from './loop-disk.ts'
import type { Scene } from './scene.ts'

/** diskStallTimeoutMs, unless it is configured. */
const STALL_MS = 3000
/** Less than a broker's reserve, so that it refuses; more than the log that comes meanwhile. */
const LEFT_BYTES = 8 * 1024 * 1024
/** How long a fault stays, at least. */
const HELD_MS = 1500
const RATE_MS = 5000
const RATE_PAIRS = 3
/** Far less than comes in. */
const SLOW_BYTES_PER_SECOND = 256 * 1024
const FAST = 0
const STUCK = 1

const diskOf = (scene: Scene, node: ClusterProcess): LoopDisk => scene.disks[scene.group.nodes.indexOf(node)]!

/** The disk of the leader stands still, in every fourth round that of a follower. */
export async function stuckRound (scene: Scene, round: number): Promise<void> {
  const { group } = scene
  const leader = await group.leader()
  const isLeader = round % 4 !== 3
  const node = isLeader ? leader : scene.choose(group.followersOf(leader))
  const disk = diskOf(scene, node)
  const watch = new LeaderWatch(group)
  try {
    await until('the leader is seen', () => watch.leader === leader)
    const fromMs = performance.now()
    disk.slow(STUCK)
    if (isLeader) {
      await until('another node leads', () => watch.leader !== undefined && watch.leader !== leader)
      const tookMs = performance.now() - fromMs
      scene.longest('longest until another leads, diskStallTimeoutMs', Math.round(tookMs / STALL_MS * 100) / 100)
      if (tookMs > 2 * STALL_MS) scene.count('over 2 diskStallTimeoutMs')
      scene.tell(`another node led ${Math.round(tookMs)} ms after the leader's disk stood still`)
      scene.count('leadersStuck')
    } else scene.count('followersStuck')
    await scene.steady('during the fault')
    await sleep(HELD_MS)
  } finally {
    disk.slow(FAST)
    await watch.stop()
  }
}

/** The disk of a follower is slow for a while, again and again; what that costs is a figure: below 0, as what it does not do others can on one machine. */
export async function slowRound (scene: Scene, round: number): Promise<void | false> {
  const { group, producer: { history } } = scene
  const disk = diskOf(scene, scene.choose(group.followersOf(await group.leader())))
  const written = [0, 0] as [fast: number, slow: number]
  const acksIn = async (ms: number, which: 0 | 1): Promise<number> => {
    const [before, bytesBefore, fromMs] = [history.storedCount, disk.writtenBytes, performance.now()]
    await sleep(ms)
    written[which] += disk.writtenBytes - bytesBefore
    return (history.storedCount - before) * 1000 / (performance.now() - fromMs)
  }
  let [fast, slow] = [0, 0]
  try {
    for (let pair = 0; pair < RATE_PAIRS; pair++) {
      fast += await acksIn(RATE_MS, 0) / RATE_PAIRS
      disk.slow(SLOW_BYTES_PER_SECOND)
      slow += await acksIn(RATE_MS, 1) / RATE_PAIRS
      disk.slow(FAST)
      await scene.inSync()
    }
  } finally {
    disk.slow(FAST)
  }
  // else it had too little to do to be slow
  if (written[0] < 2 * written[1]) return false
  const cost = Math.round((1 - slow / fast) * 1000) / 10
  scene.longest(`longest cost of a slow follower, per cent, round ${round}`, cost)
  scene.tell(`round ${round}: ${Math.round(fast)} a second, ${Math.round(slow)} with a slow follower: ${cost} % less; its disk took ${written[0]} bytes, and ${written[1]} while it was slow`)
  scene.count('followersSlow')
}

/** A disk fills up to its reserve, of the leader in every second round, else of a follower; and there is room again. */
export async function fullRound (scene: Scene, round: number): Promise<void> {
  const { group, producer: { history } } = scene
  const pids = group.nodes.map(({ pid }) => pid)
  const leader = await group.leader()
  const isLeader = round % 2 === 0
  const node = isLeader ? leader : scene.choose(group.followersOf(leader))
  const disk = diskOf(scene, node)
  const refused = history.notStoredCount
  await disk.fill(LEFT_BYTES)
  try {
    if (isLeader) await until('another node leads', async () => await group.leader() !== leader)
    await scene.steady('during the fault')
    await sleep(HELD_MS)
  } finally {
    await disk.free()
  }
  await scene.steady('after the fault')
  scene.count(isLeader ? 'leadersFull' : 'followersFull')
  if (isLeader && history.notStoredCount > refused) scene.count('leadersFullThatRefused')
  for (const [i, { pid, isRunning, name, output }] of group.nodes.entries()) {
    if (!isRunning || pid !== pids[i]) scene.problems.push(`${name} has ended when ${node.name} was full: ${output.slice(-2000)}`)
  }
}

/** Every write to a disk fails: the node ends by itself, confirms nothing any more, and comes back when the disk was mended. */
export async function failedRound (scene: Scene, round: number): Promise<void> {
  const { group } = scene
  const leader = await group.leader()
  const isLeader = round % 2 === 0
  const node = isLeader ? leader : scene.choose(group.followersOf(leader))
  const disk = diskOf(scene, node)
  await disk.fail()
  await until(`${node.name} ends`, () => !node.isRunning)
  scene.count(isLeader ? 'leadersFailed' : 'followersFailed')
  if (!/EIO|EROFS|i\/o error|Input\/output/i.test(node.output)) scene.problems.push(`${node.name} ended, and does not say why: ${node.output.slice(-2000)}`)
  await scene.steady('during the fault')
  await disk.mend()
  await scene.start([node])
}
