import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kind } from './rounds.ts'
import { Scene, type Figures } from './scene.ts'

export interface ChaosOptions {
  readonly folder: string
  readonly rounds: number
  /** Rounds of one group. */
  readonly perGroup: number
  readonly nodes: number
  readonly rate: number
  readonly batch: number
  readonly seed: number
  readonly tell: (text: string) => void
  /** The figures of the rounds so far, when a group was judged. */
  readonly onGroup: (figures: Figures) => Promise<void>
}

/** Of each round that is wanted: so many faults are tried. */
const MAX_CHOSEN = 3

/** So many rounds, on one group after the other; stops at the first group of which something is wrong, and leaves its files. */
export async function chaos (kind: Kind, { folder, rounds, perGroup, nodes, rate, batch, seed, tell, onGroup }: ChaosOptions): Promise<{ readonly figures: Figures, readonly problems: readonly string[] }> {
  const figures: Figures = {}
  let chosen = 0
  for (let from = 0, number = 0; from < rounds; from += perGroup, number++) {
    const home = join(folder, `group-${number}`)
    await using scene = await Scene.start({ folder: home, program: kind.program, seed: seed + number, nodes, rate, batch, tell, settings: kind.settings, diskMiB: kind.diskMiB, ...(kind.hasLinks === true && { hasLinks: true }) })
    for (let round = from; round < Math.min(rounds, from + perGroup);) {
      const startedMs = performance.now()
      await scene.steady('before the fault')
      let isRound: boolean
      try {
        isRound = await kind.round(scene, chosen++) !== false
        await scene.whole()
      } catch (error) {
        await scene.describe()
        throw error
      }
      scene.count(isRound ? 'rounds' : 'faults that did not come about')
      if (!isRound && chosen > MAX_CHOSEN * rounds) throw new Error(`of ${chosen} faults ${round} came about`)
      if (!isRound) continue
      round++
      tell(`round ${round} of ${rounds}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s, ${scene.producer.history.storedCount} confirmed`)
    }
    const problems = await scene.judge()
    for (const [name, value] of Object.entries(scene.figures)) figures[name] = name.startsWith('longest') ? Math.max(figures[name] ?? -Infinity, value) : (figures[name] ?? 0) + value
    if (problems.length > 0) return { figures, problems }
    await onGroup(figures)
    await scene[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
  return { figures, problems: [] }
}
