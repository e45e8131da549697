import { readFileSync } from 'node:fs'

/** Clock ticks of the kernel per second, as in every build of Linux for x64 and arm64. */
const TICKS_PER_SECOND = 100

/** What a process has used of the machine so far. Linux only: elsewhere there is no /proc, and both are NaN. */
export interface ProcessUse {
  readonly cpuSeconds: number
  readonly residentMiB: number
}

export function processUse (pid: number): ProcessUse {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the name in brackets may hold spaces: fields are counted from behind it
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
    return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND, residentMiB: Number(resident?.[1] ?? NaN) / 1024 }
  } catch {
    return { cpuSeconds: NaN, residentMiB: NaN }
  }
}
