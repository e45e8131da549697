import { readdir, readFile, readlink } from 'node:fs/promises'

const LISTENING = '0A'

/**
 * Who listens on a TCP port of this machine: `process 4711 (java)`. Undefined where the system does not tell: it has no /proc, the
 * process is another user's or in another container.
 */
export async function portHolder (port: number): Promise<string | undefined> {
  try {
    const inodes = (await Promise.all(['tcp', 'tcp6'].map((table) => listeningInodes(table, port)))).flat()
    const links = new Set(inodes.map((inode) => `socket:[${inode}]`))
    if (links.size === 0) return undefined
    for (const pid of await readdir('/proc')) {
      if (/^\d+$/.test(pid) && await hasOpen(pid, links)) return `process ${pid} (${(await readFile(`/proc/${pid}/comm`, 'utf8')).trim()})`
    }
  } catch {
    // it ended meanwhile, or this system has no such files
  }
  return undefined
}

/** Rows of the table: `sl local_address rem_address st ... uid timeout inode`, addresses and ports in hexadecimal. */
async function listeningInodes (table: string, port: number): Promise<string[]> {
  const rows = (await readFile(`/proc/net/${table}`, 'latin1').catch(() => '')).split('\n').slice(1)
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return rows.map((row) => row.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTENING && local?.endsWith(suffix) === true)
    .map((columns) => columns[9]!)
}

async function hasOpen (pid: string, links: ReadonlySet<string>): Promise<boolean> {
  const directory = `/proc/${pid}/fd`
  for (const fd of await readdir(directory).catch(() => [])) {
    if (links.has(await readlink(`${directory}/${fd}`).catch(() => ''))) return true
  }
  return false
}
