const LONGEST = 64
const FARTHEST = 4

/**
 * The known name that was probably meant: the one with the fewest letters to insert, remove or replace, and of equals the first;
 * capitals do not count. Undefined when more than a third of the letters (or four) would have to change.
 */
export function nearestName (written: string, known: Iterable<string>): string | undefined {
  if (written.length > LONGEST) return undefined
  let limit = Math.min(FARTHEST, Math.floor(written.length / 3))
  let nearest: string | undefined
  for (const name of known) {
    const distance = editDistance(written.toLowerCase(), name.toLowerCase(), limit)
    if (distance > limit) continue
    nearest = name
    if (distance === 0) break
    limit = distance - 1
  }
  return nearest
}

/** Levenshtein's; some number above `limit` when it is more than that. */
function editDistance (a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    if (Math.min(...row) > limit) return limit + 1
    previous = row
  }
  return previous[b.length]!
}
