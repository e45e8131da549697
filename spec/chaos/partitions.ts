import type { Random } from '../../lib/base/index.ts'
import type { LinkFault } from './links.ts'

export const partitionKinds = ['split', 'one-way', 'bridge', 'ring', 'flapping', 'delay', 'loss', 'throttle'] as const
export type PartitionKind = typeof partitionKinds[number]

const CUT: LinkFault = { isCut: true }
const FLAP_MS = [100, 900] as const

export interface Partition {
  /** Whether some node can exchange messages with a majority, itself included, all the while. */
  readonly hasMajority: boolean
  readonly text: string
  /** Ends what goes on by itself; the faults stay. */
  stop (): void
}

export interface PartitionOptions {
  readonly count: number
  readonly leader: number
  readonly random: Random
  /** Calls `fn` after so long, unless what it returns is called first. */
  readonly later?: (fn: () => void, ms: number) => () => void
}

function laterHere (fn: () => void, ms: number): () => void {
  const timer = setTimeout(fn, ms)
  return () => { clearTimeout(timer) }
}

/** Puts faults between the nodes 0 to count - 1, worst for `leader`. */
export function part (kind: PartitionKind, links: { set (from: number, to: number, fault: LinkFault): void }, { count, leader, random, later = laterHere }: PartitionOptions): Partition {
  const all = Array.from({ length: count }, (_, i) => i)
  const others = shuffled(all.filter((node) => node !== leader), random)
  const each = (fault: (from: number, to: number) => LinkFault | undefined): void => {
    for (const from of all) {
      for (const to of all) if (from !== to) links.set(from, to, fault(from, to) ?? {})
    }
  }
  const done = (text: string, hasMajority = true, stop = (): void => {}): Partition => ({ text, hasMajority, stop })
  const minority = new Set([leader, ...others.slice(0, (count - 3) / 2)])
  switch (kind) {
    case 'split': {
      each((from, to) => minority.has(from) !== minority.has(to) ? CUT : undefined)
      return done(`${[...minority].join()} apart from the others`)
    }
    case 'one-way': {
      const isDeaf = random.next() < 0.5
      each((from, to) => (isDeaf ? to : from) === leader ? CUT : undefined)
      return done(isDeaf ? `the leader ${leader} hears nobody` : `nobody hears the leader ${leader}`)
    }
    case 'bridge': {
      // the leader is on one side, one other node sees both
      const [bridge, ...rest] = others
      const side = new Set([leader, ...rest.slice(0, (count - 3) / 2)])
      each((from, to) => from !== bridge && to !== bridge && side.has(from) !== side.has(to) ? CUT : undefined)
      return done(`${[...side].join()} reach the others only over ${bridge}`)
    }
    case 'ring': {
      const order = shuffled(all, random)
      const gap = (from: number, to: number): number => (order.indexOf(to) - order.indexOf(from) + count) % count
      // three neighbours are all there are: there the ring has a direction
      each((from, to) => gap(from, to) === 1 || (count > 3 && gap(from, to) === count - 1) ? undefined : CUT)
      return done(`a ring ${order.join()}`, count > 3)
    }
    case 'flapping': {
      let isCut = false
      let cancel = (): void => {}
      const flap = (): void => {
        isCut = !isCut
        each((from, to) => isCut && minority.has(from) !== minority.has(to) ? CUT : undefined)
        cancel = later(flap, FLAP_MS[0] + random.next() * (FLAP_MS[1] - FLAP_MS[0]))
      }
      flap()
      return done(`${[...minority].join()} apart now and then`, true, () => { cancel() })
    }
    case 'delay': {
      const delayMs = 20 + Math.floor(random.next() * 60)
      each(() => ({ delayMs }))
      return done(`everything comes ${delayMs} ms later`)
    }
    case 'loss': {
      each(() => ({ lossShare: 0.05 }))
      return done('1 of 20 pieces is lost once')
    }
    case 'throttle': {
      const bytesPerSecond = 64 * 1024
      each((from) => from === leader ? { bytesPerSecond } : undefined)
      return done(`the leader ${leader} sends ${bytesPerSecond} bytes a second to each`)
    }
  }
}

function shuffled<T> (items: readonly T[], random: Random): T[] {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(random.next() * left.length), 1)[0]!)
}
