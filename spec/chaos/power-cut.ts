import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { link, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { goBackToCopy } from './state-copies.ts'

/**
 * A power cut on real files. The node runs as `power-node.ts`: bytes reach its files when they are synced (`forgetful-files.ts`),
 * the database's folder is copied with every batch that is answered (`state-copies.ts`), and names that were made, moved or removed
 * are noted until their directory is synced. SIGKILL takes the bytes; `cutPower` then takes back the names and the database.
 * Directories and what `removeTree` removes are durable at once.
 */
export interface PowerPlaces {
  /** The database's folder. */
  readonly state: string
  /** Where what a power cut needs to know is kept. */
  readonly power: string
}

/** @param home the folder of the node, with its `data` */
export function placesIn (home: string): PowerPlaces {
  return { state: join(home, 'data', 'state'), power: join(home, 'power') }
}

type Note =
  | { readonly what: 'boot', readonly number: number }
  | { readonly what: 'create', readonly path: string }
  | { readonly what: 'rename', readonly from: string, readonly to: string, readonly aside?: string }
  | { readonly what: 'unlink', readonly path: string, readonly aside: string }
  | { readonly what: 'sync', readonly directory: string }

/** Notes every change of a name before it is made; written to the system at once, so SIGKILL leaves it. */
export class NameJournal {
  readonly #places: PowerPlaces
  #aside = 0

  constructor (places: PowerPlaces) {
    this.#places = places
    mkdirSync(join(places.power, 'aside'), { recursive: true })
  }

  get bootId (): string { return `boot ${bootNumber(this.#places)}` }

  /** Returns whether there is none of that name. */
  maybeCreates (path: string): boolean {
    if (existsSync(path)) return false
    this.#note({ what: 'create', path })
    return true
  }

  async link (from: string, to: string): Promise<void> {
    this.#note({ what: 'create', path: to })
    await link(from, to)
  }

  async rename (from: string, to: string): Promise<void> {
    await stat(from)
    const aside = existsSync(to) ? this.#placeAside() : undefined
    if (aside !== undefined) await link(to, aside)
    this.#note({ what: 'rename', from, to, ...(aside !== undefined && { aside }) })
    await rename(from, to)
  }

  async unlink (path: string): Promise<void> {
    await stat(path)
    const aside = this.#placeAside()
    this.#note({ what: 'unlink', path, aside })
    await rename(path, aside)
  }

  synced (directory: string): void { this.#note({ what: 'sync', directory }) }

  #placeAside (): string { return join(this.#places.power, 'aside', `${process.pid}-${this.#aside++}`) }
  #note (note: Note): void { appendFileSync(journalOf(this.#places), `${JSON.stringify(note)}\n`) }
}

/** What the next boot finds of a node that was killed: only what was synced. Returns how much was taken back. */
export async function cutPower (home: string): Promise<{ readonly names: number }> {
  const places = placesIn(home)
  const notes = readNotes(places)
  const isSynced = new Set<string>()
  let names = 0
  for (const note of notes.reverse()) {
    if (note.what === 'sync') isSynced.add(note.directory)
    else if (note.what !== 'boot' && !directoriesOf(note).some((directory) => isSynced.has(directory)) && maybeTakeBack(note)) names++
  }
  rmSync(join(places.power, 'aside'), { recursive: true, force: true })
  writeFileSync(journalOf(places), `${JSON.stringify({ what: 'boot', number: bootNumber(places) + 1 } satisfies Note)}\n`)
  await goBackToCopy(places)
  return { names }
}

function directoriesOf (note: Exclude<Note, { what: 'sync' | 'boot' }>): string[] {
  return note.what === 'rename' ? [dirname(note.from), dirname(note.to)] : [dirname(note.path)]
}

/** The kill may have come between the note and the change. */
function maybeTakeBack (note: Exclude<Note, { what: 'sync' | 'boot' }>): boolean {
  if (note.what === 'create') {
    if (!existsSync(note.path)) return false
    rmSync(note.path)
  } else if (note.what === 'unlink') {
    if (!existsSync(note.aside)) return false
    renameSync(note.aside, note.path)
  } else {
    if (existsSync(note.from) || !existsSync(note.to)) return false
    renameSync(note.to, note.from)
    if (note.aside !== undefined) renameSync(note.aside, note.to)
  }
  return true
}

const journalOf = ({ power }: PowerPlaces): string => join(power, 'names')

function readNotes (places: PowerPlaces): Note[] {
  const file = journalOf(places)
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Note) : []
}

function bootNumber (places: PowerPlaces): number {
  const [first] = readNotes(places)
  return first?.what === 'boot' ? first.number : 1
}
