import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from '../../spec/cluster/cluster.ts'
import { processUse } from '../apache/process-use.ts'
import { endProgress, formatTable, progress } from '../harness/table.ts'

const LIMITS = { coreShare: 0.02, residentMiB: 130 }
const SETTLE_MS = 10_000

export interface IdleGroup {
  /** Of all nodes together. */
  readonly coreShare: number
  readonly residentMiB: readonly number[]
}

/** Three nodes of a group to which nothing happens: what they take of a core together, and the memory of each. */
export async function measureIdleGroup (folder: string, seconds: number): Promise<IdleGroup> {
  progress('a group of three settles')
  await using cluster = await Cluster.start({ folder, program: 'built', groups: [{ name: 'idle-group' }] })
  const { nodes } = cluster.groups[0]!
  await cluster.groups[0]!.inSync()
  await sleep(SETTLE_MS)
  progress(`a group of three, idle for ${seconds} s`)
  const before = nodes.map(({ pid }) => processUse(pid).cpuSeconds)
  await sleep(seconds * 1000)
  const after = nodes.map(({ pid }) => processUse(pid))
  endProgress()
  return {
    coreShare: after.reduce((sum, { cpuSeconds }, i) => sum + cpuSeconds - before[i]!, 0) / seconds,
    residentMiB: after.map(({ residentMiB }) => Math.round(residentMiB))
  }
}

/** Prints the table; returns whether all is within the limits. */
export function tellIdleGroup ({ coreShare, residentMiB }: IdleGroup, seconds: number): boolean {
  console.log(formatTable(['group of three, idle', 'measured', 'at most'], [
    [`of a core over ${seconds} s, together, %`, (coreShare * 100).toFixed(2), LIMITS.coreShare * 100],
    ['resident, the largest, MiB', Math.max(...residentMiB), LIMITS.residentMiB]
  ]))
  return coreShare <= LIMITS.coreShare && Math.max(...residentMiB) <= LIMITS.residentMiB
}
