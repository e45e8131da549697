/** One case of the suite of kinds. Prints one JSON line, as the yardsticks do; without a case it is the yardstick itself: plain sends. */
import { setTimeout } from 'node:timers/promises'
import { SqlFilter } from '../../lib/filter/index.ts'
import { encodeProperties } from '../../lib/message/index.ts'
import { HeaderType } from '../../lib/remoting/index.ts'
import { Load, MOST_CONNECTIONS, type Next } from '../broker/load.ts'
import { DELAY_MS, UNIQUE_KEY } from '../broker/requests.ts'
import { Driver, workloadFromArgs } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { BrokerServer, usageOf } from '../harness/server.ts'
import { EndFrames } from './end-frames.ts'

const QUEUES = 8
const COMMITTED_WITHIN_MS = 10_000
const PLAIN = `UNIQ_KEY\u0001${UNIQUE_KEY}\u0002WAIT\u0001true\u0002TAGS\u0001bench\u0002`

interface Kind {
  /** Text of properties; the unique key in it is another one for each message. */
  readonly properties: string
  readonly settings?: readonly string[]
  readonly next?: Next
}

const PRODUCERS = 'bench-producers'
const ends = new EndFrames(PRODUCERS)

const kinds: Readonly<Record<string, Kind>> = {
  'plain send': { properties: PLAIN },
  'keyed send': { properties: `KEYS\u0001order-${UNIQUE_KEY}\u0002${PLAIN}` },
  'delay send': { properties: `TIMER_DELAY_MS\u0001${DELAY_MS}\u0002${PLAIN}` },
  'transaction send': { properties: `TRAN_MSG\u0001true\u0002PGROUP\u0001${PRODUCERS}\u0002${PLAIN}`, next: (...answer) => { ends.write(...answer) } },
  'unindexed send': { properties: PLAIN, settings: ['messageIndexEnable=false'] }
}

const workload = workloadFromArgs(['case', 'server-profile'])
const name = workload.more.case ?? 'plain send'
if (name === 'sql evaluation') evaluateSql()
else await send(kinds[name])

async function send (kind: Kind | undefined): Promise<void> {
  if (kind === undefined) throw new RangeError(`--case is one of ${Object.keys(kinds).join(', ')}, sql evaluation`)
  const { size, inflight, messages, rounds, sync } = workload
  const profile = workload.more['server-profile']
  await inScratchFolder(workload.dir, async (folder) => {
    const server = await BrokerServer.start(folder, [`flushDiskType=${sync ? 'SYNC' : 'ASYNC'}_FLUSH`, `defaultTopicQueueNums=${QUEUES}`, ...kind.settings ?? []],
      profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])
    const load = await Load.connect(server.port, Math.min(MOST_CONNECTIONS, inflight), HeaderType.binary, QUEUES)
    const driver = new Driver()
    const body = new Uint8Array(size).fill(65)
    await load.send(1, 1, body)
    const before = server.usage().cpuMs
    const ownBefore = usageOf(process.pid).cpuMs
    for (let round = 0; round < rounds; round++) await load.send(messages, inflight, body, driver, kind.properties, kind.next)
    const cpuMs = server.usage().cpuMs - before
    const ownCpuMs = usageOf(process.pid).cpuMs - ownBefore
    if (kind.next !== undefined) await untilVisible(load, messages * rounds)
    load.close()
    await server.stop()
    console.log(JSON.stringify({ ...driver.result(name, workload), serverCpuUs: cpuMs * 1000 / (messages * rounds), clientCpuUs: ownCpuMs * 1000 / (messages * rounds) }))
  })
}

/** The last commits are on their way: nobody answers them. @throws Error they do not come */
async function untilVisible (load: Load, messages: number): Promise<void> {
  const untilMs = performance.now() + COMMITTED_WITHIN_MS
  for (let visible; (visible = await load.visible()) < messages;) {
    if (performance.now() > untilMs) throw new Error(`${visible} of ${messages} transactions were committed`)
    await setTimeout(10)
  }
}

function evaluateSql (): void {
  const stored = new TextEncoder().encode(encodeProperties(new Map([['KEYS', 'order-4711'], ['UNIQ_KEY', UNIQUE_KEY], ['WAIT', 'true'], ['TAGS', 'paid'], ['a', '17'], ['b', 'y']])))
  const filter = new SqlFilter('a > 5 AND b IN (\'x\', \'y\')')
  const driver = new Driver()
  for (let round = 0; round < workload.rounds; round++) {
    let matched = 0
    const startMs = performance.now()
    for (let i = 0; i < workload.messages; i++) if (filter.matches(stored, 0, stored.length)) matched++
    const tookMs = performance.now() - startMs
    if (matched !== workload.messages) throw new Error(`${matched} of ${workload.messages} matched`)
    driver.addRate(workload.messages, tookMs)
    driver.addLatency(tookMs / workload.messages)
  }
  console.log(JSON.stringify(driver.result(name, workload)))
}
