import type { Parameters } from './parameters.ts'
import { simulate, type SimResult } from './simulation.ts'

export interface Job {
  readonly seed: number
  readonly parameters?: Partial<Parameters>
}

/** One process of several: runs the worlds it is told of, one after the other. */
process.on('message', (job: Job) => {
  simulate(job).then((result) => { process.send!(result satisfies SimResult) }, (error: unknown) => {
    console.error(error)
    process.exit(2)
  })
})
