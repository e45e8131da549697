import t from 'tap'
import { stopEverywhere } from './engine-crashes.ts'

t.setTimeout(300_000)

t.test('a queue stopped at every boundary, unsynced pieces kept, dropped, torn and reordered, or its process killed', async (t) => {
  await stopEverywhere(t, (outcomes, boundary) => outcomes[1 + boundary % 5]!)
})
