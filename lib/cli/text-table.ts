/** Rows below one another, columns as wide as their widest cell; numbers stand at the right. */
export function textTable (rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const isNumeric = widths.map((_, column) => rows.slice(1).some((row) => /\d/.test(row[column]!)) && rows.slice(1).every((row) => /^[\d-]*$/.test(row[column]!)))
  return rows.map((row) => row.map((cell, column) => isNumeric[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n')
}
