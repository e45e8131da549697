import { fileURLToPath } from 'node:url'
import { runPairedSuite } from '../harness/pairs.ts'

const NODES = 3

const description = `npm run bench -- group [options]

Sends to a group of three brokers and pulls from it, over RocketMQ's protocol with binary headers: each node is a process of the built
package, with SYNC_FLUSH, and a name server knows who leads. A send is answered when a majority has it on disk. Beside it runs a server with
two followers that do nothing but pass bytes on, append them and fdatasync (bench/limits/network.ts --nodes 3). What is sent and pulled is as
in the suite broker, and so are pairs and ratios. "us/msg" is processor time of one process, all its threads: of the leader, of each follower and of
the load; "node MiB" is the peak memory of the largest node.
`

interface GroupRun {
  readonly leaderCpuUs: number
  readonly followerCpuUs: readonly number[]
  readonly loadCpuUs: number
  readonly nodePeakMiB: number
}

const toHundredths = (value: number): number => Math.round(value * 100) / 100

export async function groupSuite (args: string[]): Promise<void> {
  await runPairedSuite({
    name: 'group',
    caseNames: ['send', 'pull'],
    nodes: NODES,
    caseProcess: fileURLToPath(new URL('case-process.ts', import.meta.url)),
    limit: fileURLToPath(new URL('../limits/network.ts', import.meta.url)),
    description,
    columns: [
      { head: 'leader us/msg', of: (run: GroupRun) => toHundredths(run.leaderCpuUs) },
      ...Array.from({ length: NODES - 1 }, (_, i) => ({ head: `follower ${i + 1} us/msg`, of: (run: GroupRun) => toHundredths(run.followerCpuUs[i]!) })),
      { head: 'load us/msg', of: (run: GroupRun) => toHundredths(run.loadCpuUs) },
      { head: 'node MiB', of: (run: GroupRun) => run.nodePeakMiB }
    ],
    profile: { node: ['--cpu-prof', '--cpu-prof-dir=bench/results'] }
  }, args)
}
