import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rm, statfs, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const TOOLS = ['mkfs.ext4', 'e2fsck', 'mount', 'umount', 'losetup', 'chattr', 'fallocate']
const SLOW_FILE = '/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device'
const MIB = 1024 * 1024

/** Why there can be no disks of this kind here; undefined: there can. */
export async function whyNoLoopDisk ({ slow = false } = {}): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'a file system of its own is made by root alone'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices'
  for (const tool of TOOLS) {
    try {
      await run('which', [tool])
    } catch {
      return `there is no ${tool}`
    }
  }
  return !slow || existsSync(SLOW_FILE) ? undefined : `disks are made slow by ${SLOW_FILE}, which is not there`
}

/** A real ext4 file system of a few MiB, mounted from a file by a loop device, that can be made to fill up, to slow down, to stand still and to fail. */
export class LoopDisk {
  /** Where it is mounted. */
  readonly folder: string
  readonly #image: string
  readonly #unmountNow = (): void => { execFileSync('umount', ['-l', this.folder], { stdio: 'ignore' }) }
  #name = ''
  /** MAJOR:MINOR */
  #device = ''
  #isMounted = false

  private constructor (folder: string) {
    this.folder = folder
    this.#image = `${folder}.img`
  }

  static async make (folder: string, sizeMiB: number): Promise<LoopDisk> {
    const disk = new LoopDisk(folder)
    await mkdir(folder, { recursive: true })
    await writeFile(disk.#image, '')
    await truncate(disk.#image, sizeMiB * MIB)
    // nothing is kept back for root, who runs all this
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', disk.#image])
    await disk.#mount()
    return disk
  }

  async #mount (): Promise<void> {
    await run('mount', ['-o', 'loop', this.#image, this.folder])
    this.#isMounted = true
    process.prependOnceListener('exit', this.#unmountNow)
    const { stdout } = await run('losetup', ['-n', '-O', 'NAME', '-j', this.#image])
    this.#name = stdout.trim().replace('/dev/', '')
    this.#device = readFileSync(`/sys/block/${this.#name}/dev`, 'latin1').trim()
  }

  async #unmount (): Promise<void> {
    if (!this.#isMounted) return
    this.#isMounted = false
    process.off('exit', this.#unmountNow)
    await run('umount', [this.folder])
  }

  /** By the device, since it was mounted. */
  get writtenBytes (): number { return Number(readFileSync(`/sys/block/${this.#name}/stat`, 'latin1').trim().split(/ +/)[6]) * 512 }

  /** So many bytes a second are written from now on: 1 is a disk that stands still; 0: as many as it can. */
  slow (bytesPerSecond: number): void { writeFileSync(SLOW_FILE, `${this.#device} ${bytesPerSecond}`) }

  /** Takes all room but that. */
  async fill (leaveBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder)
    const bytes = bavail * bsize - leaveBytes
    if (bytes <= 0) return
    await run('fallocate', ['-l', String(bytes), this.#ballast]).catch((error: { stderr?: string }) => { if (error.stderr?.includes('No space left') !== true) throw error })
  }

  async free (): Promise<void> { await rm(this.#ballast, { force: true }) }

  get #ballast (): string { return join(this.folder, 'ballast') }

  /** The device answers every write with EIO: what is under it may not be written any more. */
  async fail (): Promise<void> { await run('chattr', ['+i', this.#image]) }

  /** A device that writes again, its file system checked as after any failure; for when nobody uses it. */
  async mend (): Promise<void> {
    await this.#unmount()
    await run('chattr', ['-i', this.#image])
    // 1: it was corrected
    await run('e2fsck', ['-f', '-y', this.#image]).catch((error: { code?: number }) => { if (error.code !== 1) throw error })
    await this.#mount()
  }

  /** As fast as it can. */
  recover (): void { if (this.#isMounted && existsSync(SLOW_FILE)) this.slow(0) }

  /** For when nobody uses it. */
  async close (): Promise<void> {
    await this.#unmount()
    await run('chattr', ['-i', this.#image])
    await rm(this.#image)
  }
}
