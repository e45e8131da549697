import { fileURLToPath } from 'node:url'
import { runPairedSuite } from '../harness/pairs.ts'

const description = `npm run bench -- embedded [options]

Sends, sends in batches and consumes with one process, one promise per message, each acknowledged after its fdatasync,
beside a program that does nothing but append and fdatasync (bench/limits/embedded.ts). Each pair runs both one after
the other, each in a process of its own, in turned order; the ratio is the median of the ratios of the pairs.

The yardstick writes round and round in 512 MiB that were written before. 'send at retention' (only with --cases) is the like
of that: a queue that keeps 512 MiB of its log (retention.maxBytes), and has written 1.5 GiB before it is measured, so that the
files that retention drops become the next ones. 'send' writes to a log that grows, as that of a queue in its first days.
`

export async function embeddedSuite (args: string[]): Promise<void> {
  await runPairedSuite({
    name: 'embedded',
    caseNames: ['send', 'send batch', 'consume', 'send at retention'],
    defaultCases: ['send', 'send batch', 'consume'],
    caseProcess: fileURLToPath(new URL('case-process.ts', import.meta.url)),
    limit: fileURLToPath(new URL('../limits/embedded.ts', import.meta.url)),
    description,
    profile: { node: ['--cpu-prof', '--cpu-prof-dir=bench/results'] }
  }, args)
}
