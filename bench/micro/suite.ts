import Benchmark from 'benchmark'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { formatTable, progress, endProgress } from '../harness/table.ts'

/** Names what is to be measured; results are returned so that nothing is optimised away. */
export type MicroSuite = (add: (name: string, fn: () => unknown) => void) => Promise<void>

const suites: Readonly<Record<string, () => Promise<MicroSuite>>> = {
  checksums: async () => (await import('./checksums.ts')).checksums,
  codecs: async () => (await import('./codecs.ts')).codecs,
  pages: async () => (await import('./pages.ts')).pages,
  remoting: async () => (await import('./remoting.ts')).remoting,
  transport: async () => (await import('./transport.ts')).transport,
  filters: async () => (await import('./filters.ts')).filters,
  quorums: async () => (await import('./quorums.ts')).quorums
}

/** Where results go, so that the engine has to compute them. */
export const sink: { last: unknown } = { last: undefined }

export async function microSuite (args: string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(`npm run bench -- micro [NAME...]\n\nSmall parts on their own, names: ${Object.keys(suites).join(', ')}. About 6 seconds per line.`)
    return
  }
  for (const name of args) if (suites[name] === undefined) throw new RangeError(`there is no micro suite '${name}'; there are ${Object.keys(suites).join(', ')}`)
  printMachine(describeMachine())
  for (const name of args.length === 0 ? Object.keys(suites) : args) {
    const suite = new Benchmark.Suite()
    await (await suites[name]!())((title, fn) => { suite.add(title, () => { sink.last = fn() }) })
    const rows: Array<[string, number, string, string]> = []
    suite.on('cycle', ({ target }: { target: Benchmark.Target & { stats?: { rme: number } } }) => {
      const perSec = target.hz ?? 0
      progress(`${name}: ${target.name}`)
      rows.push([target.name ?? '', Math.round(perSec), (1e9 / perSec).toFixed(perSec > 1e7 ? 1 : 0), `${(target.stats?.rme ?? 0).toFixed(1)} %`])
    })
    suite.run()
    endProgress()
    console.log('\n' + formatTable([name, 'per second', 'ns each', '+-'], rows))
  }
}
