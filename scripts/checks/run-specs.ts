import { readdirSync } from 'node:fs'
import { compiledDirectory, compiledPath } from './compiled-sources.ts'
import { runStep } from './run-step.ts'
import { TapReport } from './tap-report.ts'

/** Begun first, in this order: a long file that comes last would leave the other core idle. */
const longest = [
  'package/package', 'log/bit-flips', 'crash/log-boundaries', 'scripts/quickstart', 'crash/engine-twice', 'crash/engine-boundaries', 'crash/engine-pieces',
  'cluster/master-slave', 'crash/state-flips', 'crash/engine-failures', 'store/crash', 'store/pop-history', 'cluster/two-groups', 'cluster/failover', 'sim/sim',
  'chaos/chaos', 'group/formation-crashes', 'crash/broker-boundaries', 'remoting/fuzz', 'namesrv/fuzz', 'crash/engine-rebuild', 'interop/ali-ons', 'interop/ali-ons-failover',
  'log/flush', 'store/flips', 'cli/start', 'log/recovery', 'crash/flush-mode'
].map((name) => `spec/${name}.spec.ts`)

export interface SpecTotals {
  passed: number
  failed: number
}

export interface SpecRun {
  readonly jobs: number
  /** Of one file; after it the file and what it started are killed, and it counts as failed. */
  readonly limitMs: number
  readonly onLine: (line: string) => void
}

/** All spec files, the longest first. */
export function specFiles (): string[] {
  const files = readdirSync('spec', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.spec.ts')).map((name) => `spec/${name.replaceAll('\\', '/')}`).sort()
  const gone = longest.find((file) => !files.includes(file))
  if (gone !== undefined) throw new Error(`there is no ${gone} that could come first`)
  return [...longest, ...files.filter((file) => !longest.includes(file))]
}

/** Runs each file as a process of its own, `jobs` at a time; as compiled. */
export async function runSpecs (files: readonly string[], { jobs, limitMs, onLine }: SpecRun): Promise<SpecTotals> {
  const totals = { passed: 0, failed: 0 }
  const waiting = [...files]
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const report = new TapReport()
      const { exitCode, timedOut, tookMs } = await runStep({
        command: [process.execPath, '--import', compiledPath('scripts/checks/spec-process.ts'), compiledPath(file)],
        env: { LEDGERMQ_COMPILED: compiledDirectory, TAP_TIMEOUT: String(limitMs / 1000) },
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
  await Promise.all(Array.from({ length: jobs }, worker))
  return totals
}
