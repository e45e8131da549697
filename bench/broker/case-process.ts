/** One case of the broker suite: a broker, and in this process the load on it. Prints one JSON line, as the yardsticks do. */
import { HeaderType } from '../../lib/remoting/index.ts'
import { Driver, workloadFromArgs, type Workload } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { BrokerServer } from '../harness/server.ts'
import { Load } from './load.ts'

const CONNECTIONS = 4
const SEND_QUEUES = 8
/** Messages of one pull: as many, but never more than are in flight. */
const PULL_MESSAGES = 32
const FILL_INFLIGHT = 1000

/** Takes part of the work, and returns what processor time of the server it took, in ms. */
type Measure = (load: Load, server: BrokerServer, workload: Workload, driver: Driver) => Promise<number>

const send: Measure = async (load, server, { size, inflight, messages, rounds }, driver) => {
  const body = new Uint8Array(size).fill(65)
  await load.send(1, 1, body)
  const before = server.usage().cpuMs
  for (let round = 0; round < rounds; round++) await load.send(messages, inflight, body, driver)
  return server.usage().cpuMs - before
}

const pull: Measure = async (load, server, { size, inflight, messages, rounds }, driver) => {
  const body = new Uint8Array(size).fill(65)
  const offsets = Array.from({ length: pullQueues(inflight) }, () => 0)
  let cpuMs = 0
  for (let round = 0; round < rounds; round++) {
    await load.send(messages, Math.min(FILL_INFLIGHT, messages), body)
    const before = server.usage().cpuMs
    await load.pull(messages, offsets, Math.min(PULL_MESSAGES, inflight), driver)
    cpuMs += server.usage().cpuMs - before
  }
  await load.commit(offsets)
  return cpuMs
}

/** So many that there are as many messages in flight as asked for, with one pull under way per queue. */
function pullQueues (inflight: number): number { return Math.ceil(inflight / PULL_MESSAGES) }

const cases: Readonly<Record<string, { readonly measure: Measure, readonly type: HeaderType, readonly queues: (inflight: number) => number }>> = {
  'send binary': { measure: send, type: HeaderType.binary, queues: () => SEND_QUEUES },
  'send json': { measure: send, type: HeaderType.json, queues: () => SEND_QUEUES },
  'pull binary': { measure: pull, type: HeaderType.binary, queues: pullQueues },
  'pull json': { measure: pull, type: HeaderType.json, queues: pullQueues }
}

const workload = workloadFromArgs(['case', 'server-profile'])
const name = workload.more.case ?? 'send binary'
const chosen = cases[name]
if (chosen === undefined) throw new RangeError(`--case is one of ${Object.keys(cases).join(', ')}`)
const profile = workload.more['server-profile']
await inScratchFolder(workload.dir, async (folder) => {
  const queues = chosen.queues(workload.inflight)
  const server = await BrokerServer.start(folder, [`flushDiskType=${workload.sync ? 'SYNC' : 'ASYNC'}_FLUSH`, `defaultTopicQueueNums=${queues}`],
    profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])
  const load = await Load.connect(server.port, Math.min(CONNECTIONS, workload.inflight), chosen.type, queues)
  const driver = new Driver()
  const cpuMs = await chosen.measure(load, server, workload, driver)
  const { peakMiB } = server.usage()
  load.close()
  await server.stop()
  console.log(JSON.stringify({ ...driver.result(name, workload), serverCpuUs: cpuMs * 1000 / (workload.messages * workload.rounds), serverPeakMiB: Math.round(peakMiB) }))
})
