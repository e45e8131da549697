import type { Timer } from '../base/index.ts'

/** Keeps the process alive until cancelled: for what waits without any work under way. */
export function holdProcess (): Timer {
  const interval = setInterval(() => {}, 0x7fff_ffff)
  return { cancel: () => { clearInterval(interval) } }
}

export function processId (): number { return process.pid }

/** False when no such process runs (or it cannot be told). */
export function isProcessAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}
