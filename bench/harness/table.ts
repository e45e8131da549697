/** Lines of columns, right-aligned but for the first; `undefined` cells are dashes. */
export function formatTable (head: readonly string[], rows: ReadonlyArray<ReadonlyArray<string | number | undefined>>): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => typeof cell === 'number' ? cell.toLocaleString('en-US') : cell ?? '-'))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  return cells.map((row) => row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join('  ')).join('\n')
}

/** For progress: one line that is renewed on a terminal, and lines of their own elsewhere. */
export function progress (text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  else process.stderr.write(text + '\n')
}

export function endProgress (): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}
