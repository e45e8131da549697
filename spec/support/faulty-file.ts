import type { Random } from '../../lib/base/index.ts'
import { PagedBytes } from '../../lib/adapters/paged-bytes.ts'
import type { Keep } from './faults.ts'

/** Files of specs are small, and there are many. */
const PAGE_BYTES = 4096

export interface WritePiece { readonly kind: 'write', readonly position: number, readonly bytes: Uint8Array }

/** One unsynced change of a file: bytes written, or the end moved (what lay beyond a new end reads as zeros). */
export type Piece =
  | WritePiece
  | { readonly kind: 'truncate', readonly sizeBytes: number, readonly beforeBytes: number }

/**
 * The bytes of one file twice: as the operating system shows them (`now`) and as they are surely on the medium
 * (`durable`), with the changes between the two in order.
 */
export class FaultyFile {
  now: PagedBytes
  durable: PagedBytes
  pending: Piece[] = []
  /** Changes a failed sync has dropped: shown by the system, never made durable by a later sync. */
  dropped: Piece[] = []
  /** Writes that were issued and have not returned. */
  readonly inFlight = new Set<WritePiece>()

  constructor (now = new PagedBytes(PAGE_BYTES), durable = new PagedBytes(PAGE_BYTES)) {
    this.now = now
    this.durable = durable
  }

  apply (piece: Piece): void {
    applyTo(this.now, piece)
    this.pending.push(piece)
  }

  /** A mark for `makeDurable`: what a sync that starts now covers. */
  get written (): readonly Piece[] { return this.pending.slice() }

  makeDurable (covered: readonly Piece[]): void {
    const done = new Set(covered)
    for (const piece of this.pending) if (done.has(piece)) applyTo(this.durable, piece)
    this.pending = this.pending.filter((piece) => !done.has(piece))
  }

  /** A sync failed: the system takes the pages for clean, the medium never saw them. */
  drop (covered: readonly Piece[]): void {
    const done = new Set(covered)
    this.dropped.push(...this.pending.filter((piece) => done.has(piece)))
    this.pending = this.pending.filter((piece) => !done.has(piece))
  }

  /** The file as the next process finds it: all that was written, a write under way whole or (given `random`) torn. */
  afterKill (random: Random | undefined): FaultyFile {
    const file = new FaultyFile(this.now.clone(), this.durable.clone())
    file.pending = this.pending.slice()
    file.dropped = this.dropped.slice()
    for (const { position, bytes } of this.inFlight) {
      const length = random === undefined ? bytes.length : Math.floor(random.next() * (bytes.length + 1))
      if (length > 0) file.apply({ kind: 'write', position, bytes: bytes.subarray(0, length) })
    }
    return file
  }

  /** The file as found after a power cut. */
  afterPowerCut (keep: Keep, random: Random, sectorBytes: number): FaultyFile {
    const image = this.#imageAfterPowerCut(keep, random, sectorBytes)
    return new FaultyFile(image, image.clone())
  }

  #imageAfterPowerCut (keep: Keep, random: Random, sectorBytes: number): PagedBytes {
    const image = this.durable.clone()
    const pieces: readonly Piece[] = [...this.pending, ...this.inFlight]
    if (keep === 'none') return image
    if (keep === 'all') {
      for (const piece of pieces) applyTo(image, piece)
      return image
    }
    return keep === 'random' ? keepSomePieces(image, pieces, random, sectorBytes) : keepSomeSectors(image, pieces, random, sectorBytes)
  }
}

function applyTo (image: PagedBytes, piece: Piece): void {
  if (piece.kind === 'write') image.write(piece.bytes, piece.position)
  else image.truncate(piece.sizeBytes)
}

const rangeOf = (piece: Piece): [number, number] => piece.kind === 'write'
  ? [piece.position, piece.position + piece.bytes.length]
  : [Math.min(piece.sizeBytes, piece.beforeBytes), piece.beforeBytes]

const sizeAfter = (piece: Piece, sizeBytes: number) => piece.kind === 'write' ? Math.max(sizeBytes, piece.position + piece.bytes.length) : piece.sizeBytes

/** Each piece is kept, dropped, or torn: only its first sectors arrived. */
function keepSomePieces (image: PagedBytes, pieces: readonly Piece[], random: Random, sectorBytes: number): PagedBytes {
  const versions = new Map<number, number>()
  let sizeBytes = image.sizeBytes
  pieces.forEach((piece, version) => {
    const fate = random.next()
    if (fate < 1 / 3) return
    let [from, to] = rangeOf(piece)
    if (fate > 2 / 3 && piece.kind === 'write') {
      const sectors = Math.floor(random.next() * (Math.ceil(to / sectorBytes) - Math.floor(from / sectorBytes)))
      to = Math.min(to, (Math.floor(from / sectorBytes) + sectors) * sectorBytes)
      if (to <= from) return
      sizeBytes = Math.max(sizeBytes, to)
    } else {
      sizeBytes = sizeAfter(piece, sizeBytes)
    }
    for (let sector = Math.floor(from / sectorBytes); sector * sectorBytes < to; sector++) versions.set(sector, version)
  })
  return compose(image, pieces, versions, sizeBytes, sectorBytes)
}

/** Each sector by itself: it is as it was after some one of the changes that touch it, or as before all of them. */
function keepSomeSectors (image: PagedBytes, pieces: readonly Piece[], random: Random, sectorBytes: number): PagedBytes {
  const touching = new Map<number, number[]>()
  const sizes = [image.sizeBytes]
  pieces.forEach((piece, version) => {
    const [from, to] = rangeOf(piece)
    for (let sector = Math.floor(from / sectorBytes); sector * sectorBytes < to; sector++) {
      const list = touching.get(sector)
      if (list === undefined) touching.set(sector, [version])
      else list.push(version)
    }
    sizes.push(sizeAfter(piece, sizes.at(-1)!))
  })
  const versions = new Map<number, number>()
  for (const [sector, list] of touching) {
    const version = Math.floor(random.next() * (list.length + 1)) - 1
    if (version >= 0) versions.set(sector, list[version]!)
  }
  return compose(image, pieces, versions, sizes[Math.floor(random.next() * sizes.length)]!, sectorBytes)
}

/**
 * Builds an image in which each sector is as after one version. A sector goes to the medium whole, so it holds what
 * all earlier changes did to it too: a later one without the earlier is not possible within one sector.
 */
function compose (image: PagedBytes, pieces: readonly Piece[], versions: ReadonlyMap<number, number>, sizeBytes: number, sectorBytes: number): PagedBytes {
  for (const [sector, version] of versions) {
    for (let at = 0; at <= version; at++) {
      const piece = pieces[at]!
      const [pieceFrom, pieceTo] = rangeOf(piece)
      const from = Math.max(pieceFrom, sector * sectorBytes)
      const to = Math.min(pieceTo, (sector + 1) * sectorBytes)
      if (from >= to) continue
      image.write(piece.kind === 'write' ? piece.bytes.subarray(from - pieceFrom, to - pieceFrom) : new Uint8Array(to - from), from)
    }
  }
  image.truncate(sizeBytes)
  return image
}
