import type { Clock, Timer } from '../base/index.ts'
import type { Replica } from '../replica/index.ts'
import type { RecoveryProgress } from './options.ts'

/** Recoveries that take longer than this are worth a word, and then one in every interval. */
const QUIET_MS = 2000
const INTERVAL_MS = 500

export interface RecoveryWatch {
  phase (name: string, done?: number, total?: number): void
  replay (replica: Replica): void
  end (): void
}

/** Tells `report` how far an open is, if it takes long: 'log', 'state', 'rebuild' (of the state, if need be), 'replay', with entries done and in all. */
export function watchRecovery (clock: Clock, report: ((progress: RecoveryProgress) => void) | undefined): RecoveryWatch {
  let current: () => RecoveryProgress = () => ({ phase: 'log', done: 0, total: 1 })
  let timer: Timer | undefined
  const arm = (delayMs: number): void => {
    timer = clock.setTimer(delayMs, () => {
      report!(current())
      arm(INTERVAL_MS)
    })
  }
  if (report !== undefined) arm(QUIET_MS)
  return {
    phase (name, done = 0, total = 1) { current = () => ({ phase: name, done, total }) },
    replay (replica) {
      const from = replica.stateMachine.appliedIndex
      current = () => {
        const { appliedIndex, lastIndex } = replica.status()
        return { phase: 'replay', done: appliedIndex - from, total: lastIndex - from }
      }
    },
    end () { timer?.cancel() }
  }
}
