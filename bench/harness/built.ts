import type { openQueue } from '../../lib/index.ts'

export type Queue = Awaited<ReturnType<typeof openQueue<Record<string, any>>>>

/** Opens a queue with the built package, found by its own name: what is measured is what users run. */
export const openBuiltQueue: typeof openQueue<Record<string, any>> = async (directory, options) => {
  const self: string = 'ledgermq'
  const built = await import(self) as { readonly openQueue: typeof openQueue }
  return built.openQueue(directory, options)
}
