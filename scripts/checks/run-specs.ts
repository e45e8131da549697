import { readdirSync } from 'node:fs'
import { compiledDirectory, compiledPath } from './compiled-sources.ts'
import { runStep } from './run-step.ts'
import { TapReport } from './tap-report.ts'

const named = (names: readonly string[]): string[] => names.map((name) => `spec/${name}.spec.ts`)

/** Begun first, in this order: a long file that comes last would leave the other core idle. */
const longest = named([
  'log/bit-flips', 'chaos/chaos', 'sim/sim', 'crash/engine-twice', 'crash/engine-boundaries', 'package/package', 'crash/state-flips', 'crash/engine-failures',
  'store/crash', 'remoting/fuzz', 'namesrv/fuzz', 'group/formation-crashes', 'crash/log-boundaries', 'scripts/quickstart', 'crash/engine-rebuild', 'store/flips',
  'store/pop-history', 'crash/broker-boundaries', 'crash/flush-mode', 'log/flush', 'log/recovery', 'store/consume-queue', 'cli/commands'
])

/** Servers in processes of their own, which are waited for most of the time: one of these at a time runs beside those that keep a core busy. */
const waiting = named([
  'cluster/two-groups', 'cluster/apache-files', 'cluster/master-slave', 'cluster/failover', 'cluster/membership', 'interop/ali-ons', 'interop/ali-ons-failover', 'interop/ali-ons-grown-queue',
  'cli/rolling-restart', 'cli/start', 'cli/group', 'cli/namesrv', 'broker/group-sockets'
])

export interface SpecTotals {
  passed: number
  failed: number
}

/** Files that run one after the other, `jobs` at a time. */
export interface Lane {
  readonly files: readonly string[]
  readonly jobs: number
}

export interface SpecRun {
  /** Of one file; after it the file and what it started are killed, and it counts as failed. */
  readonly limitMs: number
  /** dist/ was just made of the sources as they are. */
  readonly hasBuilt: boolean
  readonly onLine: (line: string) => void
}

/** All spec files: two processes that keep a core busy, and one that waits. */
export function specLanes (): Lane[] {
  const files = readdirSync('spec', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.spec.ts')).map((name) => `spec/${name.replaceAll('\\', '/')}`).sort()
  const placed = [...longest, ...waiting]
  const gone = placed.find((file) => !files.includes(file))
  if (gone !== undefined) throw new Error(`there is no ${gone} that could be placed`)
  return [{ files: [...longest, ...files.filter((file) => !placed.includes(file))], jobs: 2 }, { files: waiting, jobs: 1 }]
}

/** Runs each file as a process of its own, the lanes beside each other, as compiled. */
export async function runSpecs (lanes: readonly Lane[], { limitMs, hasBuilt, onLine }: SpecRun): Promise<SpecTotals> {
  const totals = { passed: 0, failed: 0 }
  const worker = async (left: string[]): Promise<void> => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      const report = new TapReport()
      const { exitCode, timedOut, tookMs } = await runStep({
        command: [process.execPath, '--import', compiledPath('scripts/checks/spec-process.ts'), compiledPath(file)],
        env: { LEDGERMQ_COMPILED: compiledDirectory, TAP_TIMEOUT: String(limitMs / 1000), ...(hasBuilt && { LEDGERMQ_BUILT: 'yes' }) },
        limitMs,
        onLine: (line) => report.line(line)
      })
      const failed = exitCode !== 0 || report.failed > 0
      totals.passed += report.passed
      totals.failed += failed ? Math.max(report.failed, 1) : 0
      onLine(`${failed ? 'FAILED' : 'ok'} ${file} (${(tookMs / 1000).toFixed(1)} s)${timedOut ? ' killed: it did not end' : failed && report.failed === 0 ? ` ended with status ${exitCode}` : ''}`)
      if (failed) report.explanation().forEach(onLine)
    }
  }
  await Promise.all(lanes.flatMap(({ files, jobs }) => {
    const left = [...files]
    return Array.from({ length: jobs }, () => worker(left))
  }))
  return totals
}
