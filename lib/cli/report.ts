import { processId } from '../adapters/index.ts'

export interface ReadyFacts {
  readonly version: string
  /** What runs in this process, with where: `name server` and `127.0.0.1:9876`. */
  readonly lines: ReadonlyArray<readonly [label: string, text: string]>
}

const MIB = 1024 * 1024

/** Tells on stdout what runs, where, how long it took from the start of the process and what memory it takes. */
export function reportReady ({ version, lines }: ReadyFacts): void {
  const width = Math.max(...lines.map(([label]) => label.length))
  const text = [
    `LedgerMQ ${version}, process ${processId()}`,
    ...lines.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`),
    `ready after ${Math.round(performance.now())} ms with ${Math.round(process.memoryUsage.rss() / MIB)} MiB of memory`
  ]
  // whoever started it may not listen any more
  process.stdout.on('error', () => {})
  process.stdout.write(`${text.join('\n')}\n`)
}
