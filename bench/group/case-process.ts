/** One case of the group suite: a group of nodes and a name server, and in this process the load on its leader. Prints one JSON line, as the yardsticks do. */
import { HeaderType } from '../../lib/remoting/index.ts'
import { Cluster, type ClusterProcess } from '../../spec/cluster/cluster.ts'
import { Load, MOST_CONNECTIONS } from '../broker/load.ts'
import { pulling, sending, type Measure } from '../broker/measures.ts'
import { Driver, workloadFromArgs } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { usageOf } from '../harness/server.ts'

const cases: Readonly<Record<string, Measure>> = { send: sending, pull: pulling }

const workload = workloadFromArgs(['case'])
const name = workload.more.case ?? 'send'
const measure = cases[name]
if (measure === undefined) throw new RangeError(`--case is one of ${Object.keys(cases).join(', ')}`)
await inScratchFolder(workload.dir, async (folder) => {
  const queues = measure.queues(workload.inflight)
  const settings = { flushDiskType: workload.sync ? 'SYNC_FLUSH' : 'ASYNC_FLUSH', defaultTopicQueueNums: queues }
  const cluster = await Cluster.start({ folder, program: 'built', groups: [{ name: 'bench-broker', nodes: workload.nodes, settings }] })
  let load: Load | undefined
  try {
    const group = cluster.groups[0]!
    await group.inSync()
    const leader = await group.leader()
    const nodes = [leader, ...group.followersOf(leader)]
    load = await Load.connect(portOf(leader), Math.min(MOST_CONNECTIONS, workload.inflight), HeaderType.binary, queues)
    const driver = new Driver()
    // nodes, the leader first, then this process
    const cpuMs = new Array<number>(nodes.length + 1).fill(0)
    const count = (sign: number): void => {
      for (const [i, { pid }] of nodes.entries()) cpuMs[i]! += sign * usageOf(pid).cpuMs
      cpuMs[nodes.length]! += sign * usageOf(process.pid).cpuMs
    }
    await measure.run(load, workload, driver, { begin: () => { count(-1) }, end: () => { count(1) } })
    const peakMiB = Math.max(...nodes.map(({ pid }) => usageOf(pid).peakMiB))
    const perMessage = cpuMs.map((ms) => ms * 1000 / (workload.messages * workload.rounds))
    console.log(JSON.stringify({
      ...driver.result(name, workload),
      leaderCpuUs: perMessage[0],
      followerCpuUs: perMessage.slice(1, nodes.length),
      loadCpuUs: perMessage[nodes.length],
      nodePeakMiB: Math.round(peakMiB)
    }))
  } finally {
    load?.close()
    await cluster.close()
  }
})

function portOf ({ address }: ClusterProcess): number { return Number(address.slice(address.lastIndexOf(':') + 1)) }
