import { posix } from 'node:path'
import t from 'tap'
import { filesBelow, importsOf, textOf } from './sources.ts'

/** A room may import from rooms of a lower rank only. A new room gets its number here. */
const rankOf: Readonly<Record<string, number>> = {
  base: 0, message: 1, raft: 1, adapters: 1, config: 1, filter: 1, log: 2, kv: 2, remoting: 2, replica: 3, namesrv: 3, transport: 4, 'key-index': 4, store: 4, engine: 5, group: 6, broker: 7, queue: 8, cli: 9
}
/** lib/index.ts itself: above all that is public, below the command line. */
const PACKAGE_RANK = 8.5

const files = filesBelow('lib')
const dependencies = Object.keys(JSON.parse(textOf('package.json')).dependencies)

function roomOf (path: string): string | undefined {
  const parts = path.split('/')
  return parts.length === 2 ? undefined : parts[1]
}

function rank (path: string): number {
  const room = roomOf(path)
  return room === undefined ? PACKAGE_RANK : rankOf[room] ?? NaN
}

/** Says what is wrong with `file` importing `name`, or undefined. */
function objection (file: string, name: string): string | undefined {
  if (name.startsWith('node:')) return undefined
  if (!name.startsWith('.')) {
    const [scope, rest] = name.split('/')
    const packageName = name.startsWith('@') ? `${scope}/${rest}` : scope!
    return dependencies.includes(packageName) ? undefined : 'is not a dependency of the package'
  }
  const target = posix.join(posix.dirname(file), name)
  if (!name.endsWith('.ts')) return 'lacks its .ts ending'
  if (!files.includes(target)) return 'is not a file of lib/'
  const sameRoom = roomOf(file) === roomOf(target)
  if (sameRoom) return posix.basename(target) === 'index.ts' && roomOf(file) !== undefined ? 'is the own room\'s index: name the file' : undefined
  if (posix.basename(target) !== 'index.ts') return 'is inside another room: import its index.ts'
  return rank(target) < rank(file) ? undefined : `is of rank ${rank(target)}, not below ${rank(file)}`
}

t.test('every room has a rank', async (t) => {
  for (const file of files) t.ok(roomOf(file) === undefined || rankOf[roomOf(file)!] !== undefined, file)
})

t.test('imports go to lower ranks, through the index of the room, types included', async (t) => {
  for (const file of files) {
    const found = importsOf(file).flatMap((name) => {
      const wrong = objection(file, name)
      return wrong === undefined ? [] : [`${name} ${wrong}`]
    })
    t.same(found, [], file)
  }
})

t.test('no file imports itself by way of others', async (t) => {
  const edges = new Map(files.map((file) => [file, importsOf(file).filter((name) => name.startsWith('.')).map((name) => posix.join(posix.dirname(file), name))]))
  const done = new Set<string>()
  const cycles: string[] = []
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (done.has(file) || path.includes(file)) return
    for (const next of edges.get(file) ?? []) walk(next, [...path, file])
    done.add(file)
  }
  for (const file of files) walk(file, [])
  t.same(cycles, [])
})

t.test('the rules see what they forbid', async (t) => {
  t.match(objection('lib/raft/types.ts', '../log/index.ts'), /rank 2/)
  t.match(objection('lib/log/index.ts', '../base/errors.ts'), /inside another room/)
  t.match(objection('lib/log/entry.ts', './index.ts'), /own room/)
  t.match(objection('lib/log/entry.ts', '../base/index'), /ending/)
  t.match(objection('lib/log/entry.ts', 'lodash'), /not a dependency/)
})
