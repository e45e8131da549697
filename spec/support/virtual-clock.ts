export { VirtualClock, type VirtualClockOptions } from '../../lib/adapters/virtual-clock.ts'

/** Serves promise reactions and ticks until none is ready. */
export function settle (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}
