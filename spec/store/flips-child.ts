import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LevelKv, MemoryDisk, MemoryKv, NodeDisk } from '../../lib/adapters/index.ts'
import { loadChecksum, silentLogger } from '../../lib/base/index.ts'
import { Store } from '../../lib/store/index.ts'
import { GROUP_ID, Leader, MemoryLog, writeBaseDump } from './leader.ts'

// Opens stores with one flipped bit each, in a process of its own: LevelDB may abort it. Prints a line per flip.
//     flips-child.ts make PRISTINE | flips-child.ts flip PRISTINE WORK FIRST STEPS | flips-child.ts again WORK

const SETTINGS = { unpersistedBytes: 1 << 30 }

function work (leader: Leader, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    leader.commit((writer) => {
      for (let j = 0; j < 30; j++) leader.append(writer, `topic-${j % 5}`, i % 3, { stampMs: i })
      for (let j = 0; j < 20; j++) leader.store.consumerOffsets.commit(writer, `group-${(i * 7 + j) % 90}`, `topic-${j % 5}`, 0, i)
    }, { stampMs: i })
  }
}

/** The log, the same in every process, and the state it leads to. */
async function original (): Promise<{ readonly log: MemoryLog, readonly hash: bigint }> {
  const log = new MemoryLog()
  const leader = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv(), log })
  work(leader, 0, 300)
  return { log, hash: await leader.store.stateHash() }
}

async function openAt (directory: string, log: MemoryLog): Promise<Store> {
  const store = await Store.open({ disk: new NodeDisk(), database: new LevelKv(join(directory, 'state')), logger: silentLogger, directory, log, groupId: GROUP_ID, settings: SETTINGS })
  for (const entry of log.entries) if (entry.index > store.appliedIndex) store.apply(entry)
  return store
}

/** Several starts, so that values stand in tables and in the database's own log. */
async function make (directory: string): Promise<void> {
  const { log: { entries } } = await original()
  const log = new MemoryLog()
  for (const end of [100, 200, 280, 300]) {
    log.entries = entries.slice(0, end)
    const store = await openAt(directory, log)
    await store.checkpoint()
    if (end === 200) await writeBaseDump(store)
    await store.close()
  }
}

/** `refused`: an error that says MQ_CORRUPT, after which a second start has the right state. */
async function look (directory: string, log: MemoryLog, hash: bigint): Promise<string> {
  let outcome = ''
  for (let start = 0; start < 2; start++) {
    let store: Store | undefined
    try {
      store = await openAt(directory, log)
      const found = await store.stateHash()
      outcome += found === hash ? (store.recovery.isRebuilt ? 'rebuilt' : 'right') : 'WRONG'
      await store.checkpoint()
      await store.close()
      return outcome
    } catch (error) {
      await store?.close()
      const code = (error as { code?: string }).code
      outcome += code === 'MQ_CORRUPT' ? 'refused, ' : `${code} ${(error as Error).message}, `
    }
  }
  return `${outcome}WRONG`
}

export async function flipsOf (pristine: string, steps: number): Promise<Array<{ readonly file: string, readonly at: number }>> {
  const flips: Array<{ file: string, at: number }> = []
  for (const name of (await readdir(join(pristine, 'state'))).sort()) {
    const file = join('state', name)
    const { size } = await stat(join(pristine, file))
    for (let i = 0; i < Math.min(steps, size); i++) flips.push({ file, at: Math.floor((i + 0.37) * size / Math.min(steps, size)) })
  }
  return flips
}

async function flip (pristine: string, directory: string, first: number, steps: number): Promise<void> {
  const { log, hash } = await original()
  const flips = await flipsOf(pristine, steps)
  for (let n = first; n < flips.length; n++) {
    const { file, at } = flips[n]!
    await rm(directory, { recursive: true, force: true })
    await cp(pristine, directory, { recursive: true })
    const bytes = await readFile(join(directory, file))
    bytes[at]! ^= 1 << n % 8
    await writeFile(join(directory, file), bytes)
    console.log(`begin ${n} ${file} byte ${at}`)
    console.log(`end ${n} ${await look(directory, log, hash)}`)
  }
}

await loadChecksum()
const [mode, ...rest] = process.argv.slice(2) as [string, ...string[]]
if (mode === 'make') {
  await make(rest[0]!)
} else if (mode === 'flip') {
  await flip(rest[0]!, rest[1]!, Number(rest[2]), Number(rest[3]))
} else if (mode === 'again') {
  const { log, hash } = await original()
  console.log(`again ${await look(rest[0]!, log, hash)}`)
}
