import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildJava, hasJava, javaVersions } from '../../spec/interop/java-build.ts'
import { JavaDriver } from '../../spec/interop/java-driver.ts'
import { freePorts, startApache, startLedgermq, type Server } from '../../spec/interop/servers.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { endProgress, formatTable, progress } from '../harness/table.ts'
import { processUse } from './process-use.ts'

const usage = `npm run bench -- apache [options]

Apache's Java client ${javaVersions[0]} sends as Apache's own benchmark does (which is not published as a package): many threads of one
producer, each waits for its answer before it sends again. Against ours, which answers when a message is on disk, and
against Apache's broker of the same version with ASYNC_FLUSH and with SYNC_FLUSH. Client and server share the machine.
Needs Maven and a JDK.

  --threads N      (64)
  --seconds N      per server and size, after a third of it as warm-up (12)
  --quick          3 seconds each
  --dir DIR        where the data lies while it runs (the system's temporary folder)
  --json FILE      writes the results
`

interface Row {
  readonly server: string
  readonly bytes: number
  readonly msgsPerSec: number
  readonly meanMs: number
  readonly slowestMs: number
  readonly failed: number
  /** Cores that were busy, of the server and of the client. */
  readonly serverCores: number
  readonly clientCores: number
  readonly serverMiB: number
}

interface Sent { readonly sent: number, readonly failed: number, readonly ms: number, readonly meanMs: number, readonly slowestMs: number }

const sizes = [128, 1024]

export async function apacheSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      threads: { type: 'string', default: '64' },
      seconds: { type: 'string', default: '12' },
      quick: { type: 'boolean', default: false },
      dir: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  if (!hasJava()) throw new Error('there is no mvn or no JDK here')
  const classpath = buildJava(javaVersions[0])
  const machine = describeMachine()
  printMachine(machine)
  const load = { classpath, threads: Number(values.threads), ms: (values.quick ? 3 : Number(values.seconds)) * 1000 }
  const rows: Row[] = []
  const apache = (flushDiskType: string) => async (folder: string): Promise<Server> =>
    startApache({ classpath, folder, ports: await freePorts(), properties: { flushDiskType, mappedFileSizeCommitLog: 1024 * 1024 * 1024 }, heapMiB: 1536, isMeasured: true })
  const servers = {
    'ledgermq SYNC_FLUSH': async (folder: string) => startLedgermq(folder, await freePorts()),
    'apache ASYNC_FLUSH': apache('ASYNC_FLUSH'),
    'apache SYNC_FLUSH': apache('SYNC_FLUSH')
  }
  for (const [name, start] of Object.entries(servers)) {
    await inScratchFolder(values.dir, async (scratch) => {
      const server = await start(scratch)
      try {
        rows.push(...await measure(name, server, scratch, load))
      } finally {
        await server.stop()
      }
    })
  }
  endProgress()
  report(rows)
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify({ machine, threads: load.threads, rows }, null, 2) + '\n')
}

async function measure (name: string, server: Server, scratch: string, { classpath, threads, ms }: { classpath: string, threads: number, ms: number }): Promise<Row[]> {
  const home = join(scratch, 'client')
  await mkdir(home)
  const java = new JavaDriver({ classpath, namesrv: server.namesrv, home, isMeasured: true })
  try {
    await java.call('cluster.ready')
    const rows: Row[] = []
    for (const bytes of sizes) {
      progress(`${name}: ${bytes} bytes, ${threads} threads`)
      const topic = `load-${bytes}`
      await java.call('topic.create', { topic, queues: 8 })
      await java.call('load.send', { topic, bytes, threads, ms: ms / 3 })
      const before = { server: processUse(server.pid), client: processUse(java.pid) }
      const { sent, failed, ms: tookMs, meanMs, slowestMs } = await java.call<Sent>('load.send', { topic, bytes, threads, ms })
      const after = { server: processUse(server.pid), client: processUse(java.pid) }
      rows.push({
        server: name,
        bytes,
        msgsPerSec: Math.round(sent / tookMs * 1000),
        meanMs,
        slowestMs,
        failed,
        serverCores: (after.server.cpuSeconds - before.server.cpuSeconds) / tookMs * 1000,
        clientCores: (after.client.cpuSeconds - before.client.cpuSeconds) / tookMs * 1000,
        serverMiB: Math.round(after.server.residentMiB)
      })
    }
    return rows
  } finally {
    await java.close()
  }
}

function report (rows: readonly Row[]): void {
  const ours = new Map(rows.filter(({ server }) => server.startsWith('ledgermq')).map(({ bytes, msgsPerSec }) => [bytes, msgsPerSec]))
  const head = ['server', 'bytes', 'msg/s', 'ours/its', 'mean ms', 'slowest ms', 'failed', 'cores', 'client cores', 'resident MiB']
  console.log(formatTable(head, rows.map(({ server, bytes, msgsPerSec, meanMs, slowestMs, failed, serverCores, clientCores, serverMiB }) => [
    server, bytes, msgsPerSec, (ours.get(bytes)! / msgsPerSec).toFixed(2), meanMs.toFixed(2), slowestMs.toFixed(0), failed, serverCores.toFixed(2), clientCores.toFixed(2), serverMiB
  ])))
}
