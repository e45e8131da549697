import { fileURLToPath } from 'node:url'
import { runPairedSuite } from '../harness/pairs.ts'

const description = `npm run bench -- broker [options]

Sends and pulls over RocketMQ's protocol, with a broker of the built package as a process of its own and SYNC_FLUSH, beside a server
that does nothing but take bytes from a socket, append them and fdatasync (bench/limits/network.ts). Sends: one SEND_MESSAGE_V2 per
message with topic, queue, tag, key and unique key, an answer each, over up to 4 connections. Pulls: a backlog of the size of the round is
consumed, 32 messages a pull (fewer when fewer are in flight), with as many queues as it takes for as many in flight, one pull under way
per queue, and each pull tells how far the group is, as a push consumer's does; in the end the broker is asked whether it knows. Each pair runs both one after the other, in turned order; the
ratio is the median of the ratios of the pairs. "server us/msg" is processor time of the broker, all its threads; "server MiB" its peak memory.
`

interface BrokerRun {
  readonly serverCpuUs: number
  readonly serverPeakMiB: number
}

export async function brokerSuite (args: string[]): Promise<void> {
  await runPairedSuite({
    name: 'broker',
    caseNames: ['send binary', 'send json', 'pull binary', 'pull json'],
    caseProcess: fileURLToPath(new URL('case-process.ts', import.meta.url)),
    limit: fileURLToPath(new URL('../limits/network.ts', import.meta.url)),
    description,
    columns: [
      { head: 'server us/msg', of: (run: BrokerRun) => Math.round(run.serverCpuUs * 100) / 100 },
      { head: 'server MiB', of: (run: BrokerRun) => run.serverPeakMiB }
    ],
    profile: { program: ['--server-profile', 'bench/results'] }
  }, args)
}
