import t from 'tap'
import { ensureIncarnation } from '../../lib/group/incarnation-file.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { settle } from '../support/virtual-clock.ts'

t.test('who an empty node says it is stays so through a power cut, also when the process before it was killed at any step', async (t) => {
  const progress = { isDone: false }
  for (let boundary = 1; !progress.isDone; boundary++) {
    const faults = new Faults()
    faults.stopAt(boundary, 'after')
    const disk = new FaultyDisk({ faults, directories: ['/data'] })
    const first = ensureIncarnation(disk, '/data', new SeededRandom(1), 3).then(() => { progress.isDone = true })
    first.catch(() => {})
    while (!progress.isDone && !faults.stopped) await settle()
    const killed = disk.kill()
    const nodeId = await ensureIncarnation(killed, '/data', new SeededRandom(2), 3)
    t.equal(await ensureIncarnation(killed.powerCut({ keep: 'none' }), '/data', new SeededRandom(3), 3), nodeId, `killed after operation ${boundary}`)
  }
})
