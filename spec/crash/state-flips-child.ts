import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '../../lib/base/index.ts'
import { directoryPorts, Engine, PutProposal, type EngineOptions, type PutResult } from '../../lib/engine/index.ts'

// One queue on the real disk, in a process of its own, because LevelDB may abort it:
//     state-flips-child.ts make DIRECTORY                      makes the queue; dies without closing it
//     state-flips-child.ts look PRISTINE WORK FILE BYTE BIT    flips a bit in a copy and says what the queue holds then

const MESSAGES = 400
const ACKED = 150

function optionsFor (directory: string): EngineOptions {
  return {
    directory,
    durability: 'disk',
    flush: { timed: true, intervalMs: 500, leastPages: 4, thoroughIntervalMs: 10_000 },
    logger: silentLogger,
    retention: { maxAgeMs: Infinity, maxBytes: Infinity },
    limits: { maxEntryBytes: 64 * 1024, maxPendingProposals: 10_000, maxPendingBytes: 1024 * 1024, tailCacheBytes: 1024 * 1024, coldCacheBytes: 1024 * 1024, segmentBytes: 64 * 1024, maxWaitingConsumers: 10 },
    ports: directoryPorts(directory),
    storeSettings: { checkpointBytes: 24 * 1024, baseDumpBytes: 64 * 1024, unpersistedBytes: 8 * 1024, pageCacheBytes: 16 * 1024 }
  }
}

const send = (engine: Engine, queueId: number, body: string) => new Promise<PutResult>((resolve, reject) => {
  engine.submit(new PutProposal(engine.topicToBe({ name: 'orders', queueCount: 2, attributes: {} }), queueId, Buffer.from(body), '', '', 0, '', resolve, reject))
})

async function consume (engine: Engine, max: number) {
  return await engine.pop({ group: 'workers', topic: 'orders', max, invisibleMs: 3_600_000 })
}

/** Several starts, so that the state lies in tables as well as in the database's own log; the last one ends by force. */
async function make (directory: string): Promise<void> {
  for (let start = 0; start < 4; start++) {
    const engine = await Engine.open(optionsFor(directory))
    for (let i = start * MESSAGES / 4; i < (start + 1) * MESSAGES / 4; i++) await send(engine, i % 2, `message ${i} ${'x'.repeat(200)}`)
    if (start === 2) {
      for (const delivery of await consume(engine, ACKED)) await engine.ack(delivery)
    }
    if (start < 3) await engine.close()
  }
  process.kill(process.pid, 'SIGKILL')
}

/** All the queue holds: messages by queue, and what the group has not done yet. */
async function contents (engine: Engine): Promise<string> {
  const messages = []
  for (const queueId of [0, 1]) {
    const records = await engine.read({ topic: 'orders', queueId, fromOffset: 0, maxMessages: MESSAGES })
    messages.push(records.map(({ record, queueOffset }) => `${queueOffset} ${Buffer.from(record.body).toString()}`).join('\n'))
  }
  const left = (await consume(engine, MESSAGES)).map(({ queueId, queueOffset }) => `${queueId}/${queueOffset}`).sort()
  return JSON.stringify([messages, left])
}

async function look (pristine: string, work: string, file: string, byte: number, bit: number): Promise<void> {
  await rm(work, { recursive: true, force: true })
  await cp(pristine, work, { recursive: true })
  if (file !== '') {
    const bytes = await readFile(join(work, file))
    bytes[byte]! ^= 1 << bit
    await writeFile(join(work, file), bytes)
  }
  await open(work)
}

async function open (work: string): Promise<void> {
  let engine: Engine | undefined
  try {
    engine = await Engine.open(optionsFor(work))
    const { isRebuilt } = engine.store.recovery
    console.log(JSON.stringify({ outcome: isRebuilt ? 'rebuilt' : 'right', contents: await contents(engine) }))
  } catch (error) {
    const { code, message } = error as { code?: string, message: string }
    console.log(JSON.stringify({ outcome: 'refused', code, message }))
  }
  await engine?.close()
}

const [mode, ...rest] = process.argv.slice(2) as [string, ...string[]]
if (mode === 'make') await make(rest[0]!)
else if (mode === 'look') await look(rest[0]!, rest[1]!, rest[2]!, Number(rest[3]), Number(rest[4]))
else await open(rest[0]!)
