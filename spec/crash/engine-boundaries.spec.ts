import t from 'tap'
import { stopEverywhere } from './engine-crashes.ts'

t.setTimeout(300_000)

t.test('a queue stopped at every boundary, nothing unsynced kept: nothing acked is missing, nothing is invented, consumers go on where they were', async (t) => {
  await stopEverywhere(t, (outcomes) => outcomes[0]!)
})
