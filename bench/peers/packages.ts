import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)

/** Loads a package that is no dependency of ours: undefined when it is not installed here. */
export async function loadOptional (name: string): Promise<any> {
  try {
    return await import(pathToFileURL(require.resolve(name)).href)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

export const howToInstall = `The peers are tools of this suite alone. To have them:

  npm install --no-save --prefix bench/peers bullmq ioredis better-sqlite3
  redis-server from the system's packages (for BullMQ), found by its name
`
