import { parseArgs } from 'node:util'
import { simulate } from './simulation.ts'

/** `npm run sim -- [--seed N] [--seeds M] [--json] [--trace]`: runs seeds N, N+1, ... and stops at the first violation. */
async function main (): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: process.env['SEED'] ?? '1' },
      seeds: { type: 'string' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false }
    }
  })
  const firstSeed = Number(values.seed)
  const seeds = Number(values.seeds ?? (process.argv.includes('--seed') ? 1 : 300))
  if (!Number.isSafeInteger(firstSeed) || !Number.isSafeInteger(seeds) || seeds < 1) throw new TypeError('--seed and --seeds take whole numbers')
  const faults: Record<string, number> = {}
  const startedAt = performance.now()
  let steps = 0
  let decided = 0
  let violations = 0
  let ran = 0
  for (let seed = firstSeed; seed < firstSeed + seeds && violations === 0; seed++) {
    const result = await simulate(values.trace ? { seed, print: (line) => { console.log(line) } } : { seed })
    ran++
    steps += result.steps
    decided += result.decided
    for (const [fault, count] of Object.entries(result.faults)) faults[fault] = (faults[fault] ?? 0) + count
    if (result.violation !== undefined) {
      violations++
      console.log(`seed ${seed}: ${result.violation.message}`)
      console.log(`replay: npm run sim -- --seed ${seed} --trace`)
    } else if (seeds === 1 || (seed - firstSeed + 1) % 50 === 0) {
      console.log(`seed ${seed}: ok, trace ${result.traceHash}; ${ran} seeds, ${steps} steps, ${decided} entries in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    }
  }
  if (values.json) console.log(JSON.stringify({ firstSeed, seeds: ran, steps, violations, faults }))
  return violations === 0 ? 0 : 1
}

process.exitCode = await main()
