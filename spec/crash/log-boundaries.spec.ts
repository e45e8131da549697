import t from 'tap'
import { Faults } from '../support/faults.ts'
import { LogLife, readAll } from './log-machine.ts'
import { Machine, outcomesOf, stopPoints, summary } from './machine.ts'

/**
 * A log through all it does: group commits of one and many entries, segment rolls, entries larger than a segment, cuts
 * inside a segment and across segments, a floor, idle time (the sync mark), terms and votes, a clean close and reopen.
 */
async function workload (life: LogLife): Promise<void> {
  await life.open()
  await life.saveVote({ term: 1, vote: 1 })
  life.append(1, 1, 200)
  await life.settled()
  life.append(1, 5, 900)
  life.append(1, 3, 300)
  await life.settled()
  for (let batch = 0; batch < 6; batch++) life.append(1, 2, 3000)
  await life.settled()
  life.append(1, 1, 40_000)
  life.append(1, 2, 1000)
  await life.settled()
  await life.idle(50)
  await life.saveVote({ term: 2, vote: 2 })
  await life.cut(life.log.lastIndex)
  life.append(2, 4, 2000)
  await life.settled()
  await life.cut(life.log.lastIndex - 5)
  life.append(2, 8, 4000)
  await life.settled()
  life.twin.floorPosition = life.twin.entries[9]!.physicalOffset
  life.log.setFloor(life.twin.floorPosition)
  await life.idle(20)
  life.append(2, 6, 3000)
  await life.settled()
  await life.close()
  await life.open()
  await life.saveVote({ term: 3, vote: 0 })
  life.append(3, 10, 1500)
  await life.settled()
  life.append(3, 3, 500)
  await life.close()
}

/** Opens the log as found, and says what is wrong with it. */
async function complaints (before: LogLife, machine: Machine): Promise<string[]> {
  const life = new LogLife(machine, { twin: before.twin })
  const done = await machine.run((async () => {
    await life.open()
    const { firstIndex, lastIndex, durableIndex } = life.log
    const found = life.twin.complaintsAbout(await readAll(life.log), { firstIndex, lastIndex })
    if (durableIndex !== lastIndex) found.push(`only ${durableIndex} of ${lastIndex} recovered entries are durable`)
    const { term, vote } = life.vote.hardState
    const votes = [before.savedVote, before.askedVote]
    if (!votes.some((known) => known.term === term && known.vote === vote)) found.push(`term ${term}, vote ${vote} was never the last one saved`)
    // The log goes on where it stands.
    life.twin.entries = (before.twin.beforeCut !== undefined && lastIndex > before.twin.entries.length ? before.twin.beforeCut : before.twin.entries).slice(0, lastIndex)
    life.append(9, 2, 500)
    await life.settled()
    await life.close()
    if (life.failure !== undefined) found.push(`failed: ${String(life.failure)}`)
    return found
  })().catch((error) => [`does not open: ${error.stack}`]))
  return done === undefined ? ['the machine stopped'] : done.value
}

async function runUntilStopped (seed: number, faults: Faults, inlineFlush: boolean): Promise<{ life: LogLife, machine: Machine }> {
  const machine = new Machine(seed, faults)
  const life = new LogLife(machine, { inlineFlush })
  await machine.run(workload(life))
  return { life, machine }
}

/** A twin that a look at one outcome may go on with, without touching the next one's. */
function copyOf (life: LogLife): LogLife {
  const copy = new LogLife(life.machine, { twin: Object.assign(Object.create(Object.getPrototypeOf(life.twin)), life.twin) })
  copy.savedVote = life.savedVote
  copy.askedVote = life.askedVote
  return copy
}

for (const inlineFlush of [false, true]) {
  t.test(`a log stopped at every boundary, ${inlineFlush ? 'flushed on the calling thread' : 'flushed in the background'}`, async (t) => {
    const whole = await runUntilStopped(1, new Faults({ trace: true }), inlineFlush)
    t.same(await complaints(copyOf(whole.life), whole.machine.afterPowerCut('none', 1)), [], 'nothing is lost after a clean close')
    t.equal(whole.life.failure, undefined)
    t.equal(whole.machine.disk.openHandles, 0, 'every file was closed')
    const { boundaries } = whole.machine.faults
    t.comment(`${boundaries} boundaries: ${summary(whole.machine.faults.trace)}`)
    let crashes = 0
    for (let boundary = 1; boundary <= boundaries; boundary++) {
      for (const point of stopPoints) {
        const faults = new Faults()
        faults.stopAt(boundary, point)
        const { life, machine } = await runUntilStopped(1, faults, inlineFlush)
        for (const { name, found } of outcomesOf(boundary)) {
          const wrong = await complaints(copyOf(life), found(machine, new Faults()))
          crashes++
          if (wrong.length > 0) t.fail(`stopped ${point} ${whole.machine.faults.trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
        }
      }
    }
    t.pass(`${crashes} crashes`)
  })
}
