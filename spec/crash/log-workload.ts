import type { Faults } from '../support/faults.ts'
import { LogLife, readAll } from './log-machine.ts'
import { Machine } from './machine.ts'

/**
 * A log through all it does: group commits of one and many entries, segment rolls, entries larger than a segment, cuts
 * inside a segment and across segments, a floor, idle time (the sync mark), terms and votes, a clean close and reopen.
 */
export async function workload (life: LogLife): Promise<void> {
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
  life.twin.floorPosition = life.twin.entries.at(-6)!.physicalOffset
  life.log.mayDeleteThrough = life.log.lastIndex
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

/** A second life: recovers, and goes on. */
export async function goOn (life: LogLife): Promise<void> {
  await life.open()
  life.twin.adopt(life.log.lastIndex)
  const { term, vote } = life.vote.hardState
  life.savedVote = { term, vote }
  life.append(9, 2, 500)
  await life.settled()
  await life.saveVote({ term: term + 10, vote: 3 })
  life.append(9, 1, 5000)
  await life.settled()
  await life.close()
}

/** Opens the log as found after `before`, and says what is wrong with it. */
export async function complaints (before: LogLife, machine: Machine): Promise<string[]> {
  const life = before.continueOn(machine)
  const done = await machine.run((async () => {
    await life.open()
    const { firstIndex, lastIndex, durableIndex } = life.log
    const found = life.twin.complaintsAbout(await readAll(life.log), { firstIndex, lastIndex })
    if (durableIndex !== lastIndex) found.push(`only ${durableIndex} of ${lastIndex} recovered entries are durable`)
    const { term, vote } = life.vote.hardState
    const votes = [before.savedVote, before.askedVote]
    if (!votes.some((known) => known.term === term && known.vote === vote)) found.push(`term ${term}, vote ${vote} was never the last one saved`)
    // The log must take more where it stands.
    life.twin.adopt(lastIndex)
    life.append(9, 2, 500)
    await life.settled()
    await life.close()
    if (life.failure !== undefined) found.push(`failed: ${String(life.failure)}`)
    return found
  })().catch((error) => [`does not open: ${error.stack}`]))
  return done === undefined ? ['the machine stopped'] : done.value
}

/** The workload on a machine that stops as `faults` say. */
export async function runUntilStopped (seed: number, faults: Faults, inlineFlush: boolean, alignBytes?: number): Promise<{ life: LogLife, machine: Machine }> {
  const machine = new Machine(seed, { faults, ...(alignBytes === undefined ? {} : { alignBytes }) })
  const life = new LogLife(machine, { inlineFlush })
  await machine.run(workload(life))
  return { life, machine }
}
