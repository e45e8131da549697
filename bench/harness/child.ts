import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Measured } from './measure.ts'

export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))

/** How Node.js is told to run a program of either language. */
export function nodeArguments (program: string, args: readonly string[]): string[] {
  return program.endsWith('.ts') ? ['--import', 'tsx', program, ...args] : [program, ...args]
}

/** Runs a measuring process of its own, from a cold start, and returns the JSON of its last line. Its errors go to the terminal. */
export async function runJson<Answer = Measured> (program: string, args: readonly string[], extraNodeArguments: readonly string[] = []): Promise<Answer> {
  const child = spawn(process.execPath, [...extraNodeArguments, ...nodeArguments(program, args)], { cwd: repositoryRoot, stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): void => { child.kill('SIGKILL') }
  process.prependOnceListener('exit', kill)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const status = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'an unknown reason'))
  })
  process.off('exit', kill)
  const command = [program, ...args].join(' ')
  if (status !== 0) throw new Error(`${command} ended with ${status}`)
  const lastLine = output.trimEnd().split('\n').at(-1)!
  try {
    return JSON.parse(lastLine) as Answer
  } catch (cause) {
    throw new Error(`${command} did not end with a line of JSON but with: ${lastLine.slice(0, 200)}`, { cause })
  }
}
