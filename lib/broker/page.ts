const MAX_PAGE = 2000

/** Items [from, from + count) of a table, for tools that ask page by page; all of them for those that do not. */
export function * page<Key, Value> (table: ReadonlyMap<Key, Value>, from: number | undefined, count: number | undefined): Generator<[Key, Value]> {
  const first = from ?? 0
  const last = from === undefined && count === undefined ? Infinity : first + Math.min(count ?? MAX_PAGE, MAX_PAGE)
  let index = 0
  for (const item of table) {
    if (index >= last) return
    if (index++ >= first) yield item
  }
}
