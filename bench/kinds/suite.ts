import { fileURLToPath } from 'node:url'
import { runPairedSuite } from '../harness/pairs.ts'

const description = `npm run bench -- kinds [options]

What kinds of messages cost: sends of each kind to a broker of the built package, a process of its own with SYNC_FLUSH, beside plain sends to
another such broker; "ratio" is the part of their rate that is left. A plain send has a unique key, WAIT and a tag, as every one of a producer in Java has;
a keyed send one key more, another one for each message; a delay send a time of its own, evenly between a second and an hour from now;
a transaction send is a half message and, once that is answered, the one-way request that commits it. "unindexed send" is a plain one with messageIndexEnable=false. "sql evaluation" has nothing to do with
sends: evaluations of a > 5 AND b IN ('x', 'y') a second, on stored text of six properties.
Unless given: --sizes 1024 --inflight 1000.
`

interface KindRun {
  readonly serverCpuUs?: number
  readonly clientCpuUs?: number
}

export async function kindsSuite (args: string[]): Promise<void> {
  const defaults = [['--sizes', '1024'], ['--inflight', '1000']].filter(([option]) => !args.some((arg) => arg === option || arg.startsWith(`${option}=`))).flat()
  await runPairedSuite({
    name: 'kinds',
    caseNames: ['plain send', 'keyed send', 'delay send', 'transaction send', 'unindexed send', 'sql evaluation'],
    caseProcess: fileURLToPath(new URL('case-process.ts', import.meta.url)),
    limit: fileURLToPath(new URL('case-process.ts', import.meta.url)),
    description,
    columns: [
      { head: 'server us/msg', of: (run: KindRun) => Math.round((run.serverCpuUs ?? 0) * 100) / 100 },
      { head: 'client us/msg', of: (run: KindRun) => Math.round((run.clientCpuUs ?? 0) * 100) / 100 }
    ],
    profile: { program: ['--server-profile', 'bench/results'] }
  }, [...defaults, ...args])
}
