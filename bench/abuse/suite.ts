import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { HeaderType } from '../../lib/remoting/index.ts'
import { Load } from '../broker/load.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { Driver, type Measured } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { BrokerServer } from '../harness/server.ts'
import { formatTable } from '../harness/table.ts'

export const abuseUsage = `npm run bench -- abuse [options]

Good clients beside bad ones: 5,000 sockets that begin a frame and go on with a byte now and then, while producers send as before.
The 99th percentile of the producers may at most double. Rounds with and without the bad ones take turns.

  --sockets N         half-open sockets (5000)
  --rounds N          of each kind (5)
  --messages N        of a round (50000)
  --inflight N        messages in flight (128)
  --dir DIR           where the data lies while it runs (the system's temporary folder)
`

const MAX_RATIO = 2
/** Each bad socket goes on with its frame so often, within the time that a frame may take. */
const DRIP_MS = 1000
const CONNECT_AT_A_TIME = 100
/** Length of a frame that never comes, and the beginning of its header. */
const BEGINNING = Buffer.from([0, 0, 4, 0, 0, 0, 0, 200, 123])
const FULL_SIZE = 1024

export async function abuseSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      sockets: { type: 'string', default: '5000' },
      rounds: { type: 'string', default: '5' },
      messages: { type: 'string', default: '50000' },
      inflight: { type: 'string', default: '128' },
      dir: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(abuseUsage); return }
  const [sockets, rounds, messages, inflight] = [values.sockets, values.rounds, values.messages, values.inflight].map(Number) as [number, number, number, number]
  printMachine(describeMachine())
  await inScratchFolder(values.dir, async (folder) => {
    const server = await BrokerServer.start(folder, [])
    const load = await Load.connect(server.port, 4, HeaderType.binary, 8)
    const body = new Uint8Array(FULL_SIZE).fill(65)
    await load.send(messages, inflight, body)
    const [alone, beside] = [new Driver(), new Driver()]
    let heldMiB = 0
    for (let round = 0; round < rounds; round++) {
      await load.send(messages, inflight, body, alone)
      const crowd = await Crowd.gather(server.port, sockets)
      await load.send(messages, inflight, body, beside)
      heldMiB = server.usage().peakMiB
      await crowd.leave()
    }
    load.close()
    await server.stop()
    const workload = { size: FULL_SIZE, inflight, nodes: 1, sync: true, rounds, messages, dir: values.dir }
    const [without, among] = [alone.result('alone', workload), beside.result(`beside ${sockets} half-open sockets`, workload)]
    const row = (run: Measured): Array<string | number> => [run.name, run.msgsPerSec, run.p50us, run.p99us]
    console.log(formatTable(['producers', 'msg/s', 'p50 us', 'p99 us'], [row(without), row(among)]))
    const ratio = among.p99us / without.p99us
    console.log(`\np99 beside them: ${ratio.toFixed(2)} times that alone (at most ${MAX_RATIO}); peak memory of the broker ${Math.round(heldMiB)} MiB`)
    if (ratio > MAX_RATIO) process.exitCode = 1
  })
}

/** Sockets that never finish what they begin. */
class Crowd {
  readonly #sockets: Socket[] = []
  #timer: NodeJS.Timeout | undefined

  static async gather (port: number, count: number): Promise<Crowd> {
    const crowd = new Crowd()
    while (crowd.#sockets.length < count) {
      const fresh = Array.from({ length: Math.min(CONNECT_AT_A_TIME, count - crowd.#sockets.length) }, () => connect({ port, host: '127.0.0.1' }))
      await Promise.all(fresh.map((socket) => once(socket, 'connect')))
      for (const socket of fresh) socket.on('error', () => {}).write(BEGINNING)
      crowd.#sockets.push(...fresh)
    }
    let next = 0
    const share = Math.ceil(count / (DRIP_MS / 10))
    crowd.#timer = setInterval(() => {
      for (let i = 0; i < share; i++) crowd.#sockets[next++ % count]!.write('x')
    }, 10)
    return crowd
  }

  async leave (): Promise<void> {
    clearInterval(this.#timer)
    const gone = this.#sockets.map((socket) => socket.closed ? Promise.resolve() : once(socket, 'close'))
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(gone)
  }
}
