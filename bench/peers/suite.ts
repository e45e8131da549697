import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runJson } from '../harness/child.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { median } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { endProgress, formatTable, progress } from '../harness/table.ts'
import { howToInstall, loadOptional } from './packages.ts'
import { withRedis } from './redis.ts'

const usage = `npm run bench -- peers [options]

Sends and consumes beside other queues for Node.js on this machine, all of them durable before they confirm: BullMQ
(worker of concurrency 100; redis-server with appendfsync always, started here) and a queue on better-sqlite3 (WAL,
synchronous FULL; takes and deletes 32 rows per transaction). Ours sends with a promise per message and consumes in
batches of 32 with durable acknowledgements. Rounds run in turn, in processes of their own.

  --rounds N     (3)
  --size BYTES   (1024)
  --dir DIR      where the data lies while it runs (the system's temporary folder)

${howToInstall}`

interface Peer {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  /** Messages of a round: slow ones get fewer. */
  readonly messages: number
}

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

export async function peersSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '3' },
      size: { type: 'string', default: '1024' },
      dir: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  printMachine(describeMachine())
  await inScratchFolder(values.dir, async (folder) => {
    const peers: Peer[] = [{ name: 'ledgermq', program: program('../embedded/case-process.ts'), args: [], messages: 200_000 }]
    const missing: string[] = []
    if (await loadOptional('better-sqlite3') === undefined) missing.push('better-sqlite3')
    else peers.push({ name: 'better-sqlite3', program: program('sqlite-process.ts'), args: [], messages: 100_000 })
    const measure = (): Promise<void> => compare(peers, Number(values.rounds), ['--size', values.size, '--dir', folder])
    if (await loadOptional('bullmq') === undefined) {
      missing.push('bullmq')
      await measure()
    } else {
      const withBullmq = async (port: number): Promise<true> => {
        peers.push({ name: 'bullmq', program: program('bullmq-process.ts'), args: ['--port', String(port)], messages: 20_000 })
        await measure()
        return true
      }
      if (await withRedis(folder, withBullmq) === undefined) {
        missing.push('redis-server')
        await measure()
      }
    }
    if (missing.length > 0) console.log(`\nnot here: ${missing.join(', ')}\n\n${howToInstall}`)
  })
}

async function compare (peers: readonly Peer[], rounds: number, common: readonly string[]): Promise<void> {
  for (const name of ['send', 'consume']) {
    const rates = peers.map((): number[] => [])
    for (let round = 0; round < rounds; round++) {
      for (const [i, peer] of peers.entries()) {
        progress(`${name}: round ${round + 1} of ${rounds}, ${peer.name}`)
        const { msgsPerSec } = await runJson(peer.program, [...peer.args, ...common, '--case', name, '--rounds', '1', '--inflight', '1000', '--messages', String(peer.messages)])
        rates[i]!.push(msgsPerSec)
      }
    }
    endProgress()
    console.log('\n' + formatTable([name, 'msg/s', 'ours by theirs'], peers.map((peer, i) => [
      peer.name,
      Math.round(median(rates[i]!)),
      i === 0 ? undefined : median(rates[0]!.map((ours, round) => ours / rates[i]![round]!)).toFixed(1)
    ])))
  }
}
