import t from 'tap'
import { silentLogger } from '../../lib/base/index.ts'
import { DoubtFile } from '../../lib/log/index.ts'
import { Faults } from '../support/faults.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const PATH = '/data/doubt'
const newDisk = (): FaultyDisk => new FaultyDisk({ directories: ['/data'] })
const open = (disk: FaultyDisk): Promise<DoubtFile> => DoubtFile.open(disk, PATH, silentLogger)
const killed = (disk: FaultyDisk): FaultyDisk => disk.kill({ faults: new Faults() })
const powerLost = (disk: FaultyDisk, keep: 'none' | 'all' | 'random' = 'none', seed = 1): FaultyDisk => disk.powerCut({ keep, random: new SeededRandom(seed), faults: new Faults() })

t.test('while nothing was acknowledged before it was on disk there is no file, and no doubt', async (t) => {
  const disk = newDisk()
  const file = await open(disk)
  t.same(file.doubt, { life: 0, inDoubt: false })
  await file.noteSynced()
  await file.close()
  t.same(disk.paths(), [])
  t.same((await open(powerLost(disk))).doubt, { life: 0, inDoubt: false })
})

t.test('in doubt is who acknowledged what was only written, was not closed, and runs on another boot of the machine', async (t) => {
  const disk = newDisk()
  await (await open(disk)).noteUnsynced(disk)
  t.equal((await open(killed(disk))).doubt.inDoubt, false, 'the end of a process leaves with the system what was written')
  t.same((await open(powerLost(disk))).doubt, { life: 1, inDoubt: true })

  const closed = newDisk()
  const file = await open(closed)
  await file.noteUnsynced(closed)
  await file.noteSynced()
  await file.close()
  t.equal((await open(powerLost(closed))).doubt.inDoubt, false, 'all was on disk')
})

t.test('a doubt lasts until it is ended, through restarts and further losses; each begins another life', async (t) => {
  const disk = newDisk()
  await (await open(disk)).noteUnsynced(disk)
  const second = powerLost(disk)
  await open(second)
  t.same((await open(killed(second))).doubt, { life: 1, inDoubt: true })
  const third = powerLost(second)
  const file = await open(third)
  t.same(file.doubt, { life: 2, inDoubt: true }, 'it may have acknowledged more since')
  await file.noteSynced()
  await file.end()
  t.same((await open(powerLost(third))).doubt, { life: 2, inDoubt: false })
  const again = await open(powerLost(third))
  await again.begin()
  t.same(again.doubt, { life: 3, inDoubt: true }, 'a log that was replaced')
})

t.test('where the system does not tell boots apart, any end without a close is taken for a loss of power', async (t) => {
  const disk = newDisk()
  disk.bootId = async () => undefined
  await (await open(disk)).noteUnsynced(disk)
  const next = killed(disk)
  next.bootId = async () => undefined
  t.equal((await open(next)).doubt.inDoubt, true)
})

t.test('a power cut at any boundary: in doubt, once it could have acknowledged something', async (t) => {
  const whole = new Faults()
  const first = new FaultyDisk({ directories: ['/data'], faults: whole })
  await (await open(first)).noteUnsynced(first)
  for (let boundary = 1; boundary <= whole.boundaries; boundary++) {
    for (const keep of ['none', 'all', 'random'] as const) {
      const faults = new Faults()
      const disk = new FaultyDisk({ directories: ['/data'], faults })
      faults.stopAt(boundary, 'after')
      let mayAcknowledge = false
      open(disk).then((file) => file.noteUnsynced(disk)).then(() => { mayAcknowledge = true }, () => {})
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => { setImmediate(resolve) })
      const { doubt } = await open(powerLost(disk, keep, boundary))
      if (mayAcknowledge) t.equal(doubt.inDoubt, true, `boundary ${boundary}, ${keep}`)
    }
  }
  const done = newDisk()
  await (await open(done)).noteUnsynced(done)
  for (const keep of ['none', 'all', 'random'] as const) t.equal((await open(powerLost(done, keep))).doubt.inDoubt, true)
})

t.test('two bad copies: nobody knows whether this node is in doubt', async (t) => {
  const disk = newDisk()
  const file = await open(disk)
  await file.noteUnsynced(disk)
  await file.close()
  const bytes = await disk.open(PATH)
  await bytes.write(new Uint8Array(8192).fill(3), 0)
  await bytes.close()
  await t.rejects(open(disk), { code: 'MQ_CORRUPT' })
})
