import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { addressText } from '../remoting/index.ts'
import { ClusterClient } from './cluster-client.ts'
import { CommandError } from './command-error.ts'
import { LiveTable } from './live-table.ts'
import { LocalNode } from './local-node.ts'
import { createLogger, type LogFormat } from './logger.ts'
import { startNameServer } from './name-server.ts'
import { readConfig } from './read-config.ts'
import { reportReady } from './report.ts'
import { runServers } from './server-process.ts'
import { nodeStatuses, type NodeStatus } from './status.ts'
import { textTable } from './text-table.ts'

const HOST = '127.0.0.1'
const PORT_STEP = 10
const MAX_NODES = 9
const LOOK_EVERY_MS = 500

export interface GroupOptions {
  readonly version: string
  readonly nodes: string
  readonly data: string
  /** Of the first node; the others have those 10, 20, ... above. */
  readonly port: string
  readonly namesrvPort: string
  readonly log: LogFormat
}

/**
 * Runs a group on this machine until it is told to stop: a process per node, a name server in this one, and a table of who
 * is what. Files that are there already are used as they are. Resolves to the exit status.
 */
export async function group ({ version, nodes: count, data, port, namesrvPort, log }: GroupOptions): Promise<number> {
  const directory = resolve(data)
  const namesrvConfig = await readConfig('namesrv', {
    flags: [{ flag: '--namesrv-port', key: 'listenPort', value: namesrvPort }], defaults: () => ({ kvConfigPath: join(directory, 'kvConfig.json') })
  })
  const nodes = localNodes(directory, wholeNumber('--nodes', count, 1, MAX_NODES), wholeNumber('--port', port, 1, 65_535), `${HOST}:${namesrvConfig.values.listenPort}`)
  const logger = createLogger(log)
  const client = new ClusterClient()
  return await runServers(logger, async (running) => {
    const nameServer = await startNameServer(namesrvConfig, undefined, { ...logger, info () {} })
    running.add(nameServer)
    const nameServerText = addressText(nameServer.address)
    const table = new LiveTable(process.stdout)
    for (const node of nodes) node.start()
    running.add({
      close: async () => {
        table.close()
        await Promise.all(nodes.map((node) => node.stop()))
        await client.close()
      }
    })
    reportReady({ version, lines: [['name server', nameServerText], ...nodes.map((node) => [node.id, `${node.address}, ${node.folder}`] as const)] })
    const look = async (): Promise<void> => {
      const statuses = await nodeStatuses(client, nameServerText).catch(() => [])
      if (running.signal.aborted) return
      table.show(textTable(rowsOf(nodes, statuses, true)), textTable(rowsOf(nodes, statuses, false)))
      setTimeout(() => { look().catch(running.fail) }, LOOK_EVERY_MS)
    }
    look().catch(running.fail)
  })
}

/** Each with its folder and configuration. */
function localNodes (directory: string, count: number, firstPort: number, nameServer: string): LocalNode[] {
  const addresses = Array.from({ length: count }, (_, i) => `${HOST}:${firstPort + PORT_STEP * i}`)
  const peers = addresses.map((address, i) => `n${i}@${address}`).join(';')
  return addresses.map((address, i) => {
    const node = new LocalNode(`n${i}`, address, join(directory, `n${i}`))
    mkdirSync(node.folder, { recursive: true })
    if (!existsSync(node.configFile)) {
      writeFileSync(node.configFile, [
        'brokerName=broker-a', `namesrvAddr=${nameServer}`, `listenPort=${address.split(':')[1]}`, `storePathRootDir=${join(node.folder, 'data')}`,
        'enableDLegerCommitLog=true', 'dLegerGroup=broker-a', `dLegerSelfId=n${i}`, `dLegerPeers=${peers}`, ''
      ].join('\n'))
    }
    return node
  })
}

/** With figures that change all the time, or without. */
function rowsOf (nodes: readonly LocalNode[], statuses: readonly NodeStatus[], withFigures: boolean): string[][] {
  const committed = Math.max(0, ...statuses.map(({ info }) => Number(info?.get('groupCommitIndex') ?? 0)))
  return [
    ['node', 'address', 'process', 'role', 'term', ...withFigures ? ['applied', 'lag'] : []],
    ...nodes.map((node) => {
      const info = statuses.find(({ address }) => address === node.address)?.info
      const applied = info?.get('groupAppliedIndex')
      const figures = [applied ?? '', applied === undefined ? '' : String(Math.max(0, committed - Number(applied)))]
      return [node.id, node.address, String(node.pid ?? '-'), node.ended ?? info?.get('groupRole') ?? 'starting', info?.get('groupTerm') ?? '', ...withFigures ? figures : []]
    })
  ]
}

function wholeNumber (flag: string, text: string, least: number, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : NaN
  if (!(value >= least && value <= most)) throw new CommandError(`${flag} ${text}: expected a whole number from ${least} to ${most}`)
  return value
}
