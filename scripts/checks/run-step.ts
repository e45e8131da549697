import { spawn } from 'node:child_process'

export interface StepResult {
  readonly exitCode: number
  /** Set when the step was ended for taking too long. */
  readonly timedOut: boolean
  readonly tookMs: number
}

export interface Step {
  readonly command: readonly [string, ...string[]]
  /** After this the step and all it started are killed, so that a leaked handle cannot hang the run. */
  readonly limitMs: number
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Called per line of standard output; without it the output goes straight to the terminal. */
  readonly onLine?: (line: string) => void
}

/** Runs one command in a process group of its own and resolves when it has ended; never rejects. */
export function runStep ({ command, limitMs, env, onLine }: Step): Promise<StepResult> {
  const [program, ...args] = command
  const startedMs = performance.now()
  return new Promise((resolve) => {
    const child = spawn(program, args, { detached: true, env: { ...process.env, ...env }, stdio: ['ignore', onLine === undefined ? 2 : 'pipe', 2] })
    let timedOut = false
    const killGroup = (signal: NodeJS.Signals): void => {
      try { process.kill(-child.pid!, signal) } catch {}
    }
    const onSignal = (): void => { killGroup('SIGKILL'); process.exit(130) }
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
    const timer = setTimeout(() => { timedOut = true; killGroup('SIGKILL') }, limitMs)
    let rest = ''
    const takeLines = (text: string): void => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) onLine!(line)
    }
    child.stdout?.setEncoding('utf8').on('data', takeLines)
    let ended = false
    const end = (exitCode: number): void => {
      if (ended) return
      ended = true
      clearTimeout(timer)
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
      killGroup('SIGKILL')
      if (rest !== '') onLine!(rest)
      resolve({ exitCode, timedOut, tookMs: performance.now() - startedMs })
    }
    child.once('error', (error) => { console.error(`${program}: ${error.message}`); end(127) })
    child.once('close', (code) => end(code ?? 1))
    // A grandchild may hold the pipe open after the step itself has ended.
    child.once('exit', (code) => setTimeout(() => { child.stdout?.destroy(); end(code ?? 1) }, 2000).unref())
  })
}
