/** One case of the broker suite: a broker, and in this process the load on it. Prints one JSON line, as the yardsticks do. */
import { HeaderType } from '../../lib/remoting/index.ts'
import { Driver, workloadFromArgs } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { BrokerServer } from '../harness/server.ts'
import { Load, MOST_CONNECTIONS } from './load.ts'
import { pulling, sending, type Measure } from './measures.ts'

const cases: Readonly<Record<string, { readonly measure: Measure, readonly type: HeaderType }>> = {
  'send binary': { measure: sending, type: HeaderType.binary },
  'send json': { measure: sending, type: HeaderType.json },
  'pull binary': { measure: pulling, type: HeaderType.binary },
  'pull json': { measure: pulling, type: HeaderType.json }
}

const workload = workloadFromArgs(['case', 'server-profile'])
const name = workload.more.case ?? 'send binary'
const chosen = cases[name]
if (chosen === undefined) throw new RangeError(`--case is one of ${Object.keys(cases).join(', ')}`)
const profile = workload.more['server-profile']
await inScratchFolder(workload.dir, async (folder) => {
  const queues = chosen.measure.queues(workload.inflight)
  const server = await BrokerServer.start(folder, [`flushDiskType=${workload.sync ? 'SYNC' : 'ASYNC'}_FLUSH`, `defaultTopicQueueNums=${queues}`],
    profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])
  const load = await Load.connect(server.port, Math.min(MOST_CONNECTIONS, workload.inflight), chosen.type, queues)
  const driver = new Driver()
  let cpuMs = 0
  await chosen.measure.run(load, workload, driver, {
    begin: () => { cpuMs -= server.usage().cpuMs },
    end: () => { cpuMs += server.usage().cpuMs }
  })
  const { peakMiB } = server.usage()
  load.close()
  await server.stop()
  console.log(JSON.stringify({ ...driver.result(name, workload), serverCpuUs: cpuMs * 1000 / (workload.messages * workload.rounds), serverPeakMiB: Math.round(peakMiB) }))
})
