import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Machine } from './machine.ts'

/** One line of a result file; every suite keeps this form. Rates are messages per second, `ratio` is ours by the limit. */
export interface CaseResult {
  readonly suite: string
  readonly name: string
  readonly size: number
  readonly inflight: number
  readonly nodes: number
  readonly msgsPerSec: number
  readonly limitMsgsPerSec: number
  /** Median of the ratios of the pairs. */
  readonly ratio: number
  readonly p50us: number
  readonly p99us: number
  /** What else the suite measures, by its name with the unit. */
  readonly more?: Readonly<Record<string, number>>
}

export async function writeResults (file: string, machine: Machine, cases: readonly CaseResult[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, JSON.stringify({ machine, cases }, null, 1) + '\n')
}
