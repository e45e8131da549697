import { dirname, join } from 'node:path'
import { isMqError, MqError, type Disk } from '../base/index.ts'
import { DOUBT_FILE } from '../log/index.ts'

/** Everything a data directory may hold at its top. */
const OWN_NAMES = ['identity', 'identity.new', 'incarnation', 'incarnation.new', 'vote', 'vote.new', 'log', 'state', 'applied', 'base', 'index', 'lock', 'lock.pid', 'opening', DOUBT_FILE, 'incoming']
/** Files that systems leave everywhere. */
const IGNORED_NAMES = ['.DS_Store', 'Thumbs.db', 'desktop.ini', 'lost+found', '.gitkeep']
const PID_FILE = 'lock.pid'

export interface LockPort {
  /** @throws MQ_LOCKED */
  take (): Promise<void>
  release (): Promise<void>
}

/**
 * Makes the directory if need be, checks that it is ours and can be written, and takes its lock. Nothing in it is
 * looked into before the lock is held.
 * @throws MQ_NOT_A_DATA_DIRECTORY, MQ_READ_ONLY, MQ_LOCKED, MQ_DISK_ROOM, MQ_IO
 */
export async function takeDirectory ({ disk, directory, lock, pid }: { disk: Disk, directory: string, lock: LockPort, pid: number }): Promise<void> {
  await explained(directory, async () => {
    await disk.makeDirectory(directory)
    const names = (await disk.list(directory) ?? []).map(({ name }) => name)
    assertOwnNames(directory, names)
    if (!names.includes('identity')) await syncWay(disk, directory)
  })
  const pidPath = join(directory, PID_FILE)
  const file = await explained(directory, () => disk.open(pidPath, { create: true }))
  try {
    try {
      await explained(directory, () => lock.take())
    } catch (error) {
      if (!isMqError(error, 'MQ_LOCKED')) throw error
      const holder = Number(new TextDecoder().decode(await disk.readFile(pidPath)))
      const known = Number.isInteger(holder) && holder > 0
      const who = !known ? 'another process' : holder === pid ? `this process (pid ${pid})` : `process ${holder}`
      throw new MqError('MQ_LOCKED', `${directory} is open in ${who}; one process at a time can open it`, { directory, cause: error, ...(known ? { pid: holder } : {}) })
    }
    try {
      await explained(directory, async () => {
        await file.truncate(0)
        await file.write(new TextEncoder().encode(`${pid}\n`), 0)
      })
    } catch (error) {
      await lock.release()
      throw error
    }
  } finally {
    await file.close()
  }
}

/**
 * Any directory on the way to a new one may be new too, made by this process or by one that was killed: what is synced
 * in it is lost at a power cut as long as one of their names is not. Those that were there before may refuse.
 */
async function syncWay (disk: Disk, directory: string): Promise<void> {
  for (let child = directory, parent = dirname(child); parent !== child; child = parent, parent = dirname(child)) {
    try {
      await disk.syncDirectory(parent)
    } catch (error) {
      const { code } = error as { code?: string }
      if (code !== 'EACCES' && code !== 'EPERM') throw error
    }
  }
}

function assertOwnNames (directory: string, names: readonly string[]): void {
  const foreign = names.filter((name) => !OWN_NAMES.includes(name) && !IGNORED_NAMES.includes(name))
  if (foreign.length === 0 || names.includes('identity')) return
  const some = foreign.slice(0, 3).join(', ') + (foreign.length > 3 ? ', ...' : '')
  throw new MqError('MQ_NOT_A_DATA_DIRECTORY', `${directory} holds files that are not a queue's (${some}); give an empty or a new directory`, { directory })
}

/** Says what the platform's errors mean for the directory. */
export async function explained<T> (directory: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    if (isMqError(cause)) throw cause
    const code = (cause as { code?: string } | undefined)?.code
    if (typeof code !== 'string') throw cause
    const message = (cause as Error).message
    switch (code) {
      case 'ENOTDIR': case 'EEXIST': case 'EISDIR':
        throw new MqError('MQ_NOT_A_DATA_DIRECTORY', `${directory} is not a directory: ${message}`, { directory, cause })
      case 'EACCES': case 'EPERM': case 'EROFS':
        throw new MqError('MQ_READ_ONLY', `${directory} cannot be written: ${message}`, { directory, cause })
      case 'ENOSPC': case 'EDQUOT':
        throw new MqError('MQ_DISK_ROOM', `there is no room to open ${directory}: ${message}`, { directory, cause })
      default:
        throw new MqError('MQ_IO', `${directory} cannot be opened: ${message}`, { directory, cause, outcome: 'not-applied' })
    }
  }
}
