import type { Lease } from './pop-lease.ts'

/** Offsets of a place: leases of single messages are at most so many in one. */
const PLACE_OFFSETS = 32

/** Which leases of a queue may hold an offset: of thousands those that cover offsets near it. */
export class LeasePlaces {
  readonly #places = new Map<number, Set<Lease>>()

  constructor (leases: Iterable<Lease>) {
    for (const lease of leases) this.add(lease)
  }

  near (offset: number): Iterable<Lease> { return this.#places.get(placeOf(offset)) ?? [] }

  add (lease: Lease): void {
    for (let place = placeOf(lease.firstOffset); place <= placeOf(lease.endOffset - 1); place++) {
      const leases = this.#places.get(place)
      if (leases === undefined) this.#places.set(place, new Set([lease]))
      else leases.add(lease)
    }
  }

  remove (lease: Lease): void {
    for (let place = placeOf(lease.firstOffset); place <= placeOf(lease.endOffset - 1); place++) {
      const leases = this.#places.get(place)
      leases?.delete(lease)
      if (leases?.size === 0) this.#places.delete(place)
    }
  }
}

function placeOf (offset: number): number { return Math.floor(offset / PLACE_OFFSETS) }
