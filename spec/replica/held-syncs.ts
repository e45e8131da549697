import type { Disk, DiskFile } from '../../lib/base/index.ts'

/** A disk whose syncs of the log's segments, or what else of which files, do not begin while they are held back. */
export class HeldSyncs {
  readonly #what: 'sync' | 'write'
  readonly #suffix: string
  #held = false
  #waiting: Array<() => void> = []

  constructor (what: 'sync' | 'write' = 'sync', suffix = '.seg') {
    this.#what = what
    this.#suffix = suffix
  }

  /** How many wait. */
  get waiting (): number { return this.#waiting.length }

  hold (): void { this.#held = true }

  release (): void {
    this.#held = false
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  disk (disk: Disk): Disk {
    return delegate(disk, (name) => name === 'open'
      ? async (path: string, options?: object) => this.#file(await disk.open(path, options))
      : undefined)
  }

  #file (file: DiskFile): DiskFile {
    if (!file.path.endsWith(this.#suffix)) return file
    return delegate(file, (name) => name === this.#what
      ? async (...args: [never, never]) => {
        if (this.#held) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
        await file[this.#what](...args)
      }
      : undefined)
  }
}

function delegate<T extends object> (target: T, own: (name: string | symbol) => unknown): T {
  return new Proxy(target, {
    get (target, name) {
      const value = own(name) ?? Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
